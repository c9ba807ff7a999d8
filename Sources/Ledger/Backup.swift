internal import GRDB
internal import Glibc

/// A copy of the database that was read again from end to end.
package struct BackupReport: Sendable, Equatable {
    package var path: String
    package var bytes: Int64
    package var failovers: Int
    package var substitutions: Int
    package var events: Int
}

package enum BackupProgress: Sendable, Equatable {
    case copying(pages: Int, of: Int)
    case verifying
}

extension LogReader {
    /// Copies the database as it is now into a file of mode 0600, while the daemon writes to it or not. The copy gets its name only
    /// once `integrity_check` has found nothing wrong with it and it is synced.
    ///
    /// It is one file that needs no WAL: the daemon that is started on it makes its own. PINs are in it.
    ///
    /// - Parameter replacing: whether a file that is there already is replaced.
    /// - Throws: `LedgerError`; then no file of that name was made or changed.
    package func backUp(
        to destination: String, replacing: Bool, progress: @escaping @Sendable (BackupProgress) -> Void = { _ in }
    ) async throws(LedgerError) -> BackupReport {
        try await read { [path] source in
            let copy = try BackupFile(destination, of: path, replacing: replacing)
            defer { copy.discard() }
            do {
                // The snapshot that this read holds does not change, however much the daemon writes meanwhile: the copy never starts again.
                // https://www.sqlite.org/c3ref/backup_finish.html
                let queue = try DatabaseQueue(path: copy.path)
                defer { try? queue.close() }
                let report = try queue.writeWithoutTransaction { target in
                    try source.backup(to: target, pagesPerStep: 1024) { step in
                        progress(.copying(pages: step.completedPageCount, of: step.totalPageCount))
                    }
                    progress(.verifying)
                    try target.execute(sql: "PRAGMA journal_mode = DELETE")
                    return try verified(target, destination)
                }
                try queue.close()
                try copy.keep()
                return BackupReport(
                    path: destination, bytes: copy.bytes, failovers: report.failovers,
                    substitutions: report.substitutions, events: report.events)
            } catch {
                throw LedgerError(error, path: destination)
            }
        }
    }
}

extension LogReader {
    /// Removes what this process has made of a copy that is not whole yet: whoever ends amid `backUp` would leave PINs behind.
    package static func discardBackup(to destination: String) { BackupFile.discard(destination) }
}

private func verified(
    _ database: Database, _ path: String
) throws -> (failovers: Int, substitutions: Int, events: Int) {
    let damage = try String.fetchAll(database, sql: "PRAGMA integrity_check(5)").filter { $0 != "ok" }
    guard damage.isEmpty else {
        throw LedgerError(
            .corrupt, reason: "\(path): the copy is damaged, \(damage.joined(separator: "; "))",
            hint: "Run `sparekey check`: the database itself may be damaged. Nothing was kept.")
    }
    func count(_ table: String) throws -> Int {
        try Int.fetchOne(database, sql: "SELECT count(*) FROM \(table)") ?? 0
    }
    return (try count("failovers"), try count("substitutions"), try count("webhook_events"))
}

/// A file under another name beside its destination, until it is whole.
private struct BackupFile {
    let path: String
    private let destination: String
    private let replacing: Bool

    init(_ destination: String, of source: String, replacing: Bool) throws(LedgerError) {
        self.destination = destination
        self.replacing = replacing
        path = Self.partial(destination)
        var there = stat()
        if lstat(destination, &there) == 0 {
            guard there.st_mode & S_IFMT == S_IFREG else {
                throw LedgerError(
                    .storage, reason: "\(destination): is not a file", hint: "Name a file for the backup.")
            }
            for suffix in ["", "-wal", "-shm", ".lock"] {
                var original = stat()
                guard stat(source + suffix, &original) == 0, original.st_ino == there.st_ino,
                    original.st_dev == there.st_dev
                else { continue }
                throw LedgerError(
                    .storage,
                    reason: "\(destination): is the database itself" + (suffix.isEmpty ? "" : ", its \(suffix) file"),
                    hint: "Name another file for the backup.")
            }
            guard replacing else { throw Self.exists(destination) }
        }
        // SQLite would take what another database left there for the copy's own.
        for suffix in ["-wal", "-shm", "-journal"] where lstat(destination + suffix, &there) == 0 {
            throw LedgerError(
                .storage, reason: "\(destination)\(suffix): is there, and belongs to another database",
                hint: "Remove it, or name another file for the backup.")
        }
        unlink(path)
        let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw Self.failure(path, "cannot be made") }
        close(descriptor)
    }

    var bytes: Int64 {
        var facts = stat()
        return stat(destination, &facts) == 0 ? Int64(facts.st_size) : 0
    }

    /// Gives the synced file its name.
    func keep() throws(LedgerError) {
        try sync(path)
        // A link does not replace a file that somebody else has made meanwhile, as renaming would.
        if replacing {
            guard rename(path, destination) == 0 else { throw Self.failure(destination, "cannot be replaced") }
        } else if link(path, destination) != 0 {
            throw errno == EEXIST ? Self.exists(destination) : Self.failure(destination, "cannot be made")
        }
        let slash = destination.utf8.lastIndex(of: UInt8(ascii: "/"))
        try sync(slash.map { $0 == destination.startIndex ? "/" : String(destination[..<$0]) } ?? ".")
    }

    /// Removes what is left of it.
    func discard() { Self.discard(destination) }

    static func discard(_ destination: String) {
        for suffix in ["", "-journal", "-wal", "-shm"] { unlink(partial(destination) + suffix) }
    }

    /// One for each process, so that two do not write into one file.
    private static func partial(_ destination: String) -> String { destination + ".partial-\(getpid())" }

    private func sync(_ path: String) throws(LedgerError) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure(path, "cannot be opened") }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw Self.failure(path, "cannot be synced") }
    }

    private static func exists(_ path: String) -> LedgerError {
        LedgerError(.storage, reason: "\(path): is there already", hint: "Name another file, or say --overwrite.")
    }

    private static func failure(_ path: String, _ what: String) -> LedgerError {
        LedgerError(
            .storage, reason: "\(path): \(what), \(String(cString: strerror(errno)))",
            hint: "Look at the folder, its owner and its free space.")
    }
}
