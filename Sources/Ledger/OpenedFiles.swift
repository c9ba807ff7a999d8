#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

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

    /// - Parameter path: of a database that has just been opened and written or read.
    init(path: String) {
        paths = [path, path + "-wal"]
        identities = paths.map { Identity($0) }
    }

    /// Two system calls.
    var areInPlace: Bool {
        zip(paths, identities).allSatisfy { path, identity in identity != nil && Identity(path) == identity }
    }
}
