internal import GRDB
internal import JSON
package import Policy
package import Time

/// A substitution whose stay is to be looked at.
package struct FollowedSubstitution: Sendable, Equatable {
    package var id: String
    package var originalAccessCodeID: String
    package var deviceID: String
    package var backupAccessCodeID: String
    package var pin: PIN?
    package var backupStartsAt: Timestamp?
    package var backupEndsAt: Timestamp?
    package var hasRecovered: Bool
    package var removalRequestedAt: Timestamp?
    package var attempts: Int
    package var touches: Int

    /// What the log names it by.
    package var names: [String: String] {
        [
            "substitution_id": id, "access_code_id": originalAccessCodeID, "backup_access_code_id": backupAccessCodeID,
            "device_id": deviceID,
        ]
    }
}

/// What one look at a stay comes to. Everything in it is recorded in one transaction.
package struct FollowStep: Sendable {
    package enum Outcome: Sendable {
        case ended
        case revoked
        /// The backup's removal has been asked for.
        case removing
        /// The backup as Seam has it now; the guest is told when `isNews`.
        case updated(AccessCode, isNews: Bool)
        case recovered
        case unchanged
    }

    package var outcome: Outcome
    /// The original as last read.
    package var original: AccessCode?
    /// When a guest whose stay starts as the original now says is told of the new code.
    package var firstDeliveryAt: Timestamp?
    /// When to look again; nil: once something asks for it.
    package var nextLookAt: Timestamp?
    /// Whether this look got done what it wanted; one that did not counts for the backoff.
    package var hasSucceeded: Bool
    /// Told to the guest's side, if the outcome calls for it.
    package var tells: DeliveryKind?
    package var channels: [DeliveryChannel]
    package var alerts: AlertChanges
    /// What was done on the way.
    package var journal: [JournalEntry]
    /// What the outcome is to the timeline; nil where nothing happened.
    package var news: JournalEntry?

    package init(
        _ outcome: Outcome, original: AccessCode? = nil, nextLookAt: Timestamp? = nil, hasSucceeded: Bool = true,
        tells: DeliveryKind? = nil, channels: [DeliveryChannel] = [], alerts: AlertChanges = AlertChanges(),
        journal: [JournalEntry] = []
    ) {
        self.outcome = outcome
        self.original = original
        self.nextLookAt = nextLookAt
        self.hasSucceeded = hasSucceeded
        self.tells = tells
        self.channels = channels
        self.alerts = alerts
        self.journal = journal
    }
}

extension Ledger {
    /// Active substitutions to be looked at now, the one that ends soonest first.
    package func dueSubstitutions(now: Timestamp, limit: Int) async throws(LedgerError) -> [FollowedSubstitution] {
        try await read { database in
            try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM substitutions WHERE state = 'active' AND next_look_at <= ?
                    ORDER BY backup_ends_at, substitution_id LIMIT ?
                    """, arguments: [now.sql, limit]
            ).map(FollowedSubstitution.init(row:))
        }
    }

    /// When the next active substitution is to be looked at.
    package func nextSubstitutionLook() async throws(LedgerError) -> Timestamp? {
        try await read { database in
            try String.fetchOne(database, sql: "SELECT min(next_look_at) FROM substitutions WHERE state = 'active'")
                .flatMap { Timestamp($0) }
        }
    }

    /// - Returns: what of the step took effect: without the alerts that were so already, and without news that are none.
    @discardableResult
    package func record(
        _ step: FollowStep, of substitution: FollowedSubstitution, now: Timestamp
    ) async throws(LedgerError) -> FollowStep {
        let random = random
        return try await write { database in
            let follow = FollowRecord(
                database: database, step: step, substitution: substitution, now: now, random: random)
            return try follow.apply()
        }
    }
}

private struct FollowRecord {
    let database: Database
    let step: FollowStep
    let substitution: FollowedSubstitution
    let now: Timestamp
    let random: RandomSource

    func apply() throws -> FollowStep {
        var made = step
        (made.alerts, made.news) = (AlertChanges(), nil)
        guard
            let row = try Row.fetchOne(
                database, sql: "SELECT touches FROM substitutions WHERE substitution_id = ? AND state = 'active'",
                arguments: [substitution.id])
        else { return made }
        // An event that came after this look began may have changed what it found.
        let wasTouched = row["touches"] as Int != substitution.touches
        try database.execute(
            sql: """
                UPDATE substitutions SET updated_at = ?, next_look_at = ?, look_attempts = ? WHERE substitution_id = ?
                """,
            arguments: [
                now.sql, (wasTouched ? now : step.nextLookAt)?.sql, step.hasSucceeded ? 0 : substitution.attempts + 1,
                substitution.id,
            ])
        if let original = step.original {
            try database.execute(
                sql: """
                    UPDATE failovers SET original_name = ?, original_starts_at = ?, original_ends_at = ? WHERE access_code_id = ?
                    """,
                arguments: [
                    original.name, original.startsAt?.sql, original.endsAt?.sql, substitution.originalAccessCodeID,
                ])
            try moveFirstDelivery(startsAt: original.startsAt)
        }
        try database.journal(step.journal, at: now)
        // What came meanwhile may be that the stay goes on: it is looked at again, and not ended for good.
        if wasTouched, case .ended = step.outcome { return made }
        try applyOutcome()
        if let kind = step.tells {
            try database.addDeliveries(
                kind, substitutionID: substitution.id, channels: step.channels, dueAt: now, now: now, random: random)
        }
        made.alerts = try database.apply(step.alerts, now: now, random: random)
        // While a trouble goes on nothing happens: it is news when it begins.
        if case .unchanged = step.outcome, made.alerts.opened.isEmpty { return made }
        made.news = step.news
        if let news = made.news { try database.journal([news], at: now) }
        return made
    }

    /// What is still held back is told in time for the stay as it starts now.
    private func moveFirstDelivery(startsAt: Timestamp?) throws {
        guard let first = step.firstDeliveryAt else { return }
        try database.execute(
            sql: """
                UPDATE deliveries SET next_attempt_at = ?1, due_at = ?1, arrives_at = coalesce(?2, arrives_at)
                WHERE substitution_id = ?3 AND kind = 'created' AND state = 'pending' AND attempts = 0 AND due_at > ?4
                """, arguments: [first.sql, startsAt?.sql, substitution.id, now.sql])
    }

    private func applyOutcome() throws {
        switch step.outcome {
        case .ended: try close("ended")
        case .revoked:
            try database.stopTelling(substitution.id)
            try close("revoked")
        case .removing:
            try database.stopTelling(substitution.id)
            try database.execute(
                sql:
                    "UPDATE substitutions SET removal_requested_at = coalesce(removal_requested_at, ?) WHERE substitution_id = ?",
                arguments: [now.sql, substitution.id])
        case .updated(let backup, _):
            try database.execute(
                sql: """
                    UPDATE substitutions SET backup_code = ?, backup_starts_at = ?, backup_ends_at = ? WHERE substitution_id = ?
                    """,
                arguments: [
                    (backup.pin ?? substitution.pin)?.digits, backup.startsAt?.sql, backup.endsAt?.sql, substitution.id,
                ])
        case .recovered:
            try database.execute(
                sql: "UPDATE substitutions SET recovered_at = ? WHERE substitution_id = ?",
                arguments: [now.sql, substitution.id])
        case .unchanged: break
        }
    }

    private func close(_ state: String) throws {
        try database.execute(
            sql: "UPDATE substitutions SET state = ?, next_look_at = NULL WHERE substitution_id = ?",
            arguments: [state, substitution.id])
        try database.closeAlerts(
            ofSubstitution: substitution.id, except: step.alerts.opened.map(\.key), channels: step.alerts.channels,
            now: now, random: random)
    }
}

extension FollowedSubstitution {
    fileprivate init(row: Row) {
        id = row["substitution_id"]
        originalAccessCodeID = row["original_access_code_id"]
        deviceID = row["device_id"]
        backupAccessCodeID = row["backup_access_code_id"]
        pin = (row["backup_code"] as String?).flatMap(PIN.init)
        backupStartsAt = row.time("backup_starts_at")
        backupEndsAt = row.time("backup_ends_at")
        hasRecovered = row["recovered_at"] != nil
        removalRequestedAt = row.time("removal_requested_at")
        attempts = row["look_attempts"]
        touches = row["touches"]
    }
}
