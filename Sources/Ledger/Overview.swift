internal import GRDB
package import Policy
package import Time

/// How everything stands at one moment, for the status page and the metrics: one snapshot of the log. Never a PIN.
package struct Overview: Sendable {
    /// A guest who may stand in front of a locked door.
    package struct Guest: Sendable {
        package enum Trouble: Sendable, Equatable {
            /// No backup code is there yet; `reason` as in `failovers`.
            case noCode(state: FailoverState, reason: String?)
            /// There is one, and nobody has told the guest.
            case notTold(DeliveryState?)
            /// There was one, and it is gone from the lock, or has run out, before the stay's end.
            case backupGone
            /// There is one, and it failed on the lock, too.
            case backupFailed
            /// There was one, whose time is over, and the code fails again; the window is not known.
            case failedAgain
        }

        package var trouble: Trouble
        package var accessCodeID: String
        package var name: String?
        package var deviceID: String?
        package var deviceName: String?
        package var startsAt: Timestamp?
        package var endsAt: Timestamp?
        package var nextAttemptAt: Timestamp?
    }

    package struct Lock: Sendable {
        package enum Pool: String, Sendable, CaseIterable {
            /// A backup code is there, and nothing else is said.
            case well
            /// Seam has trouble refilling it.
            case partial
            case empty
            /// Supported, and switched off.
            case disabled
            case unsupported
            case unknown
        }

        package var deviceID: String
        package var name: String?
        package var isOnline: Bool?
        package var pool: Pool
        package var backupsInUse: Int
        package var problems: [String]
        package var nextArrivalAt: Timestamp?
        package var readAt: Timestamp?
        package var codesReadAt: Timestamp?
    }

    package struct Failures: Sendable {
        package var failed = 0
        package var substituted = 0

        package init() {}
    }

    package var now: Timestamp
    /// Those who arrive, or have arrived, soonest first; as many as were asked for.
    package var guests: [Guest] = []
    /// How many there are, listed or not.
    package var guestCount = 0
    package var locks: [Lock] = []
    /// How many there are, by the start of their hour, for a week back.
    package var failuresByHour: [Timestamp: Failures] = [:]
    package var failovers: [FailoverState: Int] = [:]
    package var waiting: [String: Int] = [:]
    package var oldestOpenFailoverAt: Timestamp?
    package var pendingEvents = 0
    package var oldestPendingEventAt: Timestamp?
    package var deliveries: [DeliveryChannel: [DeliveryState: Int]] = [:]
    package var alerts: [Alert.Kind: Int] = [:]
    /// The newest fifty.
    package var openAlerts: [(openedAt: Timestamp?, text: String)] = []
    /// Up to when Seam's events have been swept.
    package var sweptUntil: Timestamp?
    package var databaseBytes = 0

    package init(now: Timestamp) { self.now = now }
}

extension Ledger {
    /// - Parameter guests: how many are listed at most.
    package func overview(now: Timestamp, guests: Int = 200) async throws(LedgerError) -> Overview {
        try await read { database in
            var overview = Overview(now: now)
            try database.listGuestsAtRisk(limit: guests, into: &overview)
            overview.locks = try database.locks()
            try database.countFailovers(into: &overview)
            try database.countEvents(into: &overview)
            try database.countDeliveries(into: &overview)
            overview.databaseBytes =
                try (Int.fetchOne(database, sql: "PRAGMA page_count") ?? 0)
                * (Int.fetchOne(database, sql: "PRAGMA page_size") ?? 0)
            return overview
        }
    }
}

extension Database {
    /// Whom neither the operator nor the guest's own code has helped. What an operator cancelled is in good hands, and a code that is
    /// not for a time is no guest's.
    private static let guestsAtRisk = """
        SELECT f.access_code_id, f.original_name, f.device_id, f.original_starts_at, f.original_ends_at, f.state, f.reason,
            f.next_attempt_at, NULL AS told, NULL AS backup
        FROM failovers f
        WHERE (f.state IN ('pending', 'waiting') OR f.state = 'ineligible' AND f.reason = 'unsupported_device')
            AND (f.original_ends_at IS NULL OR f.original_ends_at > ?1)
        UNION ALL
        SELECT s.original_access_code_id, f.original_name, s.device_id, f.original_starts_at, f.original_ends_at, f.state, NULL,
            NULL, (SELECT delivery_state FROM substitution_log l WHERE l.substitution_id = s.substitution_id) AS told,
            (SELECT 'failed' FROM alerts a WHERE a.kind = 'backup_failed' AND a.subject = s.backup_access_code_id
                AND a.closed_at IS NULL) AS backup
        FROM substitutions s JOIN failovers f USING (failover_id)
        WHERE s.state = 'active' AND s.recovered_at IS NULL AND s.removal_requested_at IS NULL AND (s.backup_ends_at IS NULL OR s.backup_ends_at > ?1)
            AND (backup = 'failed' OR told IS NOT 'delivered' AND NOT \(isToldByUpdate("s.substitution_id")))
            AND NOT \(isSilenced("s.substitution_id"))
        UNION ALL
        SELECT s.original_access_code_id, f.original_name, s.device_id, f.original_starts_at, f.original_ends_at, f.state, NULL,
            NULL, NULL, 'gone'
        FROM alerts a JOIN substitutions s ON a.kind = 'backup_failed' AND s.backup_access_code_id = a.subject AND s.state = 'revoked'
                OR a.kind = 'not_extended' AND s.substitution_id = a.subject AND s.state = 'active' AND s.backup_ends_at <= ?1
            JOIN failovers f USING (failover_id)
        WHERE a.closed_at IS NULL AND (f.original_ends_at IS NULL OR f.original_ends_at > ?1)
        UNION ALL
        SELECT a.subject, NULL, a.device_id, NULL, NULL, 'substituted', NULL, NULL, NULL, 'again'
        FROM alerts a WHERE a.kind = 'failed_again' AND a.closed_at IS NULL
        """

    /// Whether the guest's side has the code from a later message, where the first one failed for good.
    private static func isToldByUpdate(_ substitutionID: String) -> String {
        """
        EXISTS (SELECT 1 FROM deliveries d WHERE d.substitution_id = \(substitutionID) AND d.kind = 'updated'
            AND d.state = 'delivered')
        """
    }

    fileprivate func listGuestsAtRisk(limit: Int, into overview: inout Overview) throws {
        let rows = try Row.fetchAll(
            self,
            sql: """
                SELECT *, count(*) OVER () AS total FROM (\(Self.guestsAtRisk))
                LEFT JOIN (SELECT device_id, name AS device_name FROM devices) USING (device_id)
                ORDER BY original_starts_at IS NOT NULL, original_starts_at, access_code_id LIMIT ?2
                """, arguments: [overview.now.sql, limit])
        overview.guestCount = rows.first?["total"] ?? 0
        overview.guests = rows.map { row in
            let state = FailoverState(rawValue: row["state"]) ?? .pending
            let trouble: Overview.Guest.Trouble =
                switch (state, row["backup"] as String?) {
                case (.substituted, "gone"): .backupGone
                case (.substituted, "failed"): .backupFailed
                case (.substituted, "again"): .failedAgain
                case (.substituted, _): .notTold((row["told"] as String?).flatMap(DeliveryState.init(rawValue:)))
                default: .noCode(state: state, reason: row["reason"])
                }
            return Overview.Guest(
                trouble: trouble, accessCodeID: row["access_code_id"], name: row["original_name"],
                deviceID: row["device_id"], deviceName: row["device_name"], startsAt: row.time("original_starts_at"),
                endsAt: row.time("original_ends_at"), nextAttemptAt: row.time("next_attempt_at"))
        }
    }

    fileprivate func locks() throws -> [Overview.Lock] {
        try Row.fetchAll(
            self,
            sql: """
                SELECT v.*, coalesce(in_use, 0) AS in_use FROM devices v
                    LEFT JOIN (SELECT device_id, count(*) AS in_use FROM substitutions WHERE state = 'active' GROUP BY device_id)
                    USING (device_id)
                ORDER BY v.name, v.device_id
                """
        ).map { row in
            let problems = words(row["error_codes"]) + words(row["warning_codes"])
            let supports: Bool? = row["supports_backup_access_code_pool"]
            let isEnabled: Bool? = row["backup_access_code_pool_enabled"]
            let isAvailable: Bool? = row["backup_available"]
            let pool: Overview.Lock.Pool =
                if supports == false {
                    .unsupported
                } else if isEnabled == false {
                    .disabled
                } else if problems.contains("empty_backup_access_code_pool") || isAvailable == false {
                    .empty
                } else if problems.contains("partial_backup_access_code_pool") {
                    .partial
                } else if isEnabled == true || isAvailable == true {
                    .well
                } else {
                    .unknown
                }
            return Overview.Lock(
                deviceID: row["device_id"], name: row["name"], isOnline: row["online"], pool: pool,
                backupsInUse: row["in_use"], problems: problems, nextArrivalAt: row.time("next_arrival_at"),
                readAt: row.time("read_at"), codesReadAt: row.time("codes_read_at"))
        }
    }

    fileprivate func countFailovers(into overview: inout Overview) throws {
        for row in try Row.fetchAll(
            self, sql: "SELECT state, reason, count(*) AS count FROM failovers GROUP BY state, reason")
        {
            guard let state = FailoverState(rawValue: row["state"]) else { continue }
            let count: Int = row["count"]
            overview.failovers[state, default: 0] += count
            if state == .waiting, let reason: String = row["reason"] { overview.waiting[reason, default: 0] += count }
        }
        let open = "SELECT min(opened_at) FROM failovers WHERE state IN ('pending', 'waiting')"
        overview.oldestOpenFailoverAt = try String.fetchOne(self, sql: open).flatMap { Timestamp($0) }
        let week = overview.now - .seconds(7 * 86_400)
        for row in try Row.fetchAll(
            self,
            sql: """
                SELECT substr(failed_at, 1, 13) || ':00:00.000Z' AS hour, count(*) AS failed, sum(state = 'substituted') AS helped
                FROM failovers WHERE failed_at >= ? GROUP BY hour
                """, arguments: [week.sql])
        {
            guard let hour = row.time("hour") else { continue }
            overview.failuresByHour[hour, default: .init()].failed = row["failed"]
            overview.failuresByHour[hour, default: .init()].substituted = row["helped"]
        }
    }

    fileprivate func countEvents(into overview: inout Overview) throws {
        let pending =
            "SELECT count(*) AS count, min(received_at) AS oldest FROM webhook_events WHERE disposition = 'pending'"
        if let row = try Row.fetchOne(self, sql: pending) {
            overview.pendingEvents = row["count"]
            overview.oldestPendingEventAt = row.time("oldest")
        }
        overview.sweptUntil = try String.fetchOne(self, sql: "SELECT at FROM watermarks WHERE name = 'events'")
            .flatMap { Timestamp($0) }
    }

    fileprivate func countDeliveries(into overview: inout Overview) throws {
        for row in try Row.fetchAll(
            self, sql: "SELECT channel, state, count(*) AS count FROM deliveries GROUP BY channel, state")
        {
            guard let channel = DeliveryChannel(rawValue: row["channel"]),
                let state = DeliveryState(rawValue: row["state"])
            else { continue }
            overview.deliveries[channel, default: [:]][state] = row["count"]
        }
        for row in try Row.fetchAll(
            self, sql: "SELECT kind, text, opened_at FROM alerts WHERE closed_at IS NULL ORDER BY opened_at DESC")
        {
            if let kind = Alert.Kind(rawValue: row["kind"]) { overview.alerts[kind, default: 0] += 1 }
            if overview.openAlerts.count < 50 { overview.openAlerts.append((row.time("opened_at"), row["text"])) }
        }
    }
}
