internal import GRDB
internal import JSON
package import Time

/// Something that a person has to know, from the moment it is so until it is well again: one alert for a kind and subject, however
/// often it is seen meanwhile.
package struct Alert: Sendable, Equatable {
    package enum Kind: String, Sendable, Equatable, CaseIterable {
        /// A backup code itself failed.
        case backupFailed = "backup_failed"
        /// A code that was replaced fails, and its backup's time is over.
        case failedAgain = "failed_again"
        /// A lock without backup pools has a guest code that failed.
        case unsupportedDevice = "unsupported_device"
        case poolEmpty = "pool_empty"
        case poolPartial = "pool_partial"
        case manyActiveBackups = "many_active_backups"
        case poolDisabled = "pool_disabled"
        case unauthorized
        case refused
        /// A backup's end could not be moved with the stay's.
        case notExtended = "not_extended"
        /// A backup is still on the lock after it should have gone.
        case notRemoved = "not_removed"
        /// No way of telling the guest's side is left.
        case notDelivered = "not_delivered"
    }

    /// The subject of what is about no lock and no guest alone.
    package static let workspace = "workspace"

    package var kind: Kind
    /// What it is about: an access code's, a device's or a substitution's ID, or `workspace`. An open alert is found by kind and subject.
    package var subject: String
    package var accessCodeID: String?
    package var deviceID: String?
    /// What happened and what to do, for a person. Never a PIN.
    package var text: String

    package init(_ kind: Kind, subject: String, accessCodeID: String? = nil, deviceID: String? = nil, text: String) {
        self.kind = kind
        self.subject = subject
        self.accessCodeID = accessCodeID
        self.deviceID = deviceID
        self.text = text
    }

    package var key: AlertChanges.Key { .init(kind, subject: subject) }
}

/// What one step opens and closes, in the transaction that records the step.
package struct AlertChanges: Sendable, Equatable {
    package struct Key: Sendable, Equatable {
        package var kind: Alert.Kind
        package var subject: String

        package init(_ kind: Alert.Kind, subject: String) {
            self.kind = kind
            self.subject = subject
        }
    }

    package var opened: [Alert] = []
    package var closed: [Key] = []
    /// The ways in which both are told.
    package var channels: [DeliveryChannel] = []

    package init() {}
}

extension Ledger {
    /// Opens the alert and its deliveries, unless it is open already.
    ///
    /// - Returns: whether it is new.
    @discardableResult
    package func open(_ alert: Alert, channels: [DeliveryChannel], now: Timestamp) async throws(LedgerError) -> Bool {
        let random = random
        return try await write { database in try database.open(alert, channels: channels, now: now, random: random) }
    }

    /// Closes the alert and has that delivered, if it is open.
    ///
    /// - Returns: whether it was.
    @discardableResult
    package func closeAlert(
        _ kind: Alert.Kind, subject: String, channels: [DeliveryChannel], now: Timestamp
    ) async throws(LedgerError) -> Bool {
        let random = random
        return try await write { database in
            try database.closeAlert(kind, subject: subject, channels: channels, now: now, random: random)
        }
    }
}

extension Database {
    /// What a step opens it does not close, whatever it has seen before; and that a pool is empty stays open while a guest waits for a
    /// code: others may have been given one, and a code can say that there is no backup for it on a lock that does not call its pool
    /// empty, such as one that has none.
    ///
    /// - Returns: those that took effect: what was open already is not opened, and what was not is not closed.
    @discardableResult
    func apply(_ changes: AlertChanges, now: Timestamp, random: RandomSource) throws -> AlertChanges {
        var made = changes
        made.closed = try changes.closed.filter { key in
            guard !changes.opened.contains(where: { $0.key == key }) else { return false }
            if key.kind == .poolEmpty, try waitsForPool(key.subject) { return false }
            return try closeAlert(key.kind, subject: key.subject, channels: changes.channels, now: now, random: random)
        }
        made.opened = try changes.opened.filter { alert in
            try open(alert, channels: changes.channels, now: now, random: random)
        }
        return made
    }

    func open(_ alert: Alert, channels: [DeliveryChannel], now: Timestamp, random: RandomSource) throws -> Bool {
        let alertID = random.identifier(prefix: "alert_")
        try execute(
            sql: """
                INSERT INTO alerts (alert_id, kind, subject, access_code_id, device_id, text, opened_at) VALUES (?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING
                """,
            arguments: [
                alertID, alert.kind.rawValue, alert.subject, alert.accessCodeID, alert.deviceID, alert.text, now.sql,
            ])
        guard changesCount > 0 else { return false }
        try addDeliveries(.alert, alertID: alertID, channels: channels, dueAt: now, now: now, random: random)
        try journal(
            [
                JournalEntry(
                    "alert.opened", accessCodeID: alert.accessCodeID, deviceID: alert.deviceID,
                    detail: [
                        "alert_id": .string(alertID), "alert": .string(alert.kind.rawValue),
                        "text": .string(alert.text),
                    ])
            ], at: now)
        return true
    }

    func closeAlert(
        _ kind: Alert.Kind, subject: String, channels: [DeliveryChannel], now: Timestamp, random: RandomSource
    ) throws -> Bool {
        guard
            let row = try Row.fetchOne(
                self,
                sql:
                    "SELECT alert_id, access_code_id, device_id FROM alerts WHERE kind = ? AND subject = ? AND closed_at IS NULL",
                arguments: [kind.rawValue, subject])
        else { return false }
        let alertID: String = row["alert_id"]
        try execute(sql: "UPDATE alerts SET closed_at = ? WHERE alert_id = ?", arguments: [now.sql, alertID])
        // That it is over is told after that it was opened, which need not wait any longer.
        try execute(
            sql:
                "UPDATE deliveries SET next_attempt_at = ?1 WHERE alert_id = ?2 AND state = 'pending' AND next_attempt_at > ?1",
            arguments: [now.sql, alertID])
        try addDeliveries(.alert, alertID: alertID, channels: channels, dueAt: now, now: now, random: random)
        try journal(
            [
                JournalEntry(
                    "alert.closed", accessCodeID: row["access_code_id"], deviceID: row["device_id"],
                    detail: ["alert_id": .string(alertID), "alert": .string(kind.rawValue)])
            ], at: now)
        return true
    }

    func isOpen(_ key: AlertChanges.Key) throws -> Bool {
        try Bool.fetchOne(
            self, sql: "SELECT EXISTS (SELECT 1 FROM alerts WHERE kind = ? AND subject = ? AND closed_at IS NULL)",
            arguments: [key.kind.rawValue, key.subject]) ?? false
    }

    /// Whether a failover of this lock waits for a backup code.
    private func waitsForPool(_ deviceID: String) throws -> Bool {
        try Bool.fetchOne(
            self,
            sql: """
                SELECT EXISTS (SELECT 1 FROM failovers WHERE device_id = ? AND state IN ('pending', 'waiting')
                    AND reason = 'pool_empty')
                """, arguments: [deviceID]) ?? false
    }

    /// Closes what is open about a substitution that is over.
    ///
    /// - Parameter kept: what is wrong all the same.
    func closeAlerts(
        ofSubstitution substitutionID: String, except kept: [AlertChanges.Key], channels: [DeliveryChannel],
        now: Timestamp, random: RandomSource
    ) throws {
        try closeAlerts(
            where: """
                EXISTS (SELECT 1 FROM substitutions s WHERE s.substitution_id = ?
                    AND a.subject IN (s.substitution_id, s.backup_access_code_id))
                """, [substitutionID], except: kept, channels: channels, now: now, random: random)
    }

    /// Closes what is open about stays that are over, whoever opened it and however late. A stay may go on when its backup is gone.
    func closeAlertsOfPastStays(channels: [DeliveryChannel], now: Timestamp, random: RandomSource) throws {
        try closeAlerts(
            where: """
                EXISTS (SELECT 1 FROM substitutions s JOIN failovers f USING (failover_id) WHERE s.backup_ends_at <= ?1
                    AND (s.state = 'ended' OR s.state = 'revoked' AND f.original_ends_at <= ?1)
                    AND (a.subject = s.substitution_id OR a.subject = s.backup_access_code_id))
                OR EXISTS (SELECT 1 FROM failovers f WHERE f.access_code_id = a.subject AND f.original_ends_at <= ?1
                    AND f.state NOT IN ('pending', 'waiting', 'substituted'))
                """, [now.sql], channels: channels, now: now, random: random)
    }

    private func closeAlerts(
        where condition: String, _ arguments: StatementArguments, except kept: [AlertChanges.Key] = [],
        channels: [DeliveryChannel], now: Timestamp, random: RandomSource
    ) throws {
        let rows = try Row.fetchAll(
            self, sql: "SELECT a.kind, a.subject FROM alerts a WHERE a.closed_at IS NULL AND (\(condition))",
            arguments: arguments)
        for row in rows {
            guard let kind = Alert.Kind(rawValue: row["kind"]), !kept.contains(.init(kind, subject: row["subject"]))
            else { continue }
            // That a guest is told no more is no news: nobody has to be told by hand.
            let told = kind == .notDelivered ? [] : channels
            _ = try closeAlert(kind, subject: row["subject"], channels: told, now: now, random: random)
        }
    }
}
