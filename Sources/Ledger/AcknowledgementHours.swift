internal import GRDB
internal import JSON
package import Time

/// How many webhooks of one hour were answered within each bound of time; what the bounds are is the daemon's business.
package struct AcknowledgementHour: Sendable, Equatable {
    package var start: Timestamp
    package var buckets: [Int]

    package init(start: Timestamp, buckets: [Int]) {
        self.start = start
        self.buckets = buckets
    }
}

extension Ledger {
    /// The hours kept, in order.
    package func acknowledgementHours() async throws(LedgerError) -> [AcknowledgementHour] {
        try await read { database in
            try Row.fetchAll(database, sql: "SELECT hour, buckets FROM acknowledgement_hours ORDER BY hour").compactMap
            {
                row in
                guard let start = row.time("hour"),
                    let buckets = try? JSONValue(parsing: Array((row["buckets"] as String).utf8)).array
                else { return nil }
                return AcknowledgementHour(start: start, buckets: buckets.compactMap { $0.integer.map { Int($0) } })
            }
        }
    }

    /// Keeps these hours as they are now, and none before `oldest`.
    package func keepAcknowledgementHours(
        _ hours: [AcknowledgementHour], since oldest: Timestamp
    ) async throws(LedgerError) {
        try await write { database in
            for hour in hours {
                let buckets = JSONValue.array(hour.buckets.map { .integer(Int64($0)) })
                try database.execute(
                    sql: """
                        INSERT INTO acknowledgement_hours (hour, buckets) VALUES (?1, ?2)
                        ON CONFLICT (hour) DO UPDATE SET buckets = ?2
                        """, arguments: [hour.start.sql, String(decoding: buckets.bytes, as: UTF8.self)])
            }
            try database.execute(sql: "DELETE FROM acknowledgement_hours WHERE hour < ?", arguments: [oldest.sql])
        }
    }
}
