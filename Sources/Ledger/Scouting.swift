internal import GRDB
package import Policy

extension Ledger {
    /// New failovers whose stay nobody has read yet, oldest first: their access codes.
    package func unscoutedFailovers(limit: Int) async throws(LedgerError) -> [String] {
        try await read { database in
            try String.fetchAll(
                database,
                sql: """
                    SELECT access_code_id FROM failovers WHERE state = 'pending' AND is_scouted = 0
                    ORDER BY opened_at LIMIT ?
                    """, arguments: [limit])
        }
    }

    /// Keeps what was found of the windows; each code counts as scouted, found or not.
    package func recordScouting(_ accessCodeIDs: [String], found: [AccessCode]) async throws(LedgerError) {
        try await write { database in
            for code in found {
                try database.execute(
                    sql: """
                        UPDATE failovers SET original_name = ?, original_starts_at = ?, original_ends_at = ?
                        WHERE access_code_id = ? AND state = 'pending'
                        """, arguments: [code.name, code.startsAt?.sql, code.endsAt?.sql, code.id])
            }
            for accessCodeID in accessCodeIDs {
                try database.execute(
                    sql: "UPDATE failovers SET is_scouted = 1 WHERE access_code_id = ?", arguments: [accessCodeID])
            }
        }
    }
}
