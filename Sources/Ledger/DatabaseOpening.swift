internal import GRDB
internal import Glibc

/// The connections to a database, and the files that they have open.
struct OpenedDatabase: Sendable {
    var pool: DatabasePool
    var files: OpenedFiles
}

/// Opens the database so that what is committed is durable, and asserts that it is.
struct DatabaseOpening {
    enum Occasion {
        case atStart
        /// Then the file must be there: one made anew, where a folder is away for a while, would take what nobody finds.
        case afterFailure
        /// A daemon has it: nothing is created, migrated or moved.
        case shared
    }

    let path: String
    let occasion: Occasion

    init(path: String, _ occasion: Occasion) {
        self.path = path
        self.occasion = occasion
    }

    func open() throws(LedgerError) -> OpenedDatabase {
        do {
            var configuration = Configuration()
            configuration.foreignKeysEnabled = true
            // Readers of other programs never block a writer in WAL; a copy being taken or a checkpoint may for a moment.
            configuration.busyMode = .timeout(Double(Database.patienceSeconds))
            configuration.maximumReaderCount = 4
            configuration.prepareDatabase { database in
                try database.execute(sql: "PRAGMA secure_delete = ON")
            }
            switch occasion {
            case .atStart:
                try assertOwn()
                createPrivately()
            case .afterFailure: try assertExists()
            case .shared: try assertOwn()
            }
            let pool = try DatabasePool(path: path, configuration: configuration)
            try pool.writeWithoutTransaction { database in
                // Entering WAL set `synchronous` to NORMAL, under which a power cut loses acknowledged commits.
                // https://www.sqlite.org/pragma.html#pragma_synchronous
                try database.execute(sql: "PRAGMA synchronous = FULL")
                // 16 MB: a checkpoint's two syncs then come four times less often than by default between an event and its answer.
                try database.execute(sql: "PRAGMA wal_autocheckpoint = 4000")
                try settleWAL(database)
            }
            if occasion == .shared {
                try Schema.assertCurrent(pool, path: path)
            } else {
                try Schema.migrate(pool, path: path)
            }
            try pool.writeWithoutTransaction { database in try assertDurable(database) }
            return OpenedDatabase(pool: pool, files: OpenedFiles(path: path, isLocked: occasion != .shared))
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    /// The file is 0640 whatever the umask: SQLite gives the WAL and its index the database's own mode.
    ///
    /// Only a new file is opened here: closing a descriptor of one that SQLite has open would drop this process's locks on it.
    /// https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_
    private func createPrivately() {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { return }
        fchmod(descriptor, 0o640)
        Glibc.close(descriptor)
    }

    /// Another program's database is left as it is: the first connection that may write would already set WAL in it.
    private func assertOwn() throws {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(Double(Database.patienceSeconds))
        // One that is not there yet, or that cannot be read so, is judged as it is opened.
        guard let queue = try? DatabaseQueue(path: path, configuration: configuration) else { return }
        defer { try? queue.close() }
        if (try? queue.read(Schema.isForeign)) == true { throw LedgerError.foreign(path) }
    }

    private func assertExists() throws(LedgerError) {
        guard access(path, F_OK) != 0 else { return }
        throw LedgerError(
            .storage, reason: "\(path): is not there any more",
            hint: "Put the database back, or start Sparekey again to begin a new one.")
    }

    /// Lets the disk hold what Linux shows of the WAL, moves it into the database, and empties it.
    ///
    /// After a failed sync, Linux shows what it could not write as if it were on the disk. Recovery takes it for committed, and after a
    /// power cut the WAL would end there, before all that was acknowledged since.
    /// https://lwn.net/Articles/752063, https://www.sqlite.org/walformat.html#recovery
    private func settleWAL(_ database: Database) throws {
        switch occasion {
        case .shared: return
        case .afterFailure: try writeWALAgain(database)
        case .atStart:
            // The same failure may have ended the process before. But a start waits for no other writer.
            do {
                try writeWALAgain(database)
            } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
                return
            }
        }
        // What is written again is on the disk: where somebody reads, emptying it can wait.
        try database.emptyWAL()
    }

    /// Writes the WAL over itself and syncs it: a checkpoint of frames that are not on the disk would leave, after a power cut, newer
    /// pages beside older ones. Under the writer's lock, for what another process appended meanwhile would be overwritten.
    private func writeWALAgain(_ database: Database) throws {
        try database.inTransaction(.immediate) {
            try copyWALOntoItself()
            return .rollback
        }
    }

    /// SQLite's locks are on the other files, so closing this one drops none of them.
    private func copyWALOntoItself() throws(LedgerError) {
        let descriptor = Glibc.open(path + "-wal", O_RDWR | O_CLOEXEC)
        // Without one, or without the right to it, SQLite decides.
        guard descriptor >= 0 else { return }
        defer { Glibc.close(descriptor) }
        var chunk = [UInt8](repeating: 0, count: 1_048_576)
        var offset: off_t = 0
        while true {
            let count = pread(descriptor, &chunk, chunk.count, offset)
            if count == 0 { break }
            guard count > 0, pwrite(descriptor, chunk, count, offset) == count else { throw walFailure() }
            offset += off_t(count)
        }
        guard offset == 0 || fdatasync(descriptor) == 0 else { throw walFailure() }
    }

    private func walFailure() -> LedgerError {
        LedgerError(
            .storage, reason: "\(path)-wal: cannot be written again, \(String(cString: strerror(errno)))",
            hint: "Look at the free space, the owner and the mode of the folder.")
    }

    private func assertDurable(_ database: Database) throws {
        let expected: [(String, DatabaseValue)] = [
            ("journal_mode", "wal".databaseValue), ("synchronous", 2.databaseValue), ("foreign_keys", 1.databaseValue),
            ("secure_delete", 1.databaseValue),
        ]
        for (setting, value) in expected {
            let found = try DatabaseValue.fetchOne(database, sql: "PRAGMA \(setting)")
            guard found == value else {
                throw LedgerError(
                    .notDurable, reason: "\(path): SQLite did not accept \(setting) = \(value)",
                    hint: "The file system must support WAL: use a local disk, not a network file system.")
            }
        }
    }
}

extension Database {
    /// How long a write waits for another's.
    fileprivate static let patienceSeconds = 5

    /// Moves the WAL into the database and empties it, unless somebody reads an old snapshot.
    ///
    /// - Parameter patience: how long it waits for others, in milliseconds. While a daemon waits, so does its intake.
    /// - Returns: whether it is empty.
    @discardableResult
    func emptyWAL(patience: Int = 0) throws -> Bool {
        do {
            try execute(sql: "PRAGMA busy_timeout = \(patience)")
            defer { try? execute(sql: "PRAGMA busy_timeout = \(Self.patienceSeconds * 1000)") }
            _ = try checkpoint(.truncate)
            return true
        } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
            return false
        }
    }
}
