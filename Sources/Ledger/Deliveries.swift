internal import GRDB
internal import JSON
package import Time

extension Ledger {
    /// Deliveries of one channel to be attempted now, in the order in which the guests arrive.
    ///
    /// - Parameter subjects: of those that are being told: what else there is to tell of them comes after.
    package func dueDeliveries(
        channel: DeliveryChannel, except subjects: Set<String> = [], now: Timestamp, limit: Int
    ) async throws(LedgerError) -> [DueDelivery] {
        try await read { database in
            try Self.due(channel, except: subjects, now: now, limit: limit, in: database)
        }
    }

    /// When the next delivery of one channel is to be attempted.
    ///
    /// The condition names the index's own, word for word, without which SQLite reads every delivery ever.
    ///
    /// - Parameter subjects: as in `dueDeliveries`.
    package func nextDeliveryAt(
        channel: DeliveryChannel, except subjects: Set<String> = []
    ) async throws(LedgerError) -> Timestamp? {
        try await read { database in
            try String.fetchOne(
                database,
                sql: """
                    SELECT min(next_attempt_at) FROM deliveries d
                    WHERE channel = ? AND state IN ('pending', 'claimed') AND state = 'pending' AND \(Self.isNext(subjects))
                    """, arguments: StatementArguments([channel.rawValue] + subjects.sorted())
            ).flatMap { Timestamp($0) }
        }
    }

    /// Whether nothing has to be told before a delivery `d`: that an alert is over is told after that it was opened, and of what is
    /// being told nothing else is.
    private static func isNext(_ subjects: Set<String>) -> String {
        """
        coalesce(d.substitution_id, d.alert_id) NOT IN (\(databaseQuestionMarks(count: subjects.count)))
            AND NOT EXISTS (SELECT 1 FROM deliveries e WHERE e.alert_id = d.alert_id AND e.channel = d.channel
                AND e.state IN ('pending', 'claimed') AND e.created_at < d.created_at)
        """
    }

    package func record(
        _ result: DeliveryResult, of delivery: DueDelivery, plan: DeliveryPlan = DeliveryPlan(), now: Timestamp
    ) async throws(LedgerError) {
        let random = random
        try await write { database in
            let state: String
            var next: Timestamp?
            var problem: String?
            switch result {
            case .delivered: state = "delivered"
            case .retry(let at, let error): (state, next, problem) = ("pending", at, error)
            case .failed(let error): (state, problem) = ("failed", error)
            case .notNeeded(let reason): (state, problem) = ("failed", reason.rawValue)
            }
            try database.execute(
                sql: """
                    UPDATE deliveries SET state = ?, attempts = attempts + 1, next_attempt_at = ?, claimed_until = NULL,
                        delivered_at = ?, last_error = ?
                    WHERE delivery_id = ? AND state <> 'delivered' AND (state <> 'failed' OR ?)
                    """,
                arguments: [
                    state, next?.sql, result == .delivered ? now.sql : nil, problem, delivery.id, result == .delivered,
                ])
            // What was cancelled while it was being sent stays cancelled, unless it was sent after all.
            guard database.changesCount > 0 else { return }
            try database.journal(
                [
                    JournalEntry(
                        "delivery.attempted", accessCodeID: delivery.accessCodeID, deviceID: delivery.deviceID,
                        detail: [
                            "delivery_id": .string(delivery.id), "channel": .string(delivery.channel.rawValue),
                            "kind": .string(delivery.kind.rawValue), "state": .string(state),
                            "error": JSONValue(problem),
                            "next_attempt_at": JSONValue(next?.description),
                        ])
                ], at: now)
            guard let occasion = try DeliveryOccasion.fetch(delivery.id, in: database) else { return }
            switch result {
            case .delivered: try database.settleOthers(than: occasion, plan: plan, now: now, random: random)
            case .failed: try database.passOn(occasion, plan: plan, now: now, random: random)
            case .retry, .notNeeded: break
            }
        }
    }

    /// Hands out the manual delivery whose guest arrives first, for `lease`; nil when there is none.
    ///
    /// A claim that is not acknowledged within its lease is handed out again.
    package func claimManualDelivery(now: Timestamp, lease: Duration) async throws(LedgerError) -> DueDelivery? {
        try await write { database in
            try database.giveUpManualDeliveries(now: now)
            guard let delivery = try Self.due(.manual, now: now, limit: 1, in: database).first else { return nil }
            try database.execute(
                sql: """
                    UPDATE deliveries SET state = 'claimed', attempts = attempts + 1, claimed_until = ? WHERE delivery_id = ?
                    """, arguments: [(now + lease).sql, delivery.id])
            try database.journal(
                [
                    JournalEntry(
                        "delivery.claimed", accessCodeID: delivery.accessCodeID, deviceID: delivery.deviceID,
                        detail: ["delivery_id": .string(delivery.id), "until": .string((now + lease).description)])
                ], at: now)
            return delivery
        }
    }

    /// Ends what waits to be told by hand and is of no use any more; the workers of the other ways do so for theirs.
    package func giveUpManualDeliveries(now: Timestamp) async throws(LedgerError) {
        try await write { database in try database.giveUpManualDeliveries(now: now) }
    }

    /// Makes claims whose lease has run out pending again, so that whoever reads the table sees them so.
    ///
    /// - Returns: how many.
    package func releaseClaims(now: Timestamp) async throws(LedgerError) -> Int {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE deliveries SET state = 'pending', claimed_until = NULL
                    WHERE channel = 'manual' AND state IN ('pending', 'claimed') AND state = 'claimed' AND claimed_until <= ?
                    """, arguments: [now.sql])
            return database.changesCount
        }
    }

    /// Settles a manual delivery that somebody has sent.
    ///
    /// - Returns: false when there is no such delivery that was ever handed out or waits to be.
    package func acknowledgeDelivery(
        _ deliveryID: String, plan: DeliveryPlan = DeliveryPlan(), now: Timestamp
    ) async throws(LedgerError) -> Bool {
        let random = random
        return try await write { database in
            guard
                let row = try Row.fetchOne(
                    database,
                    sql: """
                        SELECT d.state, d.attempts, d.last_error, coalesce(s.original_access_code_id, a.access_code_id) AS access_code_id,
                            coalesce(s.device_id, a.device_id) AS device_id
                        FROM deliveries d LEFT JOIN substitutions s USING (substitution_id) LEFT JOIN alerts a USING (alert_id)
                        WHERE d.delivery_id = ? AND d.channel = 'manual'
                        """, arguments: [deliveryID])
            else { return false }
            let state: String = row["state"]
            guard state != "delivered" else { return true }
            let error: String? = row["last_error"]
            // Somebody was telling the guest by hand while another way did, or while the stay came to its end or was cancelled.
            let wasToldMeanwhile = error?.hasPrefix("told_by_") ?? false
            let wasGivenUp = row["attempts"] > 0 && error.flatMap(StopReason.init(rawValue:)) != nil
            guard state != "failed" || wasToldMeanwhile || wasGivenUp else { return false }
            try database.execute(
                sql: """
                    UPDATE deliveries SET state = 'delivered', delivered_at = ?, claimed_until = NULL, next_attempt_at = NULL,
                        last_error = NULL
                    WHERE delivery_id = ?
                    """, arguments: [now.sql, deliveryID])
            try database.journal(
                [
                    JournalEntry(
                        "delivery.acknowledged", accessCodeID: row["access_code_id"],
                        deviceID: row["device_id"],
                        detail: ["delivery_id": .string(deliveryID)])
                ], at: now)
            if let occasion = try DeliveryOccasion.fetch(deliveryID, in: database) {
                try database.settleOthers(than: occasion, plan: plan, now: now, random: random)
            }
            return true
        }
    }

    /// Has a delivery tried again now that failed or that waits for its next attempt.
    ///
    /// - Returns: false when there is no such delivery, or it is delivered or claimed.
    package func retryDelivery(_ deliveryID: String, now: Timestamp) async throws(LedgerError) -> Bool {
        try await write { database in
            try database.execute(
                sql: """
                    UPDATE deliveries SET state = 'pending', next_attempt_at = ?1, due_at = ?1, is_overdue = 0, last_error = NULL
                    WHERE delivery_id = ?2 AND state IN ('pending', 'failed')
                    """, arguments: [now.sql, deliveryID])
            guard database.changesCount > 0,
                let row = try Row.fetchOne(
                    database,
                    sql: """
                        SELECT coalesce(s.original_access_code_id, a.access_code_id) AS access_code_id,
                            coalesce(s.device_id, a.device_id) AS device_id
                        FROM deliveries d LEFT JOIN substitutions s USING (substitution_id) LEFT JOIN alerts a USING (alert_id)
                        WHERE d.delivery_id = ?
                        """, arguments: [deliveryID])
            else { return false }
            try database.journal(
                [
                    JournalEntry(
                        "delivery.retried", accessCodeID: row["access_code_id"], deviceID: row["device_id"],
                        detail: ["delivery_id": .string(deliveryID)])
                ], at: now)
            return true
        }
    }

    /// Pending ones that are due, and claimed ones whose lease has run out.
    fileprivate static func due(
        _ channel: DeliveryChannel, except subjects: Set<String> = [], now: Timestamp, limit: Int, in database: Database
    ) throws -> [DueDelivery] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT d.delivery_id, d.channel, d.kind, d.attempts, d.created_at, s.substitution_id,
                    s.original_access_code_id, s.backup_access_code_id, s.backup_code, s.backup_starts_at, s.backup_ends_at,
                    s.state AS substitution_state, s.device_id, f.original_name, f.original_starts_at, f.original_ends_at,
                    v.name AS device_name, v.time_zone, v.custom_metadata, a.alert_id, a.kind AS alert_kind, a.subject,
                    a.access_code_id AS alert_access_code_id, a.device_id AS alert_device_id, a.text, a.opened_at, a.closed_at
                FROM deliveries d INDEXED BY deliveries_arrival LEFT JOIN substitutions s USING (substitution_id)
                    LEFT JOIN failovers f USING (failover_id) LEFT JOIN alerts a USING (alert_id)
                    LEFT JOIN devices v ON v.device_id = coalesce(s.device_id, a.device_id)
                WHERE d.channel = ?1 AND d.state IN ('pending', 'claimed') AND ((d.state = 'pending' AND d.next_attempt_at <= ?2)
                    OR (d.state = 'claimed' AND d.claimed_until <= ?2)) AND \(isNext(subjects))
                ORDER BY d.arrives_at, d.created_at LIMIT \(limit)
                """, arguments: StatementArguments([channel.rawValue, now.sql] + subjects.sorted())
        ).compactMap(DueDelivery.init(row:))
    }
}

extension Database {
    fileprivate func giveUpManualDeliveries(now: Timestamp) throws {
        let limit = 200
        var due: [DueDelivery] = []
        repeat {
            due = try Ledger.due(.manual, now: now, limit: limit, in: self)
            let over = due.compactMap { delivery in delivery.reasonToStop(at: now).map { (delivery, $0) } }
            for (delivery, reason) in over {
                try execute(
                    sql: """
                        UPDATE deliveries SET state = 'failed', last_error = ?, next_attempt_at = NULL, claimed_until = NULL
                        WHERE delivery_id = ?
                        """, arguments: [reason.rawValue, delivery.id])
                try journal(
                    [
                        JournalEntry(
                            "delivery.given_up", accessCodeID: delivery.accessCodeID, deviceID: delivery.deviceID,
                            detail: ["delivery_id": .string(delivery.id), "reason": .string(reason.rawValue)])
                    ], at: now)
            }
            if over.isEmpty { break }
        } while due.count == limit
    }
}
