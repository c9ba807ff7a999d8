internal import GRDB
internal import JSON
internal import Policy
package import Time

extension Ledger {
    /// Does what an operator asks for, in one transaction, and writes it to the journal. A daemon that has the same database finds it
    /// when it next looks: it asks for what is due, and ends no look that began before.
    ///
    /// - Parameters:
    ///   - query: which failovers; those that it names by ID must all be there.
    ///   - channels: the ways in which the end of an alert is told.
    ///   - isTrial: whether to say only what would be done.
    /// - Throws: `LedgerError` of code `missing` for an ID that is not there; then nothing is done.
    package func carryOut(
        _ request: FailoverRequest, _ query: FailoverLogQuery, channels: [DeliveryChannel], isTrial: Bool,
        now: Timestamp
    ) async throws(LedgerError) -> [FailoverChange] {
        let (path, random) = (path, random)
        let plan: @Sendable (Database) throws -> [FailoverChange] = { database in
            let rows = try query.fetch(from: database).rows
            for id in query.ids
            where !rows.contains(where: { [$0.text("failover_id"), $0.text("access_code_id")].contains(id) }) {
                throw LedgerError(
                    .missing, reason: "\(path): there is no failover of \(id)",
                    hint: "`sparekey failovers list` has the IDs of failovers and access codes.")
            }
            return try rows.map { row in
                switch request {
                case .retry: retry(row)
                case .cancel: try cancel(row, now: now, in: database)
                }
            }
        }
        if isTrial { return try await read(plan) }
        return try await write { database in
            let changes = try plan(database)
            for change in changes { try apply(change, channels: channels, now: now, random: random, in: database) }
            return changes
        }
    }
}

// MARK: What is to be done

private func retry(_ row: LogRow) -> FailoverChange {
    var change = FailoverChange(row, .retried)
    switch change.state {
    case .pending, .waiting: break
    case .substituted:
        change.action = .none
        change.note = "It has a backup code. To tell the guest again: sparekey deliveries retry ID."
    case .notNeeded, .ineligible, .expired, .cancelled: change.action = .reopened
    }
    return change
}

private func cancel(_ row: LogRow, now: Timestamp, in database: Database) throws -> FailoverChange {
    var change = FailoverChange(row, .cancelled)
    switch change.state {
    case .pending, .waiting: change.note = try pulledAlready(change, in: database)
    case .substituted: try silence(&change, in: database)
    // A person has found the guest another way in.
    case .ineligible where change.failover.text("reason") == IneligibleReason.unsupportedDevice.rawValue: break
    case .notNeeded, .ineligible, .expired, .cancelled:
        change.action = .none
        change.note = "It is closed already."
    }
    return change
}

/// A pull whose answer is not there yet, or whose PIN is not, may have taken a backup from the pool.
private func pulledAlready(_ change: FailoverChange, in database: Database) throws -> String {
    let pull = try Row.fetchOne(
        database,
        sql: """
            SELECT outcome, backup_access_code_id FROM pulls
            WHERE failover_id = ? AND (outcome IS NULL OR outcome IN ('unknown', 'pulled'))
            ORDER BY backup_access_code_id IS NULL, intended_at DESC LIMIT 1
            """, arguments: [change.id])
    guard let pull else { return "" }
    guard let backup = pull["backup_access_code_id"] as String? else {
        return
            "Seam was asked for a backup code and may have given one: it would open the lock until the stay ends, untold."
    }
    return "The backup code \(backup) was pulled already and opens the lock until the stay ends; nobody is told of it."
}

/// A recorded substitution stays what it is: the code is on the lock, and the guest may know it.
private func silence(_ change: inout FailoverChange, in database: Database) throws {
    change.stoppedDeliveries =
        try Int.fetchOne(
            database, sql: "SELECT count(*) FROM deliveries WHERE \(stoppable)",
            arguments: [change.failover.text("substitution_id")]) ?? 0
    // A guest whose backup failed, or is gone, is in a person's hands, too.
    let isAtRisk = try guestAlerts(change).contains { try database.isOpen($0) }
    change.action = change.stoppedDeliveries > 0 || isAtRisk ? .silenced : .none
    let code = "The backup code \(change.failover.text("backup_access_code_id") ?? "")"
    let told: String? =
        switch change.failover.text("delivery_state") {
        case "delivered": "the guest's side was told of it"
        case "claimed": "somebody has claimed the delivery and may have told the guest"
        default: nil
        }
    guard change.failover.text("substitution_state") == "active" else {
        change.note = code + " is not valid any more."
        return
    }
    let end = change.failover.text("backup_ends_at").map { " until \($0)" } ?? ""
    change.note =
        code + " stays on the lock\(end)" + (told.map { ", and \($0)" } ?? "; nobody is told of it")
        + ". To take it back, delete it at Seam."
}

/// What says that a guest with a recorded substitution may stand before a locked door.
private func guestAlerts(_ change: FailoverChange) -> [AlertChanges.Key] {
    [
        .init(.backupFailed, subject: change.failover.text("backup_access_code_id") ?? ""),
        .init(.failedAgain, subject: change.accessCodeID),
    ]
}

private let stoppable =
    "substitution_id = ? AND kind IN ('created', 'updated', 'recovered') AND state IN ('pending', 'claimed')"

// MARK: Doing it

private func apply(
    _ change: FailoverChange, channels: [DeliveryChannel], now: Timestamp, random: RandomSource, in database: Database
) throws {
    switch change.action {
    case .none: return
    case .retried:
        try database.execute(
            sql: "UPDATE failovers SET next_attempt_at = ?, touches = touches + 1 WHERE failover_id = ?",
            arguments: [now.sql, change.id])
    case .reopened:
        try database.reopenFailover(accessCodeID: change.accessCodeID, now: now)
    case .cancelled:
        try database.execute(
            sql: """
                UPDATE failovers SET state = 'cancelled', next_attempt_at = NULL, closed_at = ?, touches = touches + 1
                WHERE failover_id = ?
                """, arguments: [now.sql, change.id])
        for kind in [Alert.Kind.refused, .unsupportedDevice] {
            _ = try database.closeAlert(
                kind, subject: change.accessCodeID, channels: channels, now: now, random: random)
        }
    case .silenced:
        let substitutionID = change.failover.text("substitution_id") ?? ""
        try database.stopTelling(substitutionID)
        _ = try database.closeAlert(.notDelivered, subject: substitutionID, channels: [], now: now, random: random)
        for key in guestAlerts(change) {
            _ = try database.closeAlert(key.kind, subject: key.subject, channels: channels, now: now, random: random)
        }
        // Whatever else is heard of the backup would have it looked at again, and open the alert; a newer failure still does.
        try database.execute(
            sql: """
                UPDATE failovers SET state = 'cancelled', next_attempt_at = NULL, closed_at = ?, touches = touches + 1
                WHERE access_code_id = ? AND (state IN ('pending', 'waiting') OR state = 'ineligible' AND reason = ?)
                """,
            arguments: [
                now.sql, change.failover.text("backup_access_code_id"), IneligibleReason.isBackup.rawValue,
            ])
    }
    let kind =
        switch change.action {
        case .silenced where change.stoppedDeliveries > 0: "delivery.cancelled"
        case .silenced: "failover.cancelled"
        default: "failover." + change.action.rawValue
        }
    var detail: JSONValue = [
        "by": "operator", "failover_id": .string(change.id), "former_state": .string(change.state.rawValue),
    ]
    if change.stoppedDeliveries > 0 { detail["stopped_deliveries"] = .integer(Int64(change.stoppedDeliveries)) }
    try database.journal(
        [
            JournalEntry(
                kind, accessCodeID: change.accessCodeID, deviceID: change.failover.text("device_id"), detail: detail)
        ], at: now)
}

extension Database {
    /// A closed failover becomes one to be worked on now; what its last failure was stays.
    func reopenFailover(accessCodeID: String, now: Timestamp) throws {
        try execute(
            sql: """
                UPDATE failovers SET state = 'pending', reason = NULL, attempts = 0, is_scouted = 0, next_attempt_at = ?1,
                    closed_at = NULL, opened_at = ?1, touches = touches + 1, last_error_type = NULL
                WHERE access_code_id = ?2
                """, arguments: [now.sql, accessCodeID])
    }

    /// Has a failover looked at once more for which there was no help: the lock may have taken the code after all, or the booking may
    /// be gone.
    ///
    /// - Returns: whether it was such a one.
    func lookAgain(at accessCodeID: String, now: Timestamp) throws -> Bool {
        let helpless = [IneligibleReason.unsupportedDevice, .isBackup].map(\.rawValue)
        let row = try Row.fetchOne(
            cachedStatement(sql: "SELECT state, reason FROM failovers WHERE access_code_id = ?"),
            arguments: [accessCodeID])
        guard let row, row["state"] == FailoverState.ineligible.rawValue,
            let reason: String = row["reason"], helpless.contains(reason)
        else { return false }
        try reopenFailover(accessCodeID: accessCodeID, now: now)
        return true
    }

    /// What was not told yet of a backup code must not be told any more.
    func stopTelling(_ substitutionID: String) throws {
        try execute(
            sql: """
                UPDATE deliveries SET state = 'failed', last_error = '\(StopReason.cancelled.rawValue)', next_attempt_at = NULL,
                    claimed_until = NULL
                WHERE \(stoppable)
                """, arguments: [substitutionID])
    }
}
