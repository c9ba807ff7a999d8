internal import GRDB
package import JSON

extension Ledger {
    /// The newest rows of `substitution_log`, for the admin listener's API: the PIN is in them.
    package func substitutionLog(limit: Int) async throws(LedgerError) -> [JSONValue] {
        // The view asks for the deliveries of each row, so the rows are chosen before.
        try await rows(
            """
            SELECT * FROM substitution_log WHERE substitution_id IN (
                SELECT substitution_id FROM substitutions ORDER BY recorded_at DESC LIMIT ?)
            ORDER BY recorded_at DESC
            """, limit: limit)
    }

    /// The newest deliveries; they hold no PIN.
    package func deliveryLog(limit: Int) async throws(LedgerError) -> [JSONValue] {
        try await rows(
            """
            SELECT delivery_id, substitution_id, channel, kind, state, attempts, next_attempt_at, delivered_at, last_error
            FROM deliveries ORDER BY created_at DESC LIMIT ?
            """, limit: limit)
    }

    private func rows(_ sql: String, limit: Int) async throws(LedgerError) -> [JSONValue] {
        try await read { database in
            try Row.fetchAll(database, sql: sql, arguments: [limit]).map { row in
                .object(row.map { JSONValue.Member($0.0, JSONValue($0.1)) })
            }
        }
    }
}

extension JSONValue {
    init(_ value: DatabaseValue) {
        self =
            switch value.storage {
            case .null, .blob: .null
            case .int64(let number): .integer(number)
            case .double(let number): .number(number)
            case .string(let text): .string(text)
            }
    }
}
