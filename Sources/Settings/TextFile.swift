internal import Glibc
internal import Time

/// A text file read whole, with what the file system says about it.
struct TextFile {
    let text: String
    private let mode: mode_t
    private let owner: uid_t
    private let group: gid_t

    /// Whether others than its owner can read it. A file of root's that a group can read was made so on purpose: that
    /// is how a daemon's user gets at its configuration (`root:sparekey`, 0640).
    var isReadableByOthers: Bool { Self.isReadableByOthers(mode: mode, owner: owner) }

    static func isReadableByOthers(mode: mode_t, owner: uid_t) -> Bool {
        guard mode & S_IFMT == S_IFREG else { return false }
        return mode & S_IROTH != 0 || (mode & S_IRGRP != 0 && owner != 0)
    }

    /// The command after which nobody else can read the file at `path`, and whoever runs the daemon still can: a file of root's that
    /// belongs to another group than root's is read by that group.
    func closing(_ path: String) -> String {
        let isForGroup = owner == 0 && group != 0 && mode & S_IRGRP != 0
        return isForGroup ? "chmod o= \(path)" : "chmod 600 \(path)"
    }

    enum Failure: Error, Equatable {
        /// An `errno`.
        case system(Int32)
        case notAFile
        case tooLarge(limitBytes: Int)
        /// A pipe whose writer did not come to its end in time.
        case unfinished(after: Duration)
        /// The line of the first wrong byte, from 1.
        case notUTF8(line: Int)

        var isMissing: Bool { self == .system(ENOENT) || self == .system(ENOTDIR) }

        var line: Int? {
            if case .notUTF8(let line) = self { line } else { nil }
        }

        /// What is wrong, and what to do.
        func message(_ path: String) -> (problem: String, fix: String) {
            switch self {
            case .system(let code):
                // glibc's strerror is thread-safe since 2.32.
                let text = String(cString: strerror(code))
                switch code {
                case EACCES:
                    return ("cannot be read: \(text)", "let the user that runs sparekey read \(path)")
                default:
                    return ("cannot be read: \(text)", "check the path \(path)")
                }
            case .notAFile: return ("is not a file", "name a file instead of \(path)")
            case .tooLarge(let limitBytes):
                return ("is larger than \(limitBytes / 1024) KiB", "check that \(path) is the right file")
            case .unfinished(let patience):
                return (
                    "is a pipe that was still being written after \(patience.configured)",
                    "let the program that writes to \(path) come to its end"
                )
            case .notUTF8: return ("is not UTF-8", "save \(path) as UTF-8 text")
            }
        }
    }

    /// Pipes are read too: a shell's `<(…)` keeps decrypted secrets off the disk. One without a writer is at its end at once.
    ///
    /// - Parameter patience: how long a pipe is waited for in all; in it a person can type a passphrase.
    static func read(
        _ path: String, limitBytes: Int, patience: Duration = .seconds(30)
    ) throws(Failure) -> TextFile {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(errno) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system(errno) }
        guard [S_IFREG, S_IFIFO].contains(status.st_mode & S_IFMT) else { throw .notAFile }
        let bytes = try readBytes(descriptor, limitBytes: limitBytes, patience: patience)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .notUTF8(line: line(ofInvalidUTF8In: bytes))
        }
        return TextFile(text: text, mode: status.st_mode, owner: status.st_uid, group: status.st_gid)
    }

    private static func readBytes(
        _ descriptor: Int32, limitBytes: Int, patience: Duration
    ) throws(Failure) -> [UInt8] {
        let deadline = ContinuousClock.now + patience
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                guard errno == EAGAIN else { throw .system(errno) }
                let remaining = ContinuousClock.now.duration(to: deadline)
                guard remaining > .zero else { throw .unfinished(after: patience) }
                // Whatever it answers, the next read tells more.
                var pipe = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&pipe, 1, Int32(clamping: remaining.wholeMilliseconds + 1))
                continue
            }
            bytes += chunk[..<count]
            if bytes.count > limitBytes { throw .tooLarge(limitBytes: limitBytes) }
        }
    }

    /// A line break is never part of a longer UTF-8 sequence, so each line stands for itself.
    private static func line(ofInvalidUTF8In bytes: [UInt8]) -> Int {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return (lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0) + 1
    }
}
