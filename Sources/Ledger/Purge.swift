internal import FoundationEssentials
internal import GRDB
internal import JSON
package import Time

/// What retention removed, and whether its bytes are gone from the files, too.
package struct PurgeReport: Sendable, Equatable {
    /// Substitutions whose PIN was removed.
    package var pins = 0
    /// Event bodies in which PINs were masked.
    package var maskedEvents = 0
    /// Event bodies that were removed.
    package var removedBodies = 0
    /// Whether the WAL was moved into the database and emptied. False while somebody reads an old snapshot: then it has to be
    /// tried again.
    package var isWALEmpty = false

    package init() {}

    var hasRemoved: Bool { pins + maskedEvents + removedBodies > 0 }
}

extension Ledger {
    /// A database of at most this size is written anew without anybody's noticing.
    private static let rewrittenBytes = 32 * 1024 * 1024

    /// Removes what is older than its retention: PINs once their stay is over for `pins`, event bodies `events` after they came. The
    /// rows and their history stay.
    ///
    /// With `secure_delete` what is removed is overwritten; emptying the WAL removes the copies there. What stays are copies in pages
    /// from which SQLite had moved rows to others, which it does not overwrite: they go where the whole file is written anew, as a small
    /// one always is.
    /// https://www.sqlite.org/pragma.html#pragma_secure_delete
    ///
    /// - Parameters:
    ///   - rewritesAll: whether to write a database of any size anew, which holds up its writers for as long as that takes.
    ///   - progress: told after each batch what is done so far.
    package func purge(
        pins: Duration, events: Duration, now: Timestamp, rewritesAll: Bool = false,
        progress: @escaping @Sendable (PurgeReport) -> Void = { _ in }
    ) async throws(LedgerError) -> PurgeReport {
        var report = PurgeReport()
        report.pins = try await removePINs(endedBefore: now - pins, now: now)
        while case let count = try await removeBodies(receivedBefore: now - events), count > 0 {
            report.removedBodies += count
            progress(report)
        }
        var place: Int64 = -1
        while case let found = try await unmaskedBodies(endedBefore: now - pins, after: place), let last = found.last {
            report.maskedEvents += try await maskBodies(found)
            progress(report)
            place = last
        }
        try await writeAnew(any: rewritesAll, hasRemoved: report.hasRemoved)
        // A command has no intake to hold up, and a daemon beside it reads and commits all the time.
        let patience = isShared ? 1000 : 0
        report.isWALEmpty = try await writeWithoutTransaction { database in try database.emptyWAL(patience: patience) }
        return report
    }

    private func writeAnew(any: Bool, hasRemoved: Bool) async throws(LedgerError) {
        guard any || hasRemoved else { return }
        try await writeWithoutTransaction { database in
            let bytes =
                try (Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0)
                * (Int.fetchOne(database, sql: "PRAGMA page_size") ?? 0)
            let isSmall = bytes <= Self.rewrittenBytes
            guard any || isSmall else { return }
            // The copy holds the PINs of today's guests: where there is room, it touches no disk.
            if isSmall { try database.execute(sql: "PRAGMA temp_store = MEMORY") }
            defer { try? database.execute(sql: "PRAGMA temp_store = DEFAULT") }
            try database.execute(sql: "VACUUM")
        }
    }

    private func removePINs(endedBefore limit: Timestamp, now: Timestamp) async throws(LedgerError) -> Int {
        try await write { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT s.substitution_id, s.original_access_code_id, s.device_id
                    FROM substitutions s JOIN failovers f USING (failover_id)
                    WHERE s.backup_code IS NOT NULL AND (f.original_ends_at IS NOT NULL OR s.backup_ends_at IS NOT NULL)
                        AND coalesce(f.original_ends_at, '') < ?1 AND coalesce(s.backup_ends_at, '') < ?1
                    """, arguments: [limit.sql])
            for row in rows {
                try database.execute(
                    sql: "UPDATE substitutions SET backup_code = NULL WHERE substitution_id = ?",
                    arguments: [row["substitution_id"] as String])
                try database.journal(
                    [
                        JournalEntry(
                            "pin.purged", accessCodeID: row["original_access_code_id"], deviceID: row["device_id"],
                            detail: ["substitution_id": .string(row["substitution_id"])])
                    ], at: now)
            }
            return rows.count
        }
    }

    /// A transaction for a few hundred rows, so that the inbox is not kept waiting. What is removed is in its index no more.
    private func removeBodies(receivedBefore limit: Timestamp) async throws(LedgerError) -> Int {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE webhook_events SET body = NULL, is_masked = 1 WHERE inbox_id IN (
                        SELECT inbox_id FROM webhook_events
                        WHERE body IS NOT NULL AND disposition <> 'pending' AND received_at < ? LIMIT 500)
                    """, arguments: [limit.sql])
            return database.changesCount
        }
    }

    /// The next few hundred whose stay is over. Each event that is not masked is asked about, so it is read beside the writer.
    ///
    /// The stay of an event is that of its access code, be it an original or a backup; for a code without a stay here, the time counts
    /// from the event's receipt.
    private func unmaskedBodies(endedBefore limit: Timestamp, after: Int64) async throws(LedgerError) -> [Int64] {
        try await read { database in
            try Int64.fetchAll(
                database,
                sql: """
                    SELECT inbox_id FROM webhook_events e
                    WHERE is_masked = 0 AND disposition <> 'pending' AND inbox_id > ?2 AND coalesce(
                        (SELECT nullif(max(max(coalesce(f.original_ends_at, ''), coalesce(s.backup_ends_at, ''))), '')
                            FROM failovers f LEFT JOIN substitutions s USING (failover_id)
                            WHERE f.access_code_id = e.access_code_id),
                        (SELECT nullif(max(max(coalesce(f.original_ends_at, ''), coalesce(s.backup_ends_at, ''))), '')
                            FROM substitutions s JOIN failovers f USING (failover_id)
                            WHERE s.backup_access_code_id = e.access_code_id),
                        received_at) < ?1
                    ORDER BY inbox_id LIMIT 200
                    """, arguments: [limit.sql, after])
        }
    }

    /// - Returns: in how many there was a PIN.
    private func maskBodies(_ inboxIDs: [Int64]) async throws(LedgerError) -> Int {
        try await write { database in
            var count = 0
            for inboxID in inboxIDs {
                let body = try Data.fetchOne(
                    database, sql: "SELECT body FROM webhook_events WHERE inbox_id = ?", arguments: [inboxID])
                let masked = body.flatMap { EventMask.masked($0) }
                if body != nil, masked.map({ Data($0.utf8) }) != body { count += 1 }
                try database.execute(
                    sql: "UPDATE webhook_events SET body = ?, is_masked = 1 WHERE inbox_id = ?",
                    arguments: [masked, inboxID])
            }
            return count
        }
    }
}

/// Takes the PINs out of an event's body.
enum EventMask {
    /// The body without PINs; nil where it cannot be read, and so cannot be kept.
    static func masked(_ body: some Collection<UInt8>) -> String? {
        guard let json = try? JSONValue(parsing: body), json.members != nil else { return nil }
        let masked = masked(json, key: "")
        return masked == json ? String(decoding: body, as: UTF8.self) : masked.description
    }

    private static func masked(_ value: JSONValue, key: String) -> JSONValue {
        switch value {
        case .object(let members):
            return .object(members.map { JSONValue.Member($0.key, masked($0.value, key: $0.key)) })
        case .array(let items):
            return .array(items.map { masked($0, key: key) })
        case .string(let text):
            if carriesPIN(key) { return .string("***") }
            return key == "message" ? .string(withoutNumbers(text)) : value
        case .integer, .number:
            return carriesPIN(key) ? .string("***") : value
        case .null, .bool: return value
        }
    }

    /// `code` itself, and the sides of a change, of which one may be a code's.
    private static func carriesPIN(_ key: String) -> Bool {
        ["code", "pin", "from", "to"].contains(key)
    }

    /// A provider's message may quote the code.
    private static func withoutNumbers(_ text: String) -> String {
        var result = ""
        var digits = ""
        for character in text {
            if character.isASCII, character.isNumber {
                digits.append(character)
                continue
            }
            result += (digits.count >= 4 ? "***" : digits) + String(character)
            digits = ""
        }
        return result + (digits.count >= 4 ? "***" : digits)
    }
}
