internal import GRDB
internal import JSON
package import Policy
package import Time

extension Ledger {
    /// Keeps the last reading of a lock: deliveries name it, and operators look it up.
    package func keep(_ device: Device, now: Timestamp) async throws(LedgerError) {
        try await write { database in
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
        }
    }
}

func metadata(_ text: String?) -> [String: String] {
    guard let text, let members = (try? JSONValue(parsing: Array(text.utf8)))?.members else { return [:] }
    return Dictionary(members.map { ($0.key, $0.value.string ?? $0.value.description) }) { first, _ in first }
}
