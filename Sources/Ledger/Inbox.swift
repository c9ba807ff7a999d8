internal import FoundationEssentials
internal import GRDB
internal import JSON
internal import Policy
package import Time

/// A message of the inbox that has not been looked at.
package struct PendingEvent: Sendable {
    package var inboxID: Int64
    /// The sender's message ID; nil for an event found by a sweep.
    package var svixID: String?
    package var source: InboxMessage.Source
    package var receivedAt: Timestamp
    package var body: [UInt8]
}

/// What decoding made of a message.
package struct EventFacts: Sendable, Equatable {
    package var eventID: String
    package var eventType: String
    package var accessCodeID: String?
    package var deviceID: String?
    package var occurredAt: Timestamp?

    package init(
        eventID: String, eventType: String, accessCodeID: String?, deviceID: String?, occurredAt: Timestamp?
    ) {
        self.eventID = eventID
        self.eventType = eventType
        self.accessCodeID = accessCodeID
        self.deviceID = deviceID
        self.occurredAt = occurredAt
    }
}

/// What an event does to the ledger. None of it depends on order or number: an event only says that there is something to look at.
package struct EventEffect: OptionSet, Sendable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }

    /// The access code failed, or somebody pulled a backup for it: its failover is opened, opened again, or looked at now.
    package static let opensFailover = EventEffect(rawValue: 1)
    /// Something happened to an access code: its failover, and the stay that it is the original or the backup of, are looked at now.
    package static let touchesAccessCode = EventEffect(rawValue: 2)
    /// The lock gave a sign of life: whatever waits on it is looked at now.
    package static let touchesDevice = EventEffect(rawValue: 4)
}

package enum EventVerdict: Sendable, Equatable {
    case quarantined(reason: String)
    case readable(EventFacts, EventEffect)
}

/// How many messages ended with which disposition.
package struct SettledEvents: Sendable, Equatable {
    package var handled = 0
    package var ignored = 0
    package var duplicate = 0
    package var quarantined = 0
    package var openedFailovers = 0

    package init() {}
}

extension Ledger {
    /// The oldest messages that wait to be settled.
    ///
    /// - Parameter maximumBytes: of bodies; the message that exceeds it is the last one.
    package func pendingEvents(
        limit: Int, maximumBytes: Int = .max
    ) async throws(LedgerError) -> [PendingEvent] {
        try await read { database in
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT inbox_id, svix_id, source, received_at, body FROM webhook_events
                    WHERE disposition = 'pending' ORDER BY inbox_id LIMIT ?
                    """, arguments: [limit])
            var events: [PendingEvent] = []
            var bytes = 0
            while bytes <= maximumBytes, let row = try rows.next() {
                events.append(
                    PendingEvent(
                        inboxID: row["inbox_id"], svixID: row["svix_id"],
                        source: InboxMessage.Source(rawValue: row["source"]) ?? .webhook,
                        receivedAt: row.time("received_at") ?? Timestamp(secondsSinceEpoch: 0),
                        body: [UInt8](row["body"] as Data? ?? Data())))
                bytes += events.last?.body.count ?? 0
            }
            return events
        }
    }

    /// Settles messages together with their consequences, in one transaction.
    package func settle(
        _ verdicts: [(inboxID: Int64, verdict: EventVerdict)], now: Timestamp
    ) async throws(LedgerError) -> SettledEvents {
        let random = random
        return try await write { database in
            var settled = SettledEvents()
            for (inboxID, verdict) in verdicts {
                var settlement = EventSettlement(database: database, inboxID: inboxID, now: now, random: random)
                try settlement.apply(verdict, to: &settled)
            }
            return settled
        }
    }
}

/// One message being settled, inside the transaction that settles it.
private struct EventSettlement {
    let database: Database
    let inboxID: Int64
    let now: Timestamp
    let random: RandomSource

    mutating func apply(_ verdict: EventVerdict, to settled: inout SettledEvents) throws {
        // A message that was settled already would be its own duplicate.
        let isPending =
            try Bool.fetchOne(
                database.cachedStatement(
                    sql: "SELECT EXISTS (SELECT 1 FROM webhook_events WHERE inbox_id = ? AND disposition = 'pending')"),
                arguments: [inboxID]) ?? false
        guard isPending else { return }
        switch verdict {
        case .quarantined(let reason):
            try database.executeCached(
                sql: "UPDATE webhook_events SET disposition = 'quarantined', disposition_reason = ? WHERE inbox_id = ?",
                arguments: [reason, inboxID])
            try database.journal(
                [
                    JournalEntry(
                        "event.quarantined", detail: ["inbox_id": .integer(inboxID), "reason": .string(reason)])
                ],
                at: now)
            settled.quarantined += 1
        case .readable(let facts, let effect):
            let isKnown =
                try Bool.fetchOne(
                    database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM webhook_events WHERE event_id = ?)"),
                    arguments: [facts.eventID])
                ?? false
            if isKnown {
                try record(facts, eventID: nil, disposition: "duplicate")
                settled.duplicate += 1
                return
            }
            let wasOfUse = try carryOut(effect, of: facts, settled: &settled)
            try record(facts, eventID: facts.eventID, disposition: wasOfUse ? "handled" : "ignored")
            if wasOfUse { settled.handled += 1 } else { settled.ignored += 1 }
        }
    }

    private func record(_ facts: EventFacts, eventID: String?, disposition: String) throws {
        try database.executeCached(
            sql: """
                UPDATE webhook_events SET event_id = ?, event_type = ?, occurred_at = ?, access_code_id = ?, device_id = ?,
                    disposition = ? WHERE inbox_id = ?
                """,
            arguments: [
                eventID, facts.eventType, facts.occurredAt?.sql, facts.accessCodeID, facts.deviceID, disposition,
                inboxID,
            ])
    }

    /// - Returns: whether anything came of it.
    private func carryOut(_ effect: EventEffect, of facts: EventFacts, settled: inout SettledEvents) throws -> Bool {
        var wasOfUse = false
        if effect.contains(.opensFailover) {
            wasOfUse = try openFailover(facts, settled: &settled) || wasOfUse
        } else if effect.contains(.touchesAccessCode) {
            wasOfUse = try touchFailover(facts) || wasOfUse
        }
        if !effect.isDisjoint(with: [.opensFailover, .touchesAccessCode]) {
            wasOfUse = try touchSubstitution(facts, hasFailed: effect.contains(.opensFailover)) || wasOfUse
        }
        if effect.contains(.touchesDevice) { wasOfUse = try touchDevice(facts) || wasOfUse }
        return wasOfUse
    }

    private func openFailover(_ facts: EventFacts, settled: inout SettledEvents) throws -> Bool {
        guard let accessCodeID = facts.accessCodeID else { return false }
        let opened = try Ledger.openFailover(
            accessCodeID: accessCodeID, deviceID: facts.deviceID, eventID: facts.eventID, eventType: facts.eventType,
            failedAt: facts.occurredAt ?? now, now: now, random: random, in: database)
        if opened { settled.openedFailovers += 1 }
        return true
    }

    private func touchFailover(_ facts: EventFacts) throws -> Bool {
        guard let accessCodeID = facts.accessCodeID else { return false }
        try database.executeCached(
            sql: """
                UPDATE failovers SET next_attempt_at = ?, touches = touches + 1
                WHERE access_code_id = ? AND state IN ('pending', 'waiting')
                """, arguments: [now.sql, accessCodeID])
        let wasActive = try database.changesCount > 0 || database.lookAgain(at: accessCodeID, now: now)
        let isKnown =
            try Bool.fetchOne(
                database.cachedStatement(sql: "SELECT EXISTS (SELECT 1 FROM failovers WHERE access_code_id = ?)"),
                arguments: [accessCodeID])
            ?? false
        guard isKnown else { return false }
        try database.journal(
            [
                JournalEntry(
                    "event.noted", accessCodeID: accessCodeID, deviceID: facts.deviceID,
                    detail: [
                        "event_id": .string(facts.eventID), "event_type": .string(facts.eventType),
                        "looked_at_now": .bool(wasActive),
                    ])
            ], at: now)
        return true
    }

    private func touchDevice(_ facts: EventFacts) throws -> Bool {
        guard let deviceID = facts.deviceID else { return false }
        // What waits for its lead time gains nothing from the lock's being there. That the state is one of two says nothing that the
        // next term does not, but it is word for word the index's own condition, without which SQLite reads every failover ever.
        let touched = try String.fetchAll(
            database.cachedStatement(
                sql: """
                    UPDATE failovers SET next_attempt_at = ?, touches = touches + 1
                    WHERE device_id = ? AND state IN ('pending', 'waiting') AND state = 'waiting'
                        AND reason NOT IN ('lead_time', 'reserved')
                    RETURNING access_code_id
                    """), arguments: [now.sql, deviceID])
        try database.journal(
            touched.map { accessCodeID in
                JournalEntry(
                    "event.noted", accessCodeID: accessCodeID, deviceID: deviceID,
                    detail: [
                        "event_id": .string(facts.eventID), "event_type": .string(facts.eventType),
                        "looked_at_now": true,
                    ])
            }, at: now)
        return !touched.isEmpty
    }

    private func touchSubstitution(_ facts: EventFacts, hasFailed: Bool) throws -> Bool {
        guard let accessCodeID = facts.accessCodeID else { return false }
        guard
            let row = try Row.fetchOne(
                database.cachedStatement(
                    sql: """
                        SELECT substitution_id, original_access_code_id, backup_access_code_id FROM substitutions
                        WHERE state = 'active' AND (original_access_code_id = ?1 OR backup_access_code_id = ?1)
                        """), arguments: [accessCodeID])
        else {
            try sweepSoon(accessCodeID, hasFailed: hasFailed)
            return false
        }
        try database.executeCached(
            sql: "UPDATE substitutions SET next_look_at = ?, touches = touches + 1 WHERE substitution_id = ?",
            arguments: [now.sql, row["substitution_id"] as String])
        // An event of the original is in its timeline already; one of the backup is put there.
        if row["backup_access_code_id"] == accessCodeID {
            try database.journal(
                [
                    JournalEntry(
                        "event.noted", accessCodeID: row["original_access_code_id"], deviceID: facts.deviceID,
                        detail: [
                            "event_id": .string(facts.eventID), "event_type": .string(facts.eventType),
                            "backup_access_code_id": .string(accessCodeID),
                        ])
                ], at: now)
        }
        return true
    }

    /// A guest without a backup is followed no more: how the first code stands shows when the lock's codes are read.
    private func sweepSoon(_ accessCodeID: String, hasFailed: Bool) throws {
        try database.executeCached(
            sql: """
                UPDATE devices SET codes_read_at = NULL WHERE device_id = (
                    SELECT s.device_id FROM substitutions s WHERE s.original_access_code_id = ?1 AND (?2 OR EXISTS (
                        SELECT 1 FROM alerts a WHERE a.closed_at IS NULL
                            AND (a.kind = 'backup_failed' AND a.subject = s.backup_access_code_id
                                OR a.kind = 'failed_again' AND a.subject = s.original_access_code_id))))
                """, arguments: [accessCodeID, hasFailed])
    }
}

extension Database {
    /// Every event runs the same few statements: compiling them each time costs more than running them.
    func executeCached(sql: String, arguments: StatementArguments) throws {
        try cachedStatement(sql: sql).execute(arguments: arguments)
    }
}
