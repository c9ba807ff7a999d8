internal import Glibc

/// A file of signing secrets, one a line, that Sparekey itself writes: the newest first, so that both are taken while a secret is
/// rotated.
package struct SecretFile: Sendable {
    /// Why a secret could not be stored. Never holds the secret.
    package struct Failure: Error, Sendable, Equatable, CustomStringConvertible {
        package var description: String
    }

    private static let limitBytes = 64 * 1024

    package let path: String
    private let owner: uid_t
    private let group: gid_t
    private let mode: mode_t

    /// What the file holds now; empty where there is none.
    package let secrets: [SecretText]

    /// Makes sure that the file can be written before anybody gives out a secret that would then be lost.
    ///
    /// A new file is 0600 and belongs to `reader`; one that is there keeps its owner and group, and loses what others may do with it.
    ///
    /// - Parameter reader: the user that runs the service and its group, where this process may give files away; nil for its own.
    package init(_ path: String, reader: (userID: UInt32, groupID: UInt32)?) throws(Failure) {
        self.path = path
        var facts = stat()
        if stat(path, &facts) == 0 {
            (owner, group, mode) = (facts.st_uid, facts.st_gid, facts.st_mode & 0o640 | 0o600)
            do throws(TextFile.Failure) {
                let text = try TextFile.read(path, limitBytes: Self.limitBytes).text
                secrets = text.split(separator: "\n").map { SecretText(String($0)) }.filter { !$0.reveal.isEmpty }
            } catch {
                let (problem, fix) = error.message(path)
                throw Failure(description: "\(path): \(problem); \(fix)")
            }
        } else {
            (owner, group) = reader.map { ($0.userID, $0.groupID) } ?? (geteuid(), getegid())
            (mode, secrets) = (0o600, [])
        }
        guard access(path.parentFolder, W_OK | X_OK) == 0 else {
            throw Failure(
                description: "\(path.parentFolder): cannot be written to, \(String(cString: strerror(errno)))")
        }
    }

    /// `mode 0600, owner sparekey`: the mode and the owner that the file gets.
    package var permissions: String {
        let name = getpwuid(owner).map { String(cString: $0.pointee.pw_name) } ?? "\(owner)"
        return "mode 0\(String(mode, radix: 8)), owner \(name)"
    }

    /// Replaces what is in the file, as a whole or not at all.
    package func store(_ secrets: [SecretText]) throws(Failure) {
        let temporary = "\(path).new-\(getpid())"
        func failure(_ what: String) -> Failure {
            let reason = String(cString: strerror(errno))
            unlink(temporary)
            return Failure(description: "\(temporary): \(what), \(reason)")
        }
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure("cannot be made") }
        defer { close(descriptor) }
        let bytes = Array(secrets.map { $0.reveal + "\n" }.joined().utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else { throw failure("cannot be written") }
        // Its own user's files an ordinary user cannot give away, and need not.
        if owner != geteuid() || group != getegid() {
            guard fchown(descriptor, owner, group) == 0 || geteuid() != 0 else { throw failure("cannot be given away") }
        }
        guard fchmod(descriptor, mode) == 0, fsync(descriptor) == 0 else { throw failure("cannot be kept") }
        guard rename(temporary, path) == 0 else { throw failure("cannot take the place of \(path)") }
    }
}

extension String {
    /// The folder of a path.
    package var parentFolder: String {
        guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == startIndex ? "/" : String(self[..<slash])
    }
}

extension Settings {
    /// What is wrong with a URL for Seam's webhook; nil for one that can be used.
    package static func complaint(aboutWebhookURL url: String) -> String? {
        do throws(Complaint) {
            try URLRules.check(url, allowsQuery: true)
            return nil
        } catch {
            return error.problem
        }
    }
}
