internal import GRDB
internal import JSON
package import Policy
package import Time

package struct NewSubstitution: Sendable {
    package var failover: Failover
    package var reading: AccessCode
    package var backup: AccessCode
    package var reason: SubstitutionReason
    /// The pull that this answers; nil when the backup was found pulled.
    package var pullID: String?
    package var requestID: String?
    package var channels: [DeliveryChannel]
    package var firstDeliveryAt: Timestamp
    /// When the stay is looked at for the first time.
    package var firstLookAt: Timestamp?
    package var alerts: AlertChanges
    package var journal: [JournalEntry]

    package init(
        failover: Failover, reading: AccessCode, backup: AccessCode, reason: SubstitutionReason, pullID: String?,
        requestID: String?, channels: [DeliveryChannel], firstDeliveryAt: Timestamp, firstLookAt: Timestamp?,
        alerts: AlertChanges, journal: [JournalEntry]
    ) {
        self.failover = failover
        self.reading = reading
        self.backup = backup
        self.reason = reason
        self.pullID = pullID
        self.requestID = requestID
        self.channels = channels
        self.firstDeliveryAt = firstDeliveryAt
        self.firstLookAt = firstLookAt
        self.alerts = alerts
        self.journal = journal
    }
}

package enum SubstitutionOutcome: Sendable, Equatable {
    case recorded(substitutionID: String)
    /// This original has a substitution already.
    case alreadyRecorded
    /// Seam gave a backup that another original was given: recording it would tell two guests one PIN.
    case backupBelongsToAnother
    /// The operator cancelled the failover while the backup was being pulled.
    case closedMeanwhile
}

extension Ledger {
    /// Records the backup, the end of the failover and what has to be delivered, in one transaction.
    package func recordSubstitution(
        _ new: NewSubstitution, now: Timestamp
    ) async throws(LedgerError) -> SubstitutionOutcome {
        let substitutionID = random.identifier(prefix: "sub_")
        let random = random
        return try await write { database in
            let existing = try Row.fetchAll(
                database,
                sql: """
                    SELECT original_access_code_id FROM substitutions
                    WHERE original_access_code_id = ? OR backup_access_code_id = ?
                    """, arguments: [new.failover.accessCodeID, new.backup.id])
            if let pullID = new.pullID {
                try database.execute(
                    sql: """
                        UPDATE pulls SET finished_at = ?, outcome = 'pulled', backup_access_code_id = ?, request_id = ?
                        WHERE pull_id = ?
                        """, arguments: [now.sql, new.backup.id, new.requestID, pullID])
            }
            // An intent whose answer never came, for the process had ended, was answered with this backup.
            try database.execute(
                sql: """
                    UPDATE pulls SET finished_at = ?, outcome = 'pulled', backup_access_code_id = ?
                    WHERE failover_id = ? AND finished_at IS NULL
                    """, arguments: [now.sql, new.backup.id, new.failover.id])
            if existing.contains(where: { $0["original_access_code_id"] as String == new.failover.accessCodeID }) {
                try Self.close(new, now: now, random: random, in: database)
                return .alreadyRecorded
            }
            guard existing.isEmpty else {
                try Self.journalUnrecorded(new, because: "backup_belongs_to_another", now: now, in: database)
                return .backupBelongsToAnother
            }
            let isActive =
                try Bool.fetchOne(
                    database,
                    sql:
                        "SELECT EXISTS (SELECT 1 FROM failovers WHERE failover_id = ? AND state IN ('pending', 'waiting'))",
                    arguments: [new.failover.id]) ?? false
            guard isActive else {
                try Self.journalUnrecorded(new, because: "closed_meanwhile", now: now, in: database)
                return .closedMeanwhile
            }

            try database.execute(
                sql: """
                    INSERT INTO substitutions (substitution_id, failover_id, original_access_code_id, device_id,
                        backup_access_code_id, backup_code, backup_starts_at, backup_ends_at, state, recorded_at, updated_at,
                        next_look_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'active', ?, ?, ?)
                    """,
                arguments: [
                    substitutionID, new.failover.id, new.failover.accessCodeID, new.backup.deviceID, new.backup.id,
                    new.backup.pin?.digits, new.backup.startsAt?.sql, new.backup.endsAt?.sql, now.sql, now.sql,
                    new.firstLookAt?.sql,
                ])
            // The failover first: deliveries are ordered by the arrival that its reading tells.
            try Self.close(new, now: now, random: random, in: database)
            try database.addDeliveries(
                .created, substitutionID: substitutionID, channels: new.channels, dueAt: new.firstDeliveryAt, now: now,
                random: random)
            let entry = JournalEntry(
                "substitution.recorded", accessCodeID: new.failover.accessCodeID, deviceID: new.backup.deviceID,
                detail: [
                    "substitution_id": .string(substitutionID), "backup_access_code_id": .string(new.backup.id),
                    "reason": .string(new.reason.rawValue), "request_id": JSONValue(new.requestID),
                ])
            try database.journal([entry], at: now)
            return .recorded(substitutionID: substitutionID)
        }
    }

    /// A pulled backup whose PIN Seam does not know yet: remembered as pulled, read again later.
    package func recordPendingBackup(
        pullID: String, backupID: String, requestID: String?, step: FailoverStep, of failover: Failover, now: Timestamp
    ) async throws(LedgerError) {
        let random = random
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE pulls SET finished_at = ?, outcome = 'pulled', backup_access_code_id = ?, request_id = ?
                    WHERE pull_id = ?
                    """, arguments: [now.sql, backupID, requestID, pullID])
            try Self.record(step, of: failover, now: now, random: random, in: database)
        }
    }

    /// A substitution is ended by the look at its backup's end, which sees whether the stay was extended meanwhile. Without one it is
    /// ended where Seam has not answered for a day and so often, for a day alone this machine may have been away for; or where no look
    /// is to come.
    private static let endingPatience = Duration.seconds(86_400)
    private static let looksInVain = 10

    /// Active, without a look that decides, and the stay is not known to go on: such a one, or one without an end, is followed until
    /// it ends.
    private static let mayEnd = """
        FROM substitutions s JOIN failovers f USING (failover_id)
        WHERE s.state = 'active' AND (s.next_look_at IS NULL OR s.look_attempts >= \(looksInVain))
            AND (f.original_ends_at <= s.backup_ends_at OR f.original_ends_at <= ?1)
        """

    /// Ends the substitutions whose backup has run out and that no look has ended, and the alerts of stays that are over.
    ///
    /// - Parameter channels: the ways in which the end of an alert is told.
    /// - Returns: how many substitutions.
    package func endSubstitutions(
        channels: [DeliveryChannel], now: Timestamp
    ) async throws(LedgerError) -> Int {
        let random = random
        return try await write { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT s.substitution_id, s.original_access_code_id, s.device_id \(Self.mayEnd)
                        AND s.backup_ends_at <= ?2
                    """, arguments: [now.sql, (now - Self.endingPatience).sql])
            for row in rows {
                try database.execute(
                    sql: "UPDATE substitutions SET state = 'ended', updated_at = ? WHERE substitution_id = ?",
                    arguments: [now.sql, row["substitution_id"] as String])
                try database.journal(
                    [
                        JournalEntry(
                            "substitution.ended", accessCodeID: row["original_access_code_id"],
                            deviceID: row["device_id"],
                            detail: ["substitution_id": .string(row["substitution_id"])])
                    ], at: now)
            }
            try database.closeAlertsOfPastStays(channels: channels, now: now, random: random)
            return rows.count
        }
    }

    /// When the next active substitution is ended without a look.
    package func nextSubstitutionEnd(now: Timestamp) async throws(LedgerError) -> Timestamp? {
        try await read { database in
            try String.fetchOne(database, sql: "SELECT min(s.backup_ends_at) \(Self.mayEnd)", arguments: [now.sql])
                .flatMap { Timestamp($0) }.map { $0 + Self.endingPatience }
        }
    }

    /// A backup was taken from the pool and nobody is told of it: the timeline has to say so.
    private static func journalUnrecorded(
        _ new: NewSubstitution, because reason: String, now: Timestamp, in database: Database
    ) throws {
        let entry = JournalEntry(
            "substitution.not_recorded", accessCodeID: new.failover.accessCodeID, deviceID: new.backup.deviceID,
            detail: [
                "backup_access_code_id": .string(new.backup.id), "reason": .string(reason),
                "request_id": JSONValue(new.requestID),
            ])
        try database.journal(new.journal + [entry], at: now)
    }

    private static func close(
        _ new: NewSubstitution, now: Timestamp, random: RandomSource, in database: Database
    ) throws {
        let step = FailoverStep(
            state: .substituted, reason: new.reason.rawValue, reading: new.reading, lastRequestID: new.requestID,
            alerts: new.alerts, journal: new.journal)
        try record(step, of: new.failover, now: now, random: random, in: database)
    }
}
