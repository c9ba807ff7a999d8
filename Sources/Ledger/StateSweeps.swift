internal import GRDB
internal import JSON
package import Policy
package import Time

/// What a sweep of one lock's access codes came to.
package struct SweepFindings: Sendable, Equatable {
    /// Codes that had failed without an event.
    package var openedFailovers = 0
    /// Alerts that the reading opened.
    package var openedAlerts: [Alert] = []
    /// Failovers and stays that are to be looked at now.
    package var touched = 0
}

extension Ledger {
    /// The lock whose access codes were read longest ago, if that is before `limit`; those never read come first.
    package func nextDeviceToSweep(readBefore limit: Timestamp) async throws(LedgerError) -> String? {
        try await read { database in
            try String.fetchOne(
                database,
                sql: """
                    SELECT device_id FROM devices WHERE codes_read_at IS NULL OR codes_read_at < ?
                    ORDER BY codes_read_at, device_id LIMIT 1
                    """, arguments: [limit.sql])
        }
    }

    /// When the next lock's codes are to be read again: the oldest reading; nil without locks.
    package func oldestSweep() async throws(LedgerError) -> Timestamp? {
        try await read { database in
            try String.fetchOne(database, sql: "SELECT min(coalesce(codes_read_at, '')) FROM devices").map {
                Timestamp($0) ?? Timestamp(secondsSinceEpoch: 0)
            }
        }
    }

    /// Keeps a lock's place in the round although it could not be read, so that one that fails does not hold up the others.
    package func noteSweepAttempt(deviceID: String, now: Timestamp) async throws(LedgerError) {
        try await write { database in
            try database.execute(
                sql: "UPDATE devices SET codes_read_at = ? WHERE device_id = ?", arguments: [now.sql, deviceID])
        }
    }

    /// The codes of guests on a lock who may need a backup and have none any more.
    package func codesWithoutBackup(deviceID: String) async throws(LedgerError) -> [String] {
        try await read { database in
            try String.fetchAll(
                database, sql: "SELECT s.original_access_code_id \(guestsWithoutBackup)", arguments: [deviceID])
        }
    }

    /// Compares the codes of a lock, as just read, with what is recorded, and has looked at what differs.
    ///
    /// - Parameters:
    ///   - codes: every managed code of the lock.
    ///   - deleted: those of `codesWithoutBackup` that Seam does not know any more.
    ///   - horizon: a failed code is taken up when its stay starts within this from now.
    ///   - onCancel: whether a guest whose code is deleted comes no more.
    package func recordSweep(
        deviceID: String, codes: [AccessCode], deleted: Set<String>, horizon: Duration, onCancel: CancelPolicy,
        alerts: AlertChanges, now: Timestamp
    ) async throws(LedgerError) -> SweepFindings {
        let random = random
        return try await write { database in
            let sweep = SweepRecord(
                database: database, deviceID: deviceID, codes: codes, deleted: deleted, horizon: horizon,
                onCancel: onCancel, channels: alerts.channels, now: now, random: random)
            var findings = try sweep.apply()
            findings.openedAlerts += try database.apply(alerts, now: now, random: random).opened
            return findings
        }
    }
}

/// Guests of one lock who may need a backup, and whose backup nobody follows any more.
private let guestsWithoutBackup = """
    FROM alerts a JOIN substitutions s ON a.kind = 'backup_failed' AND s.backup_access_code_id = a.subject AND s.state = 'revoked'
        OR a.kind = 'failed_again' AND s.original_access_code_id = a.subject
    WHERE a.closed_at IS NULL AND s.device_id = ?
    """

private struct SweepRecord {
    let database: Database
    let deviceID: String
    let codes: [AccessCode]
    let deleted: Set<String>
    let horizon: Duration
    let onCancel: CancelPolicy
    /// In which the end of an alert is told.
    let channels: [DeliveryChannel]
    let now: Timestamp
    let random: RandomSource

    func apply() throws -> SweepFindings {
        var findings = SweepFindings()
        for code in codes where !code.isBackup && isHelpless(code) {
            if try mayOpen(code) {
                let opened = try Ledger.openFailover(
                    accessCodeID: code.id, deviceID: deviceID, eventID: nil, eventType: "state_sweep",
                    failedAt: code.blockingError?.createdAt ?? now, now: now, random: random, in: database)
                if opened { findings.openedFailovers += 1 }
            } else if let alert = try secondFailure(of: code),
                try database.open(alert, channels: channels, now: now, random: random)
            {
                findings.openedAlerts.append(alert)
            }
        }
        findings.touched += try touchFailovers()
        findings.touched += try touchSubstitutions()
        for code in codes where code.isSet {
            if try database.lookAgain(at: code.id, now: now) { findings.touched += 1 }
        }
        try closeAlertsOfGuestsWithoutBackup()
        let arrivals = codes.filter { !$0.isBackup && $0.kind == .timeBound }.compactMap(\.startsAt).filter { $0 > now }
        // The pool is the lock's: one code that could have a backup shows that there is one.
        let availability = codes.filter { !$0.isBackup }.compactMap(\.isBackupAvailable)
        try database.execute(
            sql: """
                UPDATE devices SET codes_read_at = ?, next_arrival_at = ?, backup_available = ? WHERE device_id = ?
                """,
            arguments: [
                now.sql, arrivals.min()?.sql, availability.isEmpty ? nil : availability.contains(true), deviceID,
            ])
        return findings
    }

    /// A guest's code that failed and whose stay is under way or near.
    private func isHelpless(_ code: AccessCode) -> Bool {
        code.blockingError != nil && !code.isBeingDeleted && code.kind == .timeBound
            && code.endsAt.map { $0 > now } ?? true
            && code.startsAt.map { $0 <= now + horizon } ?? true
    }

    /// A code without a failover, or with one that was closed for what is not so any more.
    private func mayOpen(_ code: AccessCode) throws -> Bool {
        let row = try Row.fetchOne(
            database, sql: "SELECT state, reason FROM failovers WHERE access_code_id = ?", arguments: [code.id])
        guard let row else { return true }
        return switch FailoverState(rawValue: row["state"]) {
        case nil, .notNeeded, .expired: true
        // It has a window now that is not over.
        case .ineligible:
            [IneligibleReason.alreadyEnded, .notTimeBound].map(\.rawValue).contains(row["reason"] as String?)
        case .pending, .waiting, .substituted, .cancelled: false
        }
    }

    /// What a person has to know of a code that was replaced, and whose backup's time is over: for a later stay, say, or after its backup
    /// went while it worked. Whoever was told of this failure already is not told twice.
    private func secondFailure(of code: AccessCode) throws -> Alert? {
        let isNews =
            try Bool.fetchOne(
                database,
                sql: """
                    SELECT NOT EXISTS (
                        SELECT 1 FROM alerts a WHERE (a.closed_at IS NULL OR a.closed_at >= ?2)
                            AND (a.kind = 'failed_again' AND a.subject = s.original_access_code_id
                                OR a.kind = 'backup_failed' AND a.subject = s.backup_access_code_id))
                    FROM substitutions s WHERE s.original_access_code_id = ?1 AND s.state <> 'active'
                    """, arguments: [code.id, (code.blockingError?.createdAt ?? now).sql]) ?? false
        guard isNews else { return nil }
        let stay = "from \(code.startsAt.map { "\($0)" } ?? "now") to \(code.endsAt.map { "\($0)" } ?? "an open end")"
        return Alert(
            .failedAgain, subject: code.id, accessCodeID: code.id, deviceID: deviceID,
            text:
                "An access code failed whose backup code is not valid any more, for a stay \(stay). A code is replaced only once: give the guest another way in."
        )
    }

    /// What waits and has recovered, moved or gone.
    private func touchFailovers() throws -> Int {
        let byID = Dictionary(codes.map { ($0.id, $0) }) { first, _ in first }
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT access_code_id, reason, original_starts_at, original_ends_at FROM failovers
                WHERE device_id = ? AND state IN ('pending', 'waiting') AND state = 'waiting'
                """, arguments: [deviceID])
        var touched = 0
        for row in rows {
            let id: String = row["access_code_id"]
            let code = byID[id]
            let isPoolBack = row["reason"] == WaitReason.poolEmpty.rawValue && code?.isBackupAvailable == true
            let hasChanged =
                code.map {
                    $0.isSet || $0.startsAt != row.time("original_starts_at")
                        || $0.endsAt != row.time("original_ends_at")
                } ?? true
            guard isPoolBack || hasChanged else { continue }
            try database.execute(
                sql: "UPDATE failovers SET next_attempt_at = ?, touches = touches + 1 WHERE access_code_id = ?",
                arguments: [now.sql, id])
            touched += 1
        }
        return touched
    }

    /// Guests without a backup, whom nobody follows any more: one who has the code again that the booking gave, or who comes no more,
    /// needs no other way in.
    private func closeAlertsOfGuestsWithoutBackup() throws {
        let byID = Dictionary(codes.map { ($0.id, $0) }) { first, _ in first }
        let rows = try Row.fetchAll(
            database, sql: "SELECT s.*, a.kind AS alert_kind, a.subject \(guestsWithoutBackup)", arguments: [deviceID])
        for row in rows {
            let originalID: String = row["original_access_code_id"]
            guard let kind = Alert.Kind(rawValue: row["alert_kind"]) else { continue }
            let original = byID[originalID]
            guard original != nil || deleted.contains(originalID) else { continue }
            // Of the stay that the substitution was for: what a later one is like is not written into it.
            let isSameStay = kind == .backupFailed
            if let original, isSameStay { try Ledger.keep(original, of: row["failover_id"], in: database) }
            let stay = FollowedStay(
                original: original, backup: nil, recordedPIN: nil, recordedStartsAt: nil,
                recordedEndsAt: row.time("backup_ends_at"), hasRecovered: row["recovered_at"] != nil,
                removalRequestedAt: nil, onCancel: onCancel, now: now)
            guard follow(stay) != .revoke(wasWanted: false) else { continue }
            if isSameStay, original?.isSet == true, !stay.hasRecovered {
                try database.execute(
                    sql: "UPDATE substitutions SET recovered_at = ?1, updated_at = ?1 WHERE substitution_id = ?2",
                    arguments: [now.sql, row["substitution_id"] as String])
                try database.journal(
                    [
                        JournalEntry(
                            "original.recovered", accessCodeID: originalID, deviceID: deviceID,
                            detail: ["backup_access_code_id": .string(row["backup_access_code_id"])])
                    ], at: now)
            }
            _ = try database.closeAlert(kind, subject: row["subject"], channels: channels, now: now, random: random)
        }
    }

    /// Stays whose original has recovered, moved or gone.
    private func touchSubstitutions() throws -> Int {
        let byID = Dictionary(codes.map { ($0.id, $0) }) { first, _ in first }
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT s.substitution_id, s.original_access_code_id, s.backup_ends_at, s.recovered_at, f.original_starts_at
                FROM substitutions s JOIN failovers f USING (failover_id)
                WHERE s.device_id = ? AND s.state = 'active' AND s.removal_requested_at IS NULL
                """, arguments: [deviceID])
        var touched = 0
        for row in rows {
            let code = byID[row["original_access_code_id"]]
            let hasChanged =
                code.map {
                    $0.endsAt != row.time("backup_ends_at") || $0.startsAt != row.time("original_starts_at")
                        || ($0.isSet && row["recovered_at"] == nil)
                } ?? true
            guard hasChanged else { continue }
            try database.execute(
                sql: "UPDATE substitutions SET next_look_at = ?, touches = touches + 1 WHERE substitution_id = ?",
                arguments: [now.sql, row["substitution_id"] as String])
            touched += 1
        }
        return touched
    }
}
