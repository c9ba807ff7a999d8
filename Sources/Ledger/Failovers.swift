internal import GRDB
internal import JSON
package import Policy
package import Time

/// One original access code that failed, and where its failover stands.
package struct Failover: Sendable, Equatable {
    package var id: String
    package var accessCodeID: String
    package var deviceID: String?
    package var state: FailoverState
    package var reason: String?
    /// How often it was looked at for what it waits for: something else begins with the shortest wait again.
    package var attempts: Int
    package var nextAttemptAt: Timestamp?
    package var openedAt: Timestamp
    package var originalStartsAt: Timestamp?
    package var originalEndsAt: Timestamp?
    /// How often an event has asked for another look; tells whether one came while this look was under way.
    package var touches: Int
    /// A pull was intended and its answer never recorded, or it succeeded and the PIN was not known yet.
    package var mayHavePulled: Bool

    package init(
        id: String, accessCodeID: String, deviceID: String?, state: FailoverState, reason: String?, attempts: Int,
        nextAttemptAt: Timestamp?, openedAt: Timestamp, originalStartsAt: Timestamp?, originalEndsAt: Timestamp?,
        touches: Int,
        mayHavePulled: Bool
    ) {
        self.id = id
        self.accessCodeID = accessCodeID
        self.deviceID = deviceID
        self.state = state
        self.reason = reason
        self.attempts = attempts
        self.nextAttemptAt = nextAttemptAt
        self.openedAt = openedAt
        self.originalStartsAt = originalStartsAt
        self.originalEndsAt = originalEndsAt
        self.touches = touches
        self.mayHavePulled = mayHavePulled
    }
}

/// What is worked on one after the other: the failovers of one lock, which draw from one pool. Lanes do not wait for each other.
package enum Lane: Sendable, Hashable {
    case device(String)
    /// An event did not name its lock, and the code has not been read yet.
    case accessCode(String)

    /// What the log names it by.
    package var names: [String: String] {
        switch self {
        case .device(let id): ["device_id": id]
        case .accessCode(let id): ["access_code_id": id]
        }
    }
}

/// The end of one look at a failover: what it becomes, and what was learned on the way.
package struct FailoverStep: Sendable {
    package var state: FailoverState
    package var reason: String
    package var nextAttemptAt: Timestamp?
    /// The fresh reading, whose name and window are kept.
    package var reading: AccessCode?
    package var lastErrorType: String?
    package var lastRequestID: String?
    package var alerts: AlertChanges
    package var journal: [JournalEntry]

    package init(
        state: FailoverState, reason: String, nextAttemptAt: Timestamp? = nil, reading: AccessCode? = nil,
        lastErrorType: String? = nil, lastRequestID: String? = nil, alerts: AlertChanges = AlertChanges(),
        journal: [JournalEntry] = []
    ) {
        self.state = state
        self.reason = reason
        self.nextAttemptAt = nextAttemptAt
        self.reading = reading
        self.lastErrorType = lastErrorType
        self.lastRequestID = lastRequestID
        self.alerts = alerts
        self.journal = journal
    }
}

extension Ledger {
    private static let columns = """
        SELECT f.*, EXISTS (SELECT 1 FROM pulls p WHERE p.failover_id = f.failover_id
            AND (p.outcome IS NULL OR p.outcome IN ('unknown', 'pulled'))) AS may_have_pulled
        FROM failovers f
        """

    /// The lanes with something to be looked at now, the one with the soonest stay first; stays not known yet come before all.
    ///
    /// In a storm this is asked after each lane, so it walks an index in order and stops, instead of sorting all that is due.
    package func dueLanes(
        now: Timestamp, notIn busy: Set<Lane> = [], limit: Int
    ) async throws(LedgerError) -> [Lane] {
        try await read { database in
            var devices: [String] = []
            var codes: [String] = []
            for lane in busy {
                switch lane {
                case .device(let id): devices.append(id)
                case .accessCode(let id): codes.append(id)
                }
            }
            let rows = try Row.fetchCursor(
                database,
                sql: """
                    SELECT device_id, access_code_id FROM failovers INDEXED BY failovers_order
                    WHERE state IN ('pending', 'waiting') AND next_attempt_at <= ?
                        AND (device_id IS NULL OR device_id NOT IN (\(databaseQuestionMarks(count: devices.count))))
                        AND (device_id IS NOT NULL OR access_code_id NOT IN (\(databaseQuestionMarks(count: codes.count))))
                    ORDER BY original_starts_at, opened_at
                    """, arguments: StatementArguments([now.sql] + devices + codes))
            var lanes: [Lane] = []
            // One lock with a thousand failovers is one lane: the others behind it are looked for only so far.
            var looked = 0
            while lanes.count < limit, looked < 1000, let row = try rows.next() {
                looked += 1
                let lane = (row["device_id"] as String?).map(Lane.device) ?? .accessCode(row["access_code_id"])
                if !lanes.contains(lane) { lanes.append(lane) }
            }
            return lanes
        }
    }

    /// What is pending or waiting in one lane, soonest stay first; those whose stay is not known yet come before all.
    package func activeFailovers(in lane: Lane, limit: Int) async throws(LedgerError) -> [Failover] {
        try await failovers(in: lane, "", [], limit: limit)
    }

    private func failovers(
        in lane: Lane, _ condition: String, _ arguments: [String], limit: Int
    ) async throws(LedgerError) -> [Failover] {
        let (column, value) =
            switch lane {
            case .device(let deviceID): ("f.device_id", deviceID)
            case .accessCode(let accessCodeID): ("f.access_code_id", accessCodeID)
            }
        return try await read { database in
            try Row.fetchAll(
                database,
                sql: Self.columns + """
                     WHERE f.state IN ('pending', 'waiting') AND \(column) = ? \(condition)
                    ORDER BY f.original_starts_at, f.opened_at LIMIT \(limit)
                    """, arguments: StatementArguments([value] + arguments)
            ).map(Failover.init(row:))
        }
    }

    /// Those of one lane that are to be looked at now, in the same order.
    package func dueFailovers(
        in lane: Lane, now: Timestamp, limit: Int
    ) async throws(LedgerError) -> [Failover] {
        try await failovers(in: lane, "AND f.next_attempt_at <= ?", [now.sql], limit: limit)
    }

    /// When a backup was last drawn from a lock's pool.
    package func lastDraw(in lane: Lane) async throws(LedgerError) -> Timestamp? {
        guard case .device(let deviceID) = lane else { return nil }
        return try await read { database in
            try String.fetchOne(
                database, sql: "SELECT max(recorded_at) FROM substitutions WHERE device_id = ?", arguments: [deviceID]
            ).flatMap { Timestamp($0) }
        }
    }

    package func failover(accessCodeID: String) async throws(LedgerError) -> Failover? {
        try await read { database in
            try Row.fetchOne(database, sql: Self.columns + " WHERE f.access_code_id = ?", arguments: [accessCodeID])
                .map(Failover.init(row:))
        }
    }

    /// When the next failover has to be looked at; nil when none is pending or waiting.
    package func nextFailoverAt() async throws(LedgerError) -> Timestamp? {
        try await read { database in
            try String.fetchOne(
                database, sql: "SELECT min(next_attempt_at) FROM failovers WHERE state IN ('pending', 'waiting')"
            ).flatMap { Timestamp($0) }
        }
    }

    /// Ends one look. A failover that the operator or an event closed meanwhile stays as it is; one that an event asked to look
    /// at again meanwhile is due at once, whatever this look found.
    package func record(_ step: FailoverStep, of failover: Failover, now: Timestamp) async throws(LedgerError) {
        let random = random
        try await write { database in try Self.record(step, of: failover, now: now, random: random, in: database) }
    }

    /// Writes down that a backup is about to be pulled, before Seam is asked.
    ///
    /// - Returns: the pull's ID; nil when the failover is no longer to be worked on.
    package func intendPull(
        of failover: Failover, reading: AccessCode, journal: [JournalEntry], now: Timestamp
    ) async throws(LedgerError) -> String? {
        let pullID = random.identifier(prefix: "pull_")
        return try await write { database in
            let isActive =
                try Bool.fetchOne(
                    database,
                    sql:
                        "SELECT EXISTS (SELECT 1 FROM failovers WHERE failover_id = ? AND state IN ('pending', 'waiting'))",
                    arguments: [failover.id]) ?? false
            guard isActive else { return nil }
            try Self.keep(reading, of: failover.id, in: database)
            try database.execute(
                sql: "INSERT INTO pulls (pull_id, failover_id, intended_at) VALUES (?, ?, ?)",
                arguments: [pullID, failover.id, now.sql])
            let intent = JournalEntry(
                "pull.intended", accessCodeID: failover.accessCodeID, deviceID: reading.deviceID,
                detail: ["pull_id": .string(pullID)])
            try database.journal(journal + [intent], at: now)
            return pullID
        }
    }

    /// Records that a pull did not succeed, and the step that follows from it.
    ///
    /// - Parameter isKnownToHaveFailed: false where the answer was lost, so that a backup may have been taken all the same.
    package func recordFailedPull(
        _ pullID: String, isKnownToHaveFailed: Bool, step: FailoverStep, of failover: Failover, now: Timestamp
    ) async throws(LedgerError) {
        let random = random
        try await write { database in
            try database.execute(
                sql: "UPDATE pulls SET finished_at = ?, outcome = ?, error_type = ?, request_id = ? WHERE pull_id = ?",
                arguments: [
                    now.sql, isKnownToHaveFailed ? "failed" : "unknown", step.lastErrorType, step.lastRequestID, pullID,
                ])
            try Self.record(step, of: failover, now: now, random: random, in: database)
        }
    }
}

extension Ledger {
    private static let pulledEventType = "access_code.backup_access_code_pulled"

    /// - Returns: true when a failover was opened or opened again, false when there was one to be touched.
    static func openFailover(
        accessCodeID: String, deviceID: String?, eventID: String?, eventType: String, failedAt: Timestamp,
        now: Timestamp,
        random: RandomSource, in database: Database
    ) throws -> Bool {
        let row = try Row.fetchOne(
            database, sql: "SELECT state, closed_at FROM failovers WHERE access_code_id = ?", arguments: [accessCodeID])
        let kind: String
        switch row.flatMap({ FailoverState(rawValue: $0["state"]) }) {
        case nil:
            try database.execute(
                sql: """
                    INSERT INTO failovers (failover_id, access_code_id, device_id, event_id, state, next_attempt_at, failed_at, opened_at)
                    VALUES (?, ?, ?, ?, 'pending', ?, ?, ?)
                    """,
                arguments: [
                    random.identifier(prefix: "fo_"), accessCodeID, deviceID, eventID, now.sql, failedAt.sql, now.sql,
                ])
            kind = "failover.opened"
        case .pending, .waiting:
            try database.execute(
                sql: "UPDATE failovers SET next_attempt_at = ?, touches = touches + 1 WHERE access_code_id = ?",
                arguments: [now.sql, accessCodeID])
            kind = "failover.touched"
        case .substituted:
            kind = "failover.touched"
        // The operator's word stands against what was so when it was given, and against what came of a pull under way.
        case .cancelled where eventType == pulledEventType || row?.time("closed_at").map { failedAt <= $0 } ?? false:
            kind = "failover.touched"
        case .notNeeded, .ineligible, .expired, .cancelled:
            try database.reopenFailover(accessCodeID: accessCodeID, now: now)
            try database.execute(
                sql: "UPDATE failovers SET event_id = ?, failed_at = ? WHERE access_code_id = ?",
                arguments: [eventID, failedAt.sql, accessCodeID])
            kind = "failover.reopened"
        }
        try database.journal(
            [
                JournalEntry(
                    kind, accessCodeID: accessCodeID, deviceID: deviceID,
                    detail: ["event_id": JSONValue(eventID), "event_type": .string(eventType)])
            ], at: now)
        return kind != "failover.touched"
    }

    static func record(
        _ step: FailoverStep, of failover: Failover, now: Timestamp, random: RandomSource, in database: Database
    ) throws {
        guard
            let row = try Row.fetchOne(
                database,
                sql: """
                    SELECT state, reason, touches FROM failovers WHERE failover_id = ? AND state IN ('pending', 'waiting')
                    """,
                arguments: [failover.id])
        else {
            // Closed meanwhile; the calls that this look made were made all the same.
            try database.journal(step.journal, at: now)
            return
        }
        if let reading = step.reading { try keep(reading, of: failover.id, in: database) }
        // An event that came after this look began may have changed what it found: the look is repeated, not believed. Whoever waited has
        // waited still.
        let wasTouched = row["touches"] as Int != failover.touches && step.state != .substituted
        let isBelieved = !wasTouched || !step.state.isClosed
        let state = isBelieved ? step.state : FailoverState(rawValue: row["state"]) ?? .pending
        let reason: String? = isBelieved ? (state == .pending ? nil : step.reason) : row["reason"]
        try database.execute(
            sql: """
                UPDATE failovers SET state = ?1, reason = ?2,
                    attempts = CASE WHEN ?3 OR reason IS ?2 THEN attempts + 1 ELSE 1 END, next_attempt_at = ?4, closed_at = ?5,
                    last_error_type = ?6, last_request_id = coalesce(?7, last_request_id)
                WHERE failover_id = ?8
                """,
            arguments: [
                state.rawValue, reason, state.isClosed,
                state.isClosed ? nil : (wasTouched ? now : step.nextAttemptAt ?? now).sql,
                state.isClosed ? now.sql : nil,
                step.lastErrorType, step.lastRequestID, failover.id,
            ])
        let decision = JournalEntry(
            "decision", accessCodeID: failover.accessCodeID, deviceID: step.reading?.deviceID ?? failover.deviceID,
            detail: [
                "state": .string(step.state.rawValue), "reason": .string(step.reason),
                "next_attempt_at": JSONValue(
                    state.isClosed ? nil : (wasTouched ? now : step.nextAttemptAt ?? now).description),
                "touched_meanwhile": .bool(wasTouched),
                "error_type": JSONValue(step.lastErrorType), "request_id": JSONValue(step.lastRequestID),
            ])
        try database.journal(step.journal + [decision], at: now)
        try database.apply(step.alerts, now: now, random: random)
    }

    /// Keeps the original's name, window and lock as last read.
    static func keep(_ reading: AccessCode, of failoverID: String, in database: Database) throws {
        try database.execute(
            sql: """
                UPDATE failovers SET original_name = ?, original_starts_at = ?, original_ends_at = ?, device_id = ?
                WHERE failover_id = ?
                """,
            arguments: [reading.name, reading.startsAt?.sql, reading.endsAt?.sql, reading.deviceID, failoverID])
    }
}

extension Failover {
    init(row: Row) {
        self.init(
            id: row["failover_id"], accessCodeID: row["access_code_id"], deviceID: row["device_id"],
            state: FailoverState(rawValue: row["state"]) ?? .pending, reason: row["reason"], attempts: row["attempts"],
            nextAttemptAt: row.time("next_attempt_at"),
            openedAt: row.time("opened_at") ?? Timestamp(secondsSinceEpoch: 0),
            originalStartsAt: row.time("original_starts_at"), originalEndsAt: row.time("original_ends_at"),
            touches: row["touches"], mayHavePulled: row["may_have_pulled"])
    }
}
