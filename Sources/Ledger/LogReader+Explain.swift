internal import GRDB
internal import JSON
internal import Policy

extension LogReader {
    /// Everything about one ID: of an access code or its backup, a substitution, a failover, a pull, a delivery, an alert, or an event (Seam's
    /// `event_id` or the message's `svix_id`). An event of an access code is explained by the whole story of that code.
    ///
    /// - Returns: nil when the ID is in none of the tables.
    package func explain(_ id: String) async throws(LedgerError) -> Explanation? {
        try await read { database in try Story(of: id, in: database).explanation() }
    }
}

/// Gathers one explanation, within one snapshot.
private struct Story {
    let id: String
    let database: Database
    /// The originals and their backups.
    let codes: [String]

    init(of id: String, in database: Database) throws {
        self.id = id
        self.database = database
        let named = try String.fetchSet(
            database,
            sql: """
                SELECT access_code_id FROM failovers WHERE access_code_id = ?1 OR failover_id = ?1
                UNION SELECT original_access_code_id FROM substitutions
                    WHERE substitution_id = ?1 OR backup_access_code_id = ?1
                UNION SELECT s.original_access_code_id FROM deliveries d JOIN substitutions s USING (substitution_id)
                    WHERE d.delivery_id = ?1
                UNION SELECT a.access_code_id FROM alerts a LEFT JOIN deliveries d USING (alert_id)
                    WHERE (a.alert_id = ?1 OR d.delivery_id = ?1) AND a.access_code_id IS NOT NULL
                UNION SELECT f.access_code_id FROM pulls p JOIN failovers f USING (failover_id)
                    WHERE p.pull_id = ?1 OR p.backup_access_code_id = ?1
                UNION SELECT access_code_id FROM webhook_events
                    WHERE (event_id = ?1 OR svix_id = ?1 OR access_code_id = ?1) AND access_code_id IS NOT NULL
                UNION SELECT access_code_id FROM journal WHERE access_code_id = ?1
                """, arguments: [id])
        // An event may have named a backup: then the story is its original's.
        let originals = named.union(
            try String.fetchSet(
                database,
                sql: "SELECT original_access_code_id FROM substitutions WHERE backup_access_code_id IN \(marks(named))",
                arguments: StatementArguments(named)))
        let backups = try String.fetchSet(
            database,
            sql: """
                SELECT backup_access_code_id FROM substitutions WHERE original_access_code_id IN \(marks(originals))
                UNION SELECT p.backup_access_code_id FROM pulls p JOIN failovers f USING (failover_id)
                    WHERE p.backup_access_code_id IS NOT NULL AND f.access_code_id IN \(marks(originals))
                """, arguments: StatementArguments(Array(originals) + Array(originals)))
        codes = originals.union(backups).sorted()
    }

    func explanation() throws -> Explanation? {
        let timeline = try events() + journal() + pulls() + deliveries()
        let failovers = try Row.fetchAll(
            database,
            sql: """
                SELECT \(FailoverLogPage.columns.map { "l." + $0 }.joined(separator: ", ")) FROM (
                    SELECT f.*, s.backup_code, s.backup_starts_at, s.backup_ends_at, s.recorded_at, s.delivery_state,
                        s.delivered_at
                    FROM failover_log f LEFT JOIN substitution_log s USING (substitution_id)) l
                WHERE l.access_code_id IN \(marks(codes)) ORDER BY l.opened_at, l.failover_id
                """, arguments: StatementArguments(codes)
        ).map(LogRow.init)
        guard !timeline.isEmpty || !failovers.isEmpty else { return nil }
        // A stable order: of what has the same time, what came in stands before what followed from it.
        let ordered = timeline.enumerated().sorted { ($0.element.at, $0.offset) < ($1.element.at, $1.offset) }
        return Explanation(failovers: failovers, timeline: ordered.map(\.element))
    }

    /// What was received of these codes, of the lock where it made a code be looked at again, and what has this ID itself.
    private func events() throws -> [TimelineEntry] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT inbox_id, svix_id, event_id, event_type, source, received_at, occurred_at, access_code_id, device_id,
                    disposition, disposition_reason
                FROM webhook_events
                WHERE access_code_id IN \(marks(codes)) OR event_id = ? OR svix_id = ?
                    OR event_id IN (SELECT json_extract(detail, '$.event_id') FROM journal
                        WHERE access_code_id IN \(marks(codes)) AND kind = 'event.noted')
                ORDER BY received_at, inbox_id
                """, arguments: StatementArguments(codes + [id, id] + codes)
        ).map { row in
            let facts = ["event_type", "source", "disposition", "event_id", "svix_id", "occurred_at"]
            return TimelineEntry(
                at: row["received_at"], accessCodeID: row["access_code_id"], deviceID: row["device_id"],
                kind: "event.received", reason: row["disposition_reason"] ?? row["disposition"],
                detail: detail(row, facts))
        }
    }

    private func journal() throws -> [TimelineEntry] {
        let pins = try pins()
        return try Row.fetchAll(
            database,
            sql: """
                SELECT at, access_code_id, device_id, kind, detail FROM journal
                WHERE access_code_id IN \(marks(codes)) OR json_extract(detail, '$.event_id') = ?
                    OR json_extract(detail, '$.alert_id') = ? OR json_extract(detail, '$.inbox_id') IN
                        (SELECT inbox_id FROM webhook_events WHERE event_id = ? OR svix_id = ?)
                ORDER BY journal_id
                """, arguments: StatementArguments(codes + [id, id, id, id])
        ).map { row in
            let text: String = row["detail"]
            let detail = (try? JSONValue(parsing: Array(text.utf8))) ?? .string(text)
            let kind: String = row["kind"]
            let substitutionID = kind == "substitution.recorded" ? detail["substitution_id"]?.string : nil
            return TimelineEntry(
                at: row["at"], accessCodeID: row["access_code_id"], deviceID: row["device_id"], kind: kind,
                reason: ["reason", "error", "error_type", "state", "event_type", "alert", "outcome"].lazy.compactMap {
                    detail[$0]?.string
                }
                .first, pin: substitutionID.flatMap { pins[$0] }, detail: detail)
        }
    }

    private func pulls() throws -> [TimelineEntry] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT p.pull_id, p.intended_at, p.finished_at, p.outcome, p.backup_access_code_id, p.error_type,
                    p.request_id, f.access_code_id, f.device_id
                FROM pulls p JOIN failovers f USING (failover_id)
                WHERE p.finished_at IS NOT NULL AND f.access_code_id IN \(marks(codes)) ORDER BY p.finished_at, p.rowid
                """, arguments: StatementArguments(codes)
        ).map { row in
            TimelineEntry(
                at: row["finished_at"], accessCodeID: row["access_code_id"], deviceID: row["device_id"],
                kind: "pull.finished", reason: row["error_type"] ?? row["outcome"],
                detail: detail(row, ["outcome", "backup_access_code_id", "error_type", "request_id", "pull_id"]))
        }
    }

    private func deliveries() throws -> [TimelineEntry] {
        try Row.fetchAll(
            database,
            sql: """
                SELECT d.delivery_id, d.substitution_id, d.channel, d.kind, d.state, d.attempts, d.created_at,
                    d.next_attempt_at, d.delivered_at, d.last_error, d.alert_id, a.kind AS alert,
                    coalesce(s.original_access_code_id, a.access_code_id) AS access_code_id,
                    coalesce(s.device_id, a.device_id) AS device_id
                FROM deliveries d LEFT JOIN substitutions s USING (substitution_id) LEFT JOIN alerts a USING (alert_id)
                WHERE s.original_access_code_id IN \(marks(codes)) OR a.access_code_id IN \(marks(codes))
                    OR d.delivery_id = ? OR d.alert_id = ?
                ORDER BY d.created_at, d.rowid
                """, arguments: StatementArguments(codes + codes + [id, id])
        ).map { row in
            let facts = [
                "channel", "kind", "state", "attempts", "next_attempt_at", "delivered_at", "last_error", "delivery_id",
                "substitution_id", "alert", "alert_id",
            ]
            return TimelineEntry(
                at: row["created_at"], accessCodeID: row["access_code_id"], deviceID: row["device_id"],
                kind: "delivery.created", reason: row["last_error"] ?? row["state"], detail: detail(row, facts))
        }
    }

    private func pins() throws -> [String: PIN] {
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT substitution_id, backup_code FROM substitutions
                WHERE backup_code IS NOT NULL AND original_access_code_id IN \(marks(codes))
                """, arguments: StatementArguments(codes))
        return Dictionary(
            rows.compactMap { row in PIN(row["backup_code"]).map { (row["substitution_id"] as String, $0) } }
        ) { first, _ in first }
    }

    private func detail(_ row: Row, _ columns: [String]) -> JSONValue {
        .object(
            columns.compactMap { column in
                let value = JSONValue(row[column] as DatabaseValue)
                return value == .null ? nil : JSONValue.Member(column, value)
            })
    }
}

/// As many question marks as there are values, in brackets.
private func marks(_ values: some Collection<String>) -> String {
    "(" + values.map { _ in "?" }.joined(separator: ", ") + ")"
}
