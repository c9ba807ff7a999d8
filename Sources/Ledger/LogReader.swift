internal import Dispatch
internal import GRDB
internal import Glibc
package import Time

/// Reads the log out of the database file without writing to it, while the daemon runs and while it does not.
///
/// Each call opens the file anew and reads one snapshot: between two calls the daemon may have started, stopped, or put a restored
/// backup in the file's place. What the calls wait for runs on the reader's own queue, never on Swift's cooperative pool.
package final class LogReader: Sendable {
    package let path: String
    private let reads = DispatchQueue(label: "sparekey.log.reads")

    /// - Throws: `LedgerError` where there is no database to read.
    package init(path: String) throws(LedgerError) {
        let path = path.withoutLink
        self.path = path
        guard access(path, R_OK) == 0 else {
            let failure = errno
            if failure == ENOENT {
                throw LedgerError(
                    .missing, reason: "\(path): there is no database yet",
                    hint: "`sparekey serve` creates it; is database.path the one that the daemon uses?")
            }
            throw LedgerError(
                .storage, reason: "\(path): cannot be read, \(String(cString: strerror(failure)))",
                hint: "Run it as a user of the group that the file belongs to.")
        }
    }

    /// Rows of `failover_log` joined with their substitution and its delivery, in the order in which the failovers were opened.
    package func failoverLog(_ query: FailoverLogQuery = FailoverLogQuery()) async throws(LedgerError)
        -> FailoverLogPage
    {
        try await read { database in try query.fetch(from: database) }
    }

    /// Deliveries in the order in which they were created, each with whom it is for.
    ///
    /// - Parameter now: a claim whose lease has run out by then counts as pending.
    package func deliveries(state: DeliveryState?, now: Timestamp) async throws(LedgerError) -> [LogRow] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM (
                        SELECT d.delivery_id, d.substitution_id, d.channel, d.kind,
                            CASE WHEN d.state = 'claimed' AND d.claimed_until <= ?1 THEN 'pending' ELSE d.state END AS state,
                            d.attempts, d.created_at, d.next_attempt_at, d.claimed_until, d.delivered_at, d.last_error,
                            coalesce(s.original_access_code_id, a.access_code_id) AS original_access_code_id,
                            f.original_name, f.original_starts_at, coalesce(s.device_id, a.device_id) AS device_id,
                            s.backup_access_code_id, s.backup_code, s.backup_starts_at, s.backup_ends_at,
                            d.alert_id, a.kind AS alert
                        FROM deliveries d LEFT JOIN substitutions s USING (substitution_id)
                            LEFT JOIN failovers f USING (failover_id) LEFT JOIN alerts a USING (alert_id))
                    WHERE ?2 IS NULL OR state = ?2 ORDER BY created_at, delivery_id
                    """, arguments: [now.sql, state?.rawValue]
            ).map(LogRow.init)
        }
    }

    /// The names of the fields of `deliveries`, in order.
    package static let deliveryColumns = [
        "delivery_id", "substitution_id", "channel", "kind", "state", "attempts", "created_at", "next_attempt_at",
        "claimed_until", "delivered_at", "last_error", "original_access_code_id", "original_name",
        "original_starts_at", "device_id", "backup_access_code_id", "backup_code", "backup_starts_at",
        "backup_ends_at", "alert_id", "alert",
    ]

    /// The locks as last read, with the backups in use on each that are known here.
    package func devices() async throws(LedgerError) -> [LogRow] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT v.device_id, v.name, v.online, v.supports_backup_access_code_pool,
                        v.backup_access_code_pool_enabled, v.backup_available AS is_backup_access_code_available,
                        (SELECT count(*) FROM substitutions s WHERE s.device_id = v.device_id AND s.state = 'active')
                            AS backups_in_use,
                        (SELECT count(*) FROM failovers f WHERE f.device_id = v.device_id AND f.state IN ('pending', 'waiting'))
                            AS failovers_open,
                        v.error_codes, v.warning_codes, v.next_arrival_at, v.time_zone, v.read_at, v.codes_read_at
                    FROM devices v ORDER BY v.name, v.device_id
                    """
            ).map(LogRow.init)
        }
    }

    /// The names of the fields of `devices`, in order.
    package static let deviceColumns = [
        "device_id", "name", "online", "supports_backup_access_code_pool", "backup_access_code_pool_enabled",
        "is_backup_access_code_available", "backups_in_use", "failovers_open", "error_codes", "warning_codes",
        "next_arrival_at", "time_zone", "read_at", "codes_read_at",
    ]

    /// - Parameter body: runs within one snapshot, on a thread that may block.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws(LedgerError)
        -> Value
    {
        let result: Result<Value, LedgerError> = await withCheckedContinuation { continuation in
            reads.async { [path] in
                do {
                    continuation.resume(returning: .success(try Self.read(path, body)))
                } catch {
                    continuation.resume(returning: .failure(LedgerError(error, path: path)))
                }
            }
        }
        return try result.get()
    }

    private static func read<Value>(_ path: String, _ body: (Database) throws -> Value) throws -> Value {
        do {
            return try readSnapshot(path, body)
        } catch let error as DatabaseError
            where [.SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_IOERR].contains(error.resultCode)
            && access(path + "-wal", F_OK) != 0
        {
            // A reader of WAL needs its index, which only somebody who may write to the folder can create. With no WAL the daemon does
            // not run and the database alone is complete. https://www.sqlite.org/wal.html#readonly
            let value = try readSnapshot("file:\(percentEncoded(path))?immutable=1", body)
            // A daemon that started meanwhile may have changed the file under the reader, but then it left its WAL.
            if access(path + "-wal", F_OK) == 0 { return try readSnapshot(path, body) }
            return value
        }
    }

    private static func readSnapshot<Value>(_ path: String, _ body: (Database) throws -> Value) throws -> Value {
        var configuration = Configuration()
        configuration.readonly = true
        // Only WAL recovery, after a crash of the daemon, holds a reader up.
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: path, configuration: configuration)
        defer { try? queue.close() }
        return try queue.read { database in
            guard try database.viewExists("failover_log"), try database.viewExists("substitution_log") else {
                throw LedgerError.foreign(path)
            }
            return try body(database)
        }
    }

    /// https://www.sqlite.org/uri.html: `?`, `#` and `%` are not taken as they are.
    private static func percentEncoded(_ path: String) -> String {
        var encoded = ""
        for byte in path.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2F, 0x5F, 0x7E:
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                encoded += digits.utf8.count < 2 ? "%0" + digits : "%" + digits
            }
        }
        return encoded
    }
}
