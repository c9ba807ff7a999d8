internal import GRDB
internal import Policy
package import Time

extension Ledger {
    /// Tries the next way for what a way had time enough to deliver and did not, and opens an alert where no way is left. The late
    /// way goes on trying.
    ///
    /// - Returns: whether there may be more to do now.
    package func passOnOverdueDeliveries(plan: DeliveryPlan, now: Timestamp) async throws(LedgerError) -> Bool {
        let random = random
        let limit = 200
        return try await write { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    \(DeliveryOccasion.select)
                    WHERE state IN ('pending', 'claimed') AND is_overdue = 0 AND due_at <= ?
                        AND (channel <> 'manual' OR ?) ORDER BY due_at, arrives_at LIMIT ?
                    """,
                arguments: [(now - plan.fallbackAfter).sql, plan.next(after: .manual) != nil, limit])
            for row in rows {
                let occasion = DeliveryOccasion(row: row)
                try database.execute(
                    sql: "UPDATE deliveries SET is_overdue = 1 WHERE delivery_id = ?",
                    arguments: [row["delivery_id"] as String])
                try database.passOn(occasion, plan: plan, now: now, random: random)
            }
            return rows.count == limit
        }
    }

    /// Gives up what waits for a way that is not configured any more, and has the ways that are told instead. What waits to be claimed
    /// by hand can be claimed still.
    ///
    /// - Returns: how many.
    package func giveUpRemovedWays(plan: DeliveryPlan, now: Timestamp) async throws(LedgerError) -> Int {
        let random = random
        return try await write { database in
            var count = 0
            for channel in [DeliveryChannel.webhook, .command] where !plan.has(channel) {
                let rows = try Row.fetchAll(
                    database,
                    sql: """
                        \(DeliveryOccasion.select)
                        WHERE channel = ? AND state IN ('pending', 'claimed') ORDER BY arrives_at, created_at
                        """, arguments: [channel.rawValue])
                for row in rows {
                    try database.execute(
                        sql: """
                            UPDATE deliveries SET state = 'failed', last_error = 'way_removed', next_attempt_at = NULL,
                                claimed_until = NULL
                            WHERE delivery_id = ?
                            """, arguments: [row["delivery_id"] as String])
                    try database.passOn(DeliveryOccasion(row: row), plan: plan, now: now, random: random)
                }
                count += rows.count
            }
            return count
        }
    }

    /// When the time of the next way is up; nil when none is being tried.
    package func nextOverdueAt(plan: DeliveryPlan) async throws(LedgerError) -> Timestamp? {
        try await read { database in
            try String.fetchOne(
                database,
                sql: """
                    SELECT min(due_at) FROM deliveries WHERE state IN ('pending', 'claimed') AND is_overdue = 0
                        AND (channel <> 'manual' OR ?)
                    """, arguments: [plan.next(after: .manual) != nil]
            ).flatMap { Timestamp($0) }.map { $0 + plan.fallbackAfter }
        }
    }
}

/// One thing to tell by one way. Its rows for the other ways have the same subject, kind and time of creation.
struct DeliveryOccasion {
    var deliveryID: String
    var substitutionID: String?
    var alertID: String?
    var channel: DeliveryChannel
    var kind: DeliveryKind
    var createdAt: String
    /// What is held back until then is no sooner told by another way.
    var dueAt: Timestamp?

    static let select = """
        SELECT delivery_id, substitution_id, alert_id, channel, kind, created_at, due_at FROM deliveries
        """

    init(row: Row) {
        deliveryID = row["delivery_id"]
        substitutionID = row["substitution_id"]
        alertID = row["alert_id"]
        channel = DeliveryChannel(rawValue: row["channel"]) ?? .manual
        kind = DeliveryKind(rawValue: row["kind"]) ?? .created
        createdAt = row["created_at"]
        dueAt = row.time("due_at")
    }

    static func fetch(_ deliveryID: String, in database: Database) throws -> DeliveryOccasion? {
        try Row.fetchOne(
            database,
            sql: select + " WHERE delivery_id = ?", arguments: [deliveryID]
        ).map(DeliveryOccasion.init(row:))
    }

    /// By the one that is given, for which there is an index.
    var condition: String { (alertID == nil ? "substitution_id" : "alert_id") + " = ? AND kind = ? AND created_at = ?" }

    var arguments: StatementArguments { [alertID ?? substitutionID, kind.rawValue, createdAt] }
}

extension Database {
    /// A way has failed, or its time is up: the next way is tried, and where none is left an alert says so.
    func passOn(_ occasion: DeliveryOccasion, plan: DeliveryPlan, now: Timestamp, random: RandomSource) throws {
        let rows = try Row.fetchAll(
            self,
            sql: "SELECT channel, state, is_overdue, last_error FROM deliveries WHERE \(occasion.condition)",
            arguments: occasion.arguments)
        guard !rows.contains(where: { $0["state"] == "delivered" }) else { return }
        let tried = Set(rows.map { $0["channel"] as String })
        // In the place of a way that is not configured any more comes one that is told first now.
        let next =
            plan.has(occasion.channel)
            ? plan.next(after: occasion.channel) : plan.initial.first { !tried.contains($0.rawValue) }
        if let next, !tried.contains(next.rawValue) {
            try addDeliveries(
                occasion.kind, substitutionID: occasion.substitutionID, alertID: occasion.alertID, channels: [next],
                dueAt: max(occasion.dueAt ?? now, now), now: Timestamp(occasion.createdAt) ?? now, random: random)
            return
        }
        let isBeingTried = rows.contains { row in
            ["pending", "claimed"].contains(row["state"] as String) && row["is_overdue"] == 0
        }
        // A guest who is not told of a recovery has a code all the same.
        let tellsCode = [.created, .updated].contains(occasion.kind)
        guard !isBeingTried, tellsCode, let substitutionID = occasion.substitutionID else { return }
        try openNotDelivered(substitutionID, rows, plan: plan, now: now, random: random)
    }

    /// The guest's side has been told by one way: those that were to be tried in its place are not needed any more.
    func settleOthers(
        than occasion: DeliveryOccasion, plan: DeliveryPlan, now: Timestamp, random: RandomSource
    ) throws {
        if plan.order.contains(occasion.channel) {
            for other in plan.order where other != occasion.channel {
                try execute(
                    sql: """
                        UPDATE deliveries SET state = 'failed', last_error = ?, next_attempt_at = NULL, claimed_until = NULL
                        WHERE channel = ? AND state IN ('pending', 'claimed') AND \(occasion.condition)
                        """,
                    arguments: ["told_by_\(occasion.channel.rawValue)", other.rawValue] + occasion.arguments)
            }
        }
        guard let substitutionID = occasion.substitutionID else { return }
        _ = try closeAlert(
            .notDelivered, subject: substitutionID, channels: plan.initial, now: now, random: random)
    }

    private func openNotDelivered(
        _ substitutionID: String, _ rows: [Row], plan: DeliveryPlan, now: Timestamp, random: RandomSource
    ) throws {
        guard
            let stay = try Row.fetchOne(
                self,
                sql: """
                    SELECT s.original_access_code_id, s.device_id, s.backup_ends_at, f.original_starts_at, f.original_ends_at
                    FROM substitutions s JOIN failovers f USING (failover_id) WHERE substitution_id = ? AND s.state = 'active'
                    """, arguments: [substitutionID])
        else { return }
        let ways = rows.map { row -> String in
            let error: String = row["last_error"] ?? "no answer yet"
            return "\(row["channel"] as String): \(error)"
        }.joined(separator: "; ")
        let when = arrival(
            startsAt: stay.time("original_starts_at"),
            endsAt: stay.time("backup_ends_at") ?? stay.time("original_ends_at"), now: now)
        _ = try open(
            Alert(
                .notDelivered, subject: substitutionID, accessCodeID: stay["original_access_code_id"],
                deviceID: stay["device_id"],
                text: "No way has told the guest's side of a new code (\(ways)). \(when) Tell the guest by hand."),
            channels: plan.initial, now: now, random: random)
    }

    private func arrival(startsAt: Timestamp?, endsAt: Timestamp?, now: Timestamp) -> String {
        if let startsAt, startsAt > now {
            return "The guest arrives in \(startsAt.duration(since: now).spoken), at \(startsAt)."
        }
        let end = endsAt.map { ", which ends in \($0.duration(since: now).spoken), at \($0)" } ?? ""
        return "The guest's stay has begun\(end)."
    }
}

extension Duration {
    /// Whole minutes, hours and days for a person: `3 h 12 min`.
    var spoken: String {
        let minutes = max(0, wholeMilliseconds / 60_000)
        if minutes < 60 { return "\(minutes) min" }
        if minutes < 2880 { return "\(minutes / 60) h \(minutes % 60) min" }
        return "\(minutes / 1440) days"
    }
}
