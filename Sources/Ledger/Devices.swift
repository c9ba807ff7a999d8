internal import GRDB
internal import JSON
package import Policy
package import Time

extension Ledger {
    /// Keeps the last reading of a lock: deliveries name it, and operators look it up.
    ///
    /// - Parameter changes: what it opens and closes, by the reading before it.
    /// - Returns: what has been opened and closed.
    @discardableResult
    package func keep(
        _ device: Device, now: Timestamp,
        changes: @escaping @Sendable (_ before: Device?) -> AlertChanges = { _ in .init() }
    ) async throws(LedgerError) -> AlertChanges {
        let random = random
        return try await write { database in
            let changes = changes(try Device.fetch(device.id, in: database))
            try database.execute(
                sql: """
                    INSERT INTO devices (device_id, name, time_zone, supports_backup_access_code_pool,
                        backup_access_code_pool_enabled, online, error_codes, warning_codes, custom_metadata, read_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                    ON CONFLICT (device_id) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone,
                        supports_backup_access_code_pool = excluded.supports_backup_access_code_pool,
                        backup_access_code_pool_enabled = excluded.backup_access_code_pool_enabled,
                        online = excluded.online, error_codes = excluded.error_codes,
                        warning_codes = excluded.warning_codes, custom_metadata = excluded.custom_metadata,
                        read_at = excluded.read_at
                    """,
                arguments: [
                    device.id, device.name, device.timeZone, device.supportsBackupPool, device.isBackupPoolEnabled,
                    device.isOnline, JSONValue.array(device.errorCodes.map(JSONValue.string)).description,
                    JSONValue.array(device.warningCodes.map(JSONValue.string)).description,
                    JSONValue.object(
                        device.customMetadata.sorted { $0.key < $1.key }.map {
                            JSONValue.Member($0.key, .string($0.value))
                        }
                    ).description, now.sql,
                ])
            return try database.apply(changes, now: now, random: random)
        }
    }
}

extension Ledger {
    /// Locks that are kept and not among `ids`, those first that were read longest ago.
    package func devices(notAmong ids: Set<String>, limit: Int) async throws(LedgerError) -> [String] {
        try await read { database in
            let kept = try String.fetchCursor(
                database, sql: "SELECT device_id FROM devices ORDER BY read_at, device_id")
            var others: [String] = []
            while others.count < limit, let id = try kept.next() {
                if !ids.contains(id) { others.append(id) }
            }
            return others
        }
    }

    /// Forgets a lock that is no more. It is kept while a stay goes on there or a message about one waits, which names it.
    ///
    /// - Parameter closing: what of it is open no more, whoever waits for a code there.
    /// - Returns: whether it is not kept any more.
    package func forgetDevice(
        _ id: String, closing kinds: [Alert.Kind], channels: [DeliveryChannel], now: Timestamp
    ) async throws(LedgerError) -> Bool {
        let random = random
        return try await write { database in
            for kind in kinds {
                _ = try database.closeAlert(kind, subject: id, channels: channels, now: now, random: random)
            }
            // No reading of its codes would close these either.
            let again = try String.fetchAll(
                database,
                sql: "SELECT subject FROM alerts WHERE kind = 'failed_again' AND device_id = ? AND closed_at IS NULL",
                arguments: [id])
            for subject in again {
                _ = try database.closeAlert(
                    .failedAgain, subject: subject, channels: channels, now: now, random: random)
            }
            try database.execute(
                sql: """
                    DELETE FROM devices WHERE device_id = ?1 AND NOT EXISTS (
                        SELECT 1 FROM substitutions s WHERE s.device_id = ?1 AND (s.state = 'active' OR EXISTS (
                            SELECT 1 FROM deliveries d
                            WHERE d.substitution_id = s.substitution_id AND d.state IN ('pending', 'claimed'))))
                    """, arguments: [id])
            return database.changesCount > 0
        }
    }
}

func metadata(_ text: String?) -> [String: String] {
    guard let text, let members = (try? JSONValue(parsing: Array(text.utf8)))?.members else { return [:] }
    return Dictionary(members.map { ($0.key, $0.value.string ?? $0.value.description) }) { first, _ in first }
}

extension Ledger {
    /// The last reading of a lock; nil when it was never read.
    package func device(id: String) async throws(LedgerError) -> Device? {
        try await read { database in try Device.fetch(id, in: database) }
    }
}

extension Device {
    fileprivate static func fetch(_ id: String, in database: Database) throws -> Device? {
        try Row.fetchOne(database, sql: "SELECT * FROM devices WHERE device_id = ?", arguments: [id]).map(
            Device.init(row:))
    }

    private init(row: Row) {
        self.init(
            id: row["device_id"], name: row["name"], timeZone: row["time_zone"],
            supportsBackupPool: row["supports_backup_access_code_pool"],
            isBackupPoolEnabled: row["backup_access_code_pool_enabled"], isOnline: row["online"],
            errorCodes: words(row["error_codes"]), warningCodes: words(row["warning_codes"]),
            customMetadata: metadata(row["custom_metadata"]))
    }
}

func words(_ text: String?) -> [String] {
    guard let text, let values = (try? JSONValue(parsing: Array(text.utf8)))?.array else { return [] }
    return values.compactMap(\.string)
}
