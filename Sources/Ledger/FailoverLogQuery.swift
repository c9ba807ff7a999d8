internal import GRDB
package import Policy
package import Time

/// Which rows of the failover log are wanted; what is nil does not narrow.
package struct FailoverLogQuery: Sendable, Equatable {
    /// Failovers opened at this time or later: opened, not failed, so that what a sweep finds late is not missed.
    package var since: Timestamp?
    /// Failovers opened before this time.
    package var until: Timestamp?
    package var deviceID: String?
    package var state: FailoverState?
    package var reason: String?
    /// Only those that are pending or waiting.
    package var isOpen = false
    /// Failovers or their access codes by ID; empty does not narrow.
    package var ids: [String] = []
    /// Only failovers of which the journal says something new after this place, to follow the log.
    package var after: FailoverLogPage.Place?
    /// At most so many, the first ones.
    package var limit: Int?

    package init(
        since: Timestamp? = nil, until: Timestamp? = nil, deviceID: String? = nil, state: FailoverState? = nil,
        reason: String? = nil, after: FailoverLogPage.Place? = nil, limit: Int? = nil
    ) {
        self.since = since
        self.until = until
        self.deviceID = deviceID
        self.state = state
        self.reason = reason
        self.after = after
        self.limit = limit
    }

    func fetch(from database: Database) throws -> FailoverLogPage {
        let columns = FailoverLogPage.columns.map { column in
            (FailoverLogPage.substitutionColumns.contains(column) ? "s." : "f.") + column
        }
        var conditions: [String] = []
        var arguments: [any DatabaseValueConvertible] = []
        func narrow(_ condition: String, _ value: (any DatabaseValueConvertible)?) {
            guard let value else { return }
            conditions.append(condition)
            arguments.append(value)
        }
        narrow("f.opened_at >= ?", since?.sql)
        narrow("f.opened_at < ?", until?.sql)
        narrow("f.device_id = ?", deviceID)
        narrow("f.state = ?", state?.rawValue)
        narrow("f.reason = ?", reason)
        if isOpen { conditions.append("f.state IN ('pending', 'waiting')") }
        if !ids.isEmpty {
            let marks = databaseQuestionMarks(count: ids.count)
            conditions.append("(f.failover_id IN (\(marks)) OR f.access_code_id IN (\(marks)))")
            arguments += ids + ids
        }
        narrow("f.access_code_id IN (SELECT access_code_id FROM journal WHERE journal_id > ?)", after?.journalID)
        let filter = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
        // SQLite takes a negative limit for none.
        arguments.append(limit ?? -1)
        let rows = try Row.fetchAll(
            database,
            sql: """
                SELECT \(columns.joined(separator: ", "))
                FROM failover_log f LEFT JOIN substitution_log s USING (substitution_id)
                \(filter) ORDER BY f.opened_at, f.failover_id LIMIT ?
                """, arguments: StatementArguments(arguments))
        let place = try Int64.fetchOne(database, sql: "SELECT max(journal_id) FROM journal") ?? 0
        return FailoverLogPage(rows: rows.map(LogRow.init), place: FailoverLogPage.Place(journalID: place))
    }
}

/// Rows of the failover log, and how far the journal reached when they were read.
package struct FailoverLogPage: Sendable, Equatable {
    /// Every change of a failover or its substitution and every attempt at a delivery writes to the journal, so a place in it divides
    /// what a page has seen from what came after. That a claim's time ran out, or another way is tried, shows with the next entry.
    package struct Place: Sendable, Equatable {
        var journalID: Int64
    }

    package var rows: [LogRow]
    package var place: Place

    /// The names of the fields of each row, in order: those of `failover_log`, then the substitution's of `substitution_log`.
    package static let columns =
        [
            "failover_id", "access_code_id", "device_id", "event_id", "failed_at", "state", "reason", "attempts",
            "next_attempt_at", "opened_at", "closed_at", "original_name", "original_starts_at", "original_ends_at",
            "last_error_type", "last_request_id", "substitution_id", "backup_access_code_id",
        ] + substitutionColumns

    static let substitutionColumns = [
        "backup_code", "backup_starts_at", "backup_ends_at", "substitution_state", "recorded_at", "delivery_state",
        "delivered_at",
    ]
}
