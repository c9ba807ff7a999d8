internal import GRDB
internal import Synchronization
package import Time

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// The record of everything that was received, decided and done, in one SQLite file.
///
/// WAL, `synchronous=FULL`, one serial writer, many readers. All calls are safe from any task; what they await runs on the
/// database's own queues, never on Swift's cooperative pool.
package final class Ledger: Sendable {
    package let path: String
    package let random: RandomSource
    private let lock: LedgerLock
    private let opened: Mutex<DatabasePool?>

    /// Opens or creates the database, migrates it, and asserts that it is durable.
    ///
    /// - Throws: `LedgerError`; also when the file is newer than this program or in use by another daemon.
    package init(path: String, random: RandomSource = RandomSource()) throws(LedgerError) {
        self.path = path
        self.random = random
        lock = try LedgerLock(databasePath: path)
        opened = Mutex(try Self.open(path: path))
    }

    /// Moves the WAL into the database and closes it. What is called afterwards throws.
    package func close() {
        let pool = opened.withLock { opened in
            defer { opened = nil }
            return opened
        }
        guard let pool else { return }
        _ = try? pool.writeWithoutTransaction { database in try database.checkpoint(.truncate) }
        try? pool.close()
        lock.release()
    }

    /// Closes the connections and opens new ones, so that WAL recovery decides what a failed commit left behind: after a failed
    /// sync the page cache no longer tells what the disk holds, and the old connection must not be trusted.
    /// https://www.postgresql.org/docs/current/wal-reliability.html, https://www.sqlite.org/atomiccommit.html
    func reopen() throws(LedgerError) {
        let old = opened.withLock { opened in
            defer { opened = nil }
            return opened
        }
        try? old?.close()
        let new = try Self.open(path: path)
        opened.withLock { $0 = new }
    }

    func pool() throws(LedgerError) -> DatabasePool {
        guard let pool = opened.withLock({ $0 }) else {
            throw LedgerError(.storage, reason: "\(path): is closed", hint: "It is opened again with the next event.")
        }
        return pool
    }

    /// A write that has begun is carried through when its task is cancelled, at a stop or a reload: what was done outside, such as
    /// a pull, is then recorded, and a transaction that was cut short is not taken for one that cannot be carried out.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(LedgerError)
        -> Value
    {
        do {
            let pool = try pool()
            return try await Task { try await pool.write(body) }.value
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(LedgerError)
        -> Value
    {
        do {
            return try await pool().read(body)
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    private static func open(path: String) throws(LedgerError) -> DatabasePool {
        do {
            var configuration = Configuration()
            configuration.foreignKeysEnabled = true
            // Readers of other programs never block a writer in WAL; a copy being taken or a checkpoint may for a moment.
            configuration.busyMode = .timeout(5)
            configuration.maximumReaderCount = 4
            configuration.prepareDatabase { database in
                try database.execute(sql: "PRAGMA secure_delete = ON")
            }
            createPrivately(path)
            let pool = try DatabasePool(path: path, configuration: configuration)
            try pool.writeWithoutTransaction { database in
                // Entering WAL set `synchronous` to NORMAL, under which a power cut loses acknowledged commits.
                // https://www.sqlite.org/pragma.html#pragma_synchronous
                try database.execute(sql: "PRAGMA synchronous = FULL")
                try database.execute(sql: "PRAGMA wal_autocheckpoint = 1000")
            }
            try Schema.migrate(pool, path: path)
            try pool.writeWithoutTransaction { database in try assertDurable(database, path: path) }
            return pool
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    /// The file is 0640 from its first moment: SQLite gives the WAL and its index the database's own mode.
    private static func createPrivately(_ path: String) {
        let descriptor = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o640)
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    private static func assertDurable(_ database: Database, path: String) throws {
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
