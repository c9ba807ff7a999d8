internal import GRDB
package import JSON
package import Time

/// One line of the append-only timeline. Its detail never holds a PIN.
package struct JournalEntry: Sendable, Equatable {
    package var accessCodeID: String?
    package var deviceID: String?
    /// Dotted and lower-case: `failover.opened`, `decision`, `api.call`, `pull.intended`, `substitution.recorded`, …
    package var kind: String
    package var detail: JSONValue

    package init(_ kind: String, accessCodeID: String? = nil, deviceID: String? = nil, detail: JSONValue = [:]) {
        self.kind = kind
        self.accessCodeID = accessCodeID
        self.deviceID = deviceID
        self.detail = detail
    }
}

extension Ledger {
    package func journal(_ entries: [JournalEntry], at now: Timestamp) async throws(LedgerError) {
        guard !entries.isEmpty else { return }
        try await write { database in try database.journal(entries, at: now) }
    }
}

extension Database {
    func journal(_ entries: [JournalEntry], at now: Timestamp) throws {
        guard !entries.isEmpty else { return }
        let statement = try cachedStatement(
            sql: "INSERT INTO journal (at, access_code_id, device_id, kind, detail) VALUES (?, ?, ?, ?, ?)")
        for entry in entries {
            try statement.execute(arguments: [
                now.sql, entry.accessCodeID, entry.deviceID, entry.kind, entry.detail.description,
            ])
        }
    }
}
