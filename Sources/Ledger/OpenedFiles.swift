internal import Glibc

/// The files that a database connection has open, by what the file system knows them by. SQLite goes on writing into files that were
/// moved away or removed. https://www.sqlite.org/howtocorrupt.html#_unlinking_or_renaming_a_database_file_while_in_use
struct OpenedFiles: Sendable {
    private struct Identity: Sendable, Equatable {
        var device: UInt64
        var inode: UInt64

        /// Nil where there is no such file.
        init?(_ path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }

    private let paths: [String]
    private let identities: [Identity?]

    /// - Parameters:
    ///   - path: of a database that has just been opened and written or read.
    ///   - isLocked: whether this process keeps other daemons off it: without the lock's file it does not.
    init(path: String, isLocked: Bool) {
        paths = [path, path + "-wal"] + (isLocked ? [path + ".lock"] : [])
        identities = paths.map { Identity($0) }
    }

    /// A system call for each.
    var areInPlace: Bool {
        zip(paths, identities).allSatisfy { path, identity in identity != nil && Identity(path) == identity }
    }

    /// Renames the WAL, and its index, where it is still the one that was open and the database beside it is another file, such as a
    /// backup that was put back: SQLite would take the WAL for that database's own, and destroy it.
    /// https://www.sqlite.org/howtocorrupt.html#_mispairing_database_files_and_hot_journals_
    ///
    /// - Returns: the WAL's new path; nil where there was nothing to rename.
    func setForeignWALAside() throws(LedgerError) -> String? {
        let found = paths.map { Identity($0) }
        guard let database = found[0], database != identities[0], let wal = found[1], wal == identities[1] else {
            return nil
        }
        // The WAL first: without it, its index says nothing; without its index, it would be read.
        for path in [paths[1], paths[0] + "-shm"] where rename(path, path + ".former") != 0 && errno != ENOENT {
            throw LedgerError(
                .storage,
                reason: "\(path): is another database's and cannot be moved aside, \(String(cString: strerror(errno)))",
                hint: "Stop sparekey.socket and sparekey.service, remove it, and start them again.")
        }
        return paths[1] + ".former"
    }
}
