internal import GRDB
internal import Time

/// How a guest may be told; the words of `deliveries.channel`.
package enum DeliveryChannel: String, Sendable, Equatable, CaseIterable {
    case webhook, command, manual
}

/// What to tell; the words of `deliveries.kind`.
package enum DeliveryKind: String, Sendable, Equatable {
    case created, updated, revoked, recovered, alert
}

/// The words of `deliveries.state`.
package enum DeliveryState: String, Sendable, Equatable, CaseIterable {
    case pending, claimed, delivered, failed
}

extension Database {
    /// One row for each way, each with its own attempts and state, in the order in which the guests arrive.
    ///
    /// What is still held back before its first attempt is told as it is then: an update of it, or its end, needs no words. Nor does the
    /// end of what was never told.
    func addDeliveries(
        _ kind: DeliveryKind, substitutionID: String? = nil, alertID: String? = nil, channels: [DeliveryChannel],
        dueAt: Timestamp, now: Timestamp, random: RandomSource
    ) throws {
        let arrivesAt = try String.fetchOne(
            self,
            sql: """
                SELECT f.original_starts_at FROM substitutions s JOIN failovers f USING (failover_id) WHERE substitution_id = ?
                """, arguments: [substitutionID])
        if kind != .created, let substitutionID, try isStillUntold(substitutionID, now: now) { return }
        if kind == .updated || kind == .recovered, let substitutionID, try isSilenced(substitutionID) { return }
        for channel in channels {
            try execute(
                sql: """
                    INSERT INTO deliveries (delivery_id, substitution_id, alert_id, channel, kind, created_at, next_attempt_at,
                        arrives_at, due_at)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    random.identifier(prefix: "dlv_"), substitutionID, alertID, channel.rawValue, kind.rawValue,
                    now.sql, dueAt.sql, arrivesAt ?? now.sql, dueAt.sql,
                ])
        }
    }

    private func isSilenced(_ substitutionID: String) throws -> Bool {
        try Bool.fetchOne(self, sql: "SELECT \(Self.isSilenced("?1"))", arguments: [substitutionID]) ?? false
    }

    /// Whether the operator has stopped what was to be told of a new code before any way had told it. Where that was taken back, and the
    /// ways have failed since, an alert says so.
    static func isSilenced(_ substitutionID: String) -> String {
        """
        (EXISTS (SELECT 1 FROM deliveries WHERE substitution_id = \(substitutionID) AND kind = 'created'
                AND last_error = 'cancelled')
            AND NOT EXISTS (SELECT 1 FROM deliveries WHERE substitution_id = \(substitutionID) AND kind = 'created'
                AND state <> 'failed')
            AND NOT EXISTS (SELECT 1 FROM alerts WHERE kind = 'not_delivered' AND subject = \(substitutionID)
                AND closed_at IS NULL))
        """
    }

    /// Whether there is a new code to tell that nobody can have begun to: it is held back still, or was stopped before any attempt.
    ///
    /// An attempt by hand counts from its claim, a push only once it is over: of one that was stopped nothing is known before that.
    private func isStillUntold(_ substitutionID: String, now: Timestamp) throws -> Bool {
        try Bool.fetchOne(
            self,
            sql: """
                SELECT count(*) > 0 AND sum(state = 'delivered' OR attempts > 0 OR due_at <= ?1 AND NOT (
                    state = 'failed' AND last_error IS 'cancelled' AND (channel = 'manual' OR due_at <= ?2))) = 0
                FROM deliveries WHERE substitution_id = ?3 AND kind = 'created'
                """, arguments: [now.sql, (now - Self.longestPush).sql, substitutionID]) ?? false
    }

    /// As long as `delivery.timeout` may be.
    private static let longestPush = Duration.seconds(600)
}
