internal import GRDB
package import Time

extension Ledger {
    /// How far a sweep has read; nil before its first.
    package func watermark(_ name: String) async throws(LedgerError) -> Timestamp? {
        try await read { database in
            try String.fetchOne(database, sql: "SELECT at FROM watermarks WHERE name = ?", arguments: [name])
                .flatMap { Timestamp($0) }
        }
    }

    package func setWatermark(_ name: String, to instant: Timestamp) async throws(LedgerError) {
        try await write { database in
            try database.execute(
                sql: "INSERT INTO watermarks (name, at) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET at = ?2",
                arguments: [name, instant.sql])
        }
    }

    /// Appends events that a sweep found; those whose `event_id` is known are left out.
    ///
    /// - Returns: how many were new.
    package func appendSwept(
        _ events: [(eventID: String, body: [UInt8])], now: Timestamp
    ) async throws(LedgerError) -> Int {
        try await write { database in
            var added = 0
            for event in events {
                let isKnown =
                    try Bool.fetchOne(
                        database, sql: "SELECT EXISTS (SELECT 1 FROM webhook_events WHERE event_id = ?)",
                        arguments: [event.eventID]) ?? false
                if isKnown { continue }
                try database.execute(
                    sql: "INSERT INTO webhook_events (source, received_at, body) VALUES ('sweep', ?, ?)",
                    arguments: [now.sql, String(decoding: event.body, as: UTF8.self)])
                added += 1
            }
            return added
        }
    }
}
