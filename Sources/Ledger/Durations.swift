internal import GRDB
internal import Time

/// How long guests waited, in seconds from their code's failure.
package struct Durations: Sendable, Equatable {
    /// Until their backup code was recorded.
    package var toSubstitution: [Double] = []
    /// Until somebody was told of it: one for each way.
    package var toDelivery: [Double] = []
    /// The journal's newest entry of which this knows.
    package var newestEntry: Int64
}

extension Ledger {
    /// The journal's newest entry; 0 where there is none. Blocks.
    package func newestJournalEntry() throws(LedgerError) -> Int64 {
        do {
            return try pool().read { try $0.newestJournalEntry() }
        } catch {
            throw LedgerError(error, path: path)
        }
    }

    /// The waits that ended with a journal entry behind `entry`.
    ///
    /// The journal's numbers are in the order of the commits, and times are not: what is written down with the time of its beginning may
    /// be committed after later ones.
    package func durations(after entry: Int64) async throws(LedgerError) -> Durations {
        try await read { database in
            func seconds(_ sql: String) throws -> [Double] {
                try Row.fetchAll(database, sql: sql, arguments: [entry]).compactMap { row in
                    guard let began = row.time("began"), let ended = row.time("ended") else { return nil }
                    return max(0, ended.duration(since: began).inSeconds)
                }
            }
            return Durations(
                toSubstitution: try seconds(
                    """
                    SELECT f.failed_at AS began, s.recorded_at AS ended
                    FROM journal j JOIN substitutions s ON s.substitution_id = json_extract(j.detail, '$.substitution_id')
                        JOIN failovers f USING (failover_id)
                    WHERE j.journal_id > ? AND j.kind = 'substitution.recorded'
                    """),
                // An attempt that failed has an entry, too.
                toDelivery: try seconds(
                    """
                    SELECT f.failed_at AS began, d.delivered_at AS ended
                    FROM journal j JOIN deliveries d ON d.delivery_id = json_extract(j.detail, '$.delivery_id')
                        JOIN substitutions s USING (substitution_id) JOIN failovers f USING (failover_id)
                    WHERE j.journal_id > ? AND d.kind = 'created' AND (j.kind = 'delivery.acknowledged'
                        OR j.kind = 'delivery.attempted' AND json_extract(j.detail, '$.state') = 'delivered')
                    """),
                newestEntry: max(entry, try database.newestJournalEntry()))
        }
    }
}

extension Database {
    fileprivate func newestJournalEntry() throws -> Int64 {
        try Int64.fetchOne(self, sql: "SELECT max(journal_id) FROM journal") ?? 0
    }
}
