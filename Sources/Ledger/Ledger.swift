internal import Dispatch
internal import GRDB
internal import Glibc
internal import Synchronization
package import Time

/// Where a process may end in the middle of a write.
package enum WriteMoment: Sendable {
    /// Everything is written and nothing of it is kept.
    case beforeCommit
    /// Everything is kept, and whoever asked for it has not learned so.
    case afterCommit
}

/// The record of everything that was received, decided and done, in one SQLite file.
///
/// WAL, `synchronous=FULL`, one serial writer, many readers. All calls are safe from any task; what they await runs on the
/// database's own queues, never on Swift's cooperative pool.
package final class Ledger: Sendable {
    package let path: String
    package let random: RandomSource
    /// Nil where the database is shared with a daemon.
    private let lock: LedgerLock?
    let interruption: @Sendable (WriteMoment) throws -> Void
    private let setAside: @Sendable (String) -> Void
    private let connection: Mutex<Connection>
    /// Held by whoever closes or opens connections, so that two that saw the same failure do not open two pools: two writers in
    /// one process would wait for each other's locks. Waiting for it blocks.
    private let opening = Mutex(())
    /// Where the tasks' closing and opening block a thread that is not one of Swift's cooperative pool.
    private let openings = DispatchQueue(label: "sparekey.ledger.openings")

    private enum Connection {
        case open(OpenedDatabase)
        /// A commit failed, and so did opening the file again. The next call tries. With the files that were open.
        case failed(OpenedFiles)
        case closed
    }

    /// Whether a daemon may have the database open beside this process.
    var isShared: Bool { lock == nil }

    /// Opens or creates the database, migrates it, and asserts that it is durable.
    ///
    /// - Parameters:
    ///   - interruption: called around each commit; what it throws ends the write there, as the end of the process would.
    ///   - setAside: told of a WAL's new name, where the database was replaced while it was open and its own WAL stayed.
    /// - Throws: `LedgerError`; also when the file is newer than this program or in use by another daemon.
    package init(
        path: String, random: RandomSource = RandomSource(),
        interruption: @escaping @Sendable (WriteMoment) throws -> Void = { _ in },
        setAside: @escaping @Sendable (String) -> Void = { _ in }
    ) throws(LedgerError) {
        let path = path.withoutLink
        self.path = path
        self.random = random
        self.interruption = interruption
        self.setAside = setAside
        lock = try LedgerLock(databasePath: path)
        connection = Mutex(.open(try DatabaseOpening(path: path, .atStart).open()))
    }

    /// Opens the database of a daemon that may be running, for a few short writes of another process. SQLite's own locks keep the
    /// two apart; a write waits 5 s at most for the other's.
    ///
    /// - Throws: `LedgerError`; also where there is no database, or one of another version.
    package init(sharing path: String, random: RandomSource = RandomSource()) throws(LedgerError) {
        let path = path.withoutLink
        self.path = path
        self.random = random
        interruption = { _ in }
        setAside = { _ in }
        lock = nil
        guard access(path, F_OK) == 0 else {
            throw LedgerError(
                .missing, reason: "\(path): there is no database yet",
                hint: "`sparekey serve` creates it; is database.path the one that the daemon uses?")
        }
        connection = Mutex(.open(try DatabaseOpening(path: path, .shared).open()))
    }

    /// Moves the WAL into the database and closes it. What is called afterwards throws.
    package func close() {
        opening.withLock { _ in
            let former = connection.withLock { connection in
                defer { connection = .closed }
                return connection
            }
            if case .open(let opened) = former {
                // Whoever shares the database leaves its WAL to the daemon.
                if !isShared {
                    _ = try? opened.pool.writeWithoutTransaction { database in try database.checkpoint(.truncate) }
                }
                try? opened.pool.close()
            }
            lock?.release()
        }
    }

    /// The open connections; opened again where a failure closed them. Blocks in that case.
    func pool() throws(LedgerError) -> DatabasePool {
        if let pool = try openPool() { return pool }
        return try opening.withLock { _ throws(LedgerError) in
            if let pool = try openPool() { return pool }
            return try reopen()
        }
    }

    /// - Throws: `LedgerError` where the files that `pool` has open are not at their path any more: what is committed into them would
    ///   be found by nobody.
    func assertInPlace(_ pool: DatabasePool) throws(LedgerError) {
        let files: OpenedFiles? = connection.withLock { connection in
            guard case .open(let opened) = connection, opened.pool === pool else { return nil }
            return opened.files
        }
        guard let files, !files.areInPlace else { return }
        throw LedgerError(
            .storage, reason: "\(path): was moved or removed while in use",
            hint: "Put the database's files back: they are opened again by themselves.")
    }

    /// Closes the connections after a failure and opens new ones, so that WAL recovery decides what a failed commit left behind:
    /// after a failed sync the page cache no longer tells what the disk holds, and the old connection must not be trusted. Blocks.
    /// https://www.postgresql.org/docs/current/wal-reliability.html, https://www.sqlite.org/atomiccommit.html
    func replace(_ failed: DatabasePool) {
        opening.withLock { _ in
            let isCurrent = connection.withLock { connection in
                guard case .open(let opened) = connection, opened.pool === failed else { return false }
                connection = .failed(opened.files)
                return true
            }
            guard isCurrent else { return }
            try? failed.close()
            // If it cannot be opened now, the next call tries.
            _ = try? reopen()
        }
    }

    /// A write that has begun is carried through when its task is cancelled, at a stop or a reload: what was done outside, such as
    /// a pull, is then recorded, and a transaction that was cut short is not taken for one that cannot be carried out.
    func write<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(LedgerError)
        -> Value
    {
        try await writing { [interruption] pool in
            let value = try await pool.write { database in
                try self.assertInPlace(pool)
                let value = try body(database)
                try interruption(.beforeCommit)
                return value
            }
            try interruption(.afterCommit)
            return value
        }
    }

    /// Whether a commit succeeds now, tried with one that changes nothing.
    package func canCommit() async -> Bool {
        // It writes the first page in any case.
        (try? await write { database in try database.execute(sql: "PRAGMA user_version = 0") }) != nil
    }

    /// For what SQLite does outside transactions only.
    func writeWithoutTransaction<Value: Sendable>(
        _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws(LedgerError) -> Value {
        try await writing { pool in try await pool.writeWithoutTransaction(body) }
    }

    private func writing<Value: Sendable>(
        _ body: @escaping @Sendable (DatabasePool) async throws -> Value
    ) async throws(LedgerError) -> Value {
        let pool = try await poolWithoutBlocking()
        do {
            return try await Task { try await body(pool) }.value
        } catch {
            let failure = LedgerError(error, path: path)
            if failure.code == .storage || failure.code == .corrupt {
                await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                    openings.async {
                        self.replace(pool)
                        continuation.resume()
                    }
                }
            }
            throw failure
        }
    }

    func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(LedgerError)
        -> Value
    {
        let pool = try await poolWithoutBlocking()
        do {
            return try await pool.read(body)
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    /// Nil after a failure.
    private func openPool() throws(LedgerError) -> DatabasePool? {
        switch connection.withLock({ $0 }) {
        case .open(let opened): return opened.pool
        case .failed: return nil
        case .closed:
            throw LedgerError(.storage, reason: "\(path): was closed", hint: "Sparekey is stopping: ask again later.")
        }
    }

    private func poolWithoutBlocking() async throws(LedgerError) -> DatabasePool {
        if let pool = try openPool() { return pool }
        let opened: Result<DatabasePool, LedgerError> = await withCheckedContinuation { continuation in
            openings.async {
                continuation.resume(returning: Result { () throws(LedgerError) in try self.pool() })
            }
        }
        return try opened.get()
    }

    /// Opens the file again where nothing is open. The caller holds `opening`.
    private func reopen() throws(LedgerError) -> DatabasePool {
        let occasion: DatabaseOpening.Occasion = isShared ? .shared : .afterFailure
        // In a folder that is away for a while there is nothing to lock.
        if access(path, F_OK) == 0 { try lock?.renew() }
        if occasion == .afterFailure, case .failed(let files) = connection.withLock({ $0 }),
            let aside = try files.setForeignWALAside()
        {
            setAside(aside)
        }
        let opened = try DatabaseOpening(path: path, occasion).open()
        connection.withLock { $0 = .open(opened) }
        return opened.pool
    }
}
