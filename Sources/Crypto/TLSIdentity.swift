internal import CLinux
internal import Synchronization

/// The certificate and key that new connections get, which may be exchanged at any time: connections keep what they began with.
package final class TLSIdentity: Sendable {
    /// The two files of a certificate and its key.
    package struct Files: Sendable, Equatable {
        package var certificate: String
        package var privateKey: String

        package init(certificate: String, privateKey: String) {
            self.certificate = certificate
            self.privateKey = privateKey
        }
    }

    /// What tells that a file was written, replaced or made readable, also behind a symbolic link.
    private struct Stamp: Equatable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var modifiedSeconds: Int64
        var modifiedNanoseconds: Int64
        var changedSeconds: Int64
        var changedNanoseconds: Int64

        init?(_ path: String) {
            var stamp = sparekey_file_stamp()
            guard sparekey_stat(path, &stamp) == 0 else { return nil }
            device = stamp.device
            inode = stamp.inode
            size = stamp.size
            modifiedSeconds = stamp.modified_seconds
            modifiedNanoseconds = stamp.modified_nanoseconds
            changedSeconds = stamp.changed_seconds
            changedNanoseconds = stamp.changed_nanoseconds
        }
    }

    private struct State {
        var files: Files
        /// Of the files as they were last looked at, whether they could be used or not.
        var stamps: [Stamp?]
        var context: TLSContext
        /// Why the files could not be used when `refresh` last read them; nil when they could.
        var failure: TLSFileError?
    }

    private let state: Mutex<State>

    package init(_ files: Files) throws(TLSFileError) {
        let (context, stamps) = try TLSIdentity.load(files)
        state = Mutex(State(files: files, stamps: stamps, context: context))
    }

    package var context: TLSContext { state.withLock { $0.context } }

    /// Reads files anew, whether they have changed or not; when they cannot be used, the old certificate stays.
    package func replace(with files: Files) throws(TLSFileError) {
        let (context, stamps) = try TLSIdentity.load(files)
        state.withLock { $0 = State(files: files, stamps: stamps, context: context) }
    }

    /// Reads the files anew if they have changed since they were last looked at, or could not be used then: what made them
    /// unusable need not be in them, as where the process had no descriptor left. The old certificate stays until they can be.
    ///
    /// - Returns: whether there is a new certificate.
    /// - Throws: why there is none, once for each reason in a row.
    package func refresh() throws(TLSFileError) -> Bool {
        let (files, seen, last) = state.withLock { ($0.files, $0.stamps, $0.failure) }
        let stamps = TLSIdentity.stamps(files)
        guard stamps != seen || last != nil else { return false }
        do {
            let (context, stamps) = try TLSIdentity.load(files)
            // Others may have been named meanwhile.
            return state.withLock { state in
                guard state.files == files else { return false }
                state = State(files: files, stamps: stamps, context: context)
                return true
            }
        } catch {
            let isStillMeant = state.withLock { state in
                guard state.files == files else { return false }
                state.stamps = stamps
                state.failure = error
                return true
            }
            if error == last || !isStillMeant { return false }
            throw error
        }
    }

    /// The stamps are taken first: a change during the reading is found the next time.
    private static func load(_ files: Files) throws(TLSFileError) -> (TLSContext, [Stamp?]) {
        let stamps = stamps(files)
        let context = try TLSContext(certificateFile: files.certificate, privateKeyFile: files.privateKey)
        return (context, stamps)
    }

    private static func stamps(_ files: Files) -> [Stamp?] { [Stamp(files.certificate), Stamp(files.privateKey)] }
}
