internal import Glibc
internal import Synchronization

/// Keeps a second daemon off the same database: an advisory lock on `<database>.lock`, whose text names its holder.
///
/// The kernel drops the lock with the process, so neither `kill -9` nor a power cut leaves one behind.
package final class LedgerLock: Sendable {
    private let databasePath: String
    private let descriptor: Mutex<Int32>

    /// - Throws: `LedgerError` with the holder's process ID when another daemon has the database.
    package init(databasePath: String) throws(LedgerError) {
        self.databasePath = databasePath
        descriptor = Mutex(try Self.take(databasePath))
    }

    /// Takes the lock anew where somebody has removed its file, or put another in its place: whoever starts then locks that one.
    ///
    /// - Throws: `LedgerError` when another daemon has done so.
    func renew() throws(LedgerError) {
        try descriptor.withLock { descriptor throws(LedgerError) in
            if Self.isInPlace(descriptor, databasePath + ".lock") { return }
            let taken = try Self.take(databasePath)
            if descriptor >= 0 { close(descriptor) }
            descriptor = taken
        }
    }

    /// Whether the path still leads to the open file.
    private static func isInPlace(_ descriptor: Int32, _ path: String) -> Bool {
        var (opened, there) = (stat(), stat())
        return fstat(descriptor, &opened) == 0 && stat(path, &there) == 0 && opened.st_ino == there.st_ino
            && opened.st_dev == there.st_dev
    }

    private static func take(_ databasePath: String) throws(LedgerError) -> Int32 {
        let path = databasePath + ".lock"
        for _ in 0..<10 {
            let opened = try takeOpened(path, databasePath)
            // Removed between its opening and its locking, it keeps nobody off.
            if isInPlace(opened, path) { return opened }
            close(opened)
        }
        throw LedgerError(
            .storage, reason: "\(path): is removed again and again",
            hint: "Leave it there: it keeps a second daemon off.")
    }

    private static func takeOpened(_ path: String, _ databasePath: String) throws(LedgerError) -> Int32 {
        let opened = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        guard opened >= 0 else {
            let failure = errno
            throw LedgerError(
                .storage, reason: "\(path): cannot be opened, \(String(cString: strerror(failure)))",
                hint: failure == EROFS
                    ? "Its disk is mounted read-only, or the unit lets the service write elsewhere only (ReadWritePaths=)."
                    : "The folder must exist and belong to the user that runs Sparekey.")
        }
        guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
            let failure = errno
            guard failure == EWOULDBLOCK else {
                close(opened)
                throw LedgerError(
                    .storage, reason: "\(path): cannot be locked, \(String(cString: strerror(failure)))",
                    hint: "Put the database on a local disk, not on a network file system.")
            }
            var holder = [UInt8](repeating: 0, count: 32)
            let count = max(0, pread(opened, &holder, holder.count, 0))
            close(opened)
            let processID = String(decoding: holder.prefix(count).filter { (0x30...0x39).contains($0) }, as: UTF8.self)
            throw LedgerError(
                .locked, reason: "\(databasePath): in use by the sparekey process \(processID)",
                hint: "Only one daemon may use a database: stop that one, or set another database.path.")
        }
        let text = Array("\(getpid())\n".utf8)
        if ftruncate(opened, 0) == 0 { _ = pwrite(opened, text, text.count, 0) }
        // Whatever the umask. Of another user's file the mode is theirs.
        fchmod(opened, 0o640)
        return opened
    }

    package func release() {
        descriptor.withLock { descriptor in
            if descriptor >= 0 {
                // A close alone leaves it to a child that is being started, which has a copy until its exec.
                flock(descriptor, LOCK_UN)
                close(descriptor)
            }
            descriptor = -1
        }
    }

    deinit { release() }
}
