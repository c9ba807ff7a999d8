import Foundation
import GRDB
import JSON
import Policy
import Sandbox
import Settings
import Testing

/// A row as text; NULL is left out.
typealias TextRow = [String: String]

/// Waits until `condition` holds; records an issue when it does not within the deadline.
func eventually(
    _ what: String, within limit: Duration = .seconds(120), sourceLocation: SourceLocation = #_sourceLocation,
    isolation: isolated (any Actor)? = #isolation, _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("not within \(limit): \(what)", sourceLocation: sourceLocation)
            throw NotInTime()
        }
        try await Task.sleep(for: .milliseconds(20))
    }
}

struct NotInTime: Error {}

extension House {
    /// Asks the database as any other program may: read-only, while the daemon runs or not.
    func rows(_ sql: String, _ arguments: [String] = []) throws -> [TextRow] {
        var configuration = Configuration()
        configuration.readonly = true
        configuration.busyMode = .timeout(5)
        let queue = try DatabaseQueue(path: settings.database.path, configuration: configuration)
        defer { try? queue.close() }
        return try queue.read { database in
            try Row.fetchAll(database, sql: sql, arguments: StatementArguments(arguments)).map { row in
                var text: TextRow = [:]
                for (column, value) in row {
                    if let value = String.fromDatabaseValue(value) ?? Int64.fromDatabaseValue(value).map({ "\($0)" }) {
                        text[column] = value
                    }
                }
                return text
            }
        }
    }

    func count(_ sql: String, _ arguments: [String] = []) throws -> Int {
        try rows("SELECT count(*) AS n FROM " + sql, arguments).first?["n"].flatMap { Int($0) } ?? 0
    }

    func failover(of codeID: String) throws -> TextRow? {
        try rows("SELECT * FROM failovers WHERE access_code_id = ?", [codeID]).first
    }

    /// Waits until the failover of a code stands as it should.
    @discardableResult
    func expect(
        _ codeID: String, _ state: FailoverState, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> TextRow {
        var last: TextRow?
        do {
            let deadline = ContinuousClock.now + .seconds(120)
            while ContinuousClock.now < deadline {
                last = try failover(of: codeID)
                if let last, last["state"] == state.rawValue, last["reason"] == reason { return last }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        let found = last.map { "\($0["state"] ?? "-") \($0["reason"] ?? "-")" } ?? "no failover"
        let story = try decisions(on: codeID).suffix(10)
        Issue.record(
            "expected \(state.rawValue) \(reason), found \(found), after \(story)", sourceLocation: sourceLocation)
        throw NotInTime()
    }

    /// Waits until a code is replaced, and checks what the log says of it: one backup, the one that Seam gave, and a delivery.
    @discardableResult
    func expectSubstituted(
        _ codeID: String, _ reason: SubstitutionReason = .pulled, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> TextRow {
        try await expect(codeID, .substituted, reason.rawValue, sourceLocation: sourceLocation)
        let log = try rows("SELECT * FROM substitution_log WHERE original_access_code_id = ?", [codeID])
        #expect(log.count == 1, sourceLocation: sourceLocation)
        let entry = try #require(log.first, sourceLocation: sourceLocation)
        let backupID = try #require(model.code(codeID)?.pulledBackupID, sourceLocation: sourceLocation)
        #expect(entry["backup_access_code_id"] == backupID, sourceLocation: sourceLocation)
        #expect(entry["backup_code"] == model.code(backupID)?.pin, sourceLocation: sourceLocation)
        #expect(entry["substitution_state"] == "active", sourceLocation: sourceLocation)
        #expect(entry["delivery_state"] != nil, sourceLocation: sourceLocation)
        return entry
    }

    /// What each look at a code came to, in order, such as `waiting pool_empty`.
    func decisions(on codeID: String) throws -> [String] {
        try details(of: "decision", codeID).compactMap { detail in
            guard let state = detail["state"]?.string else { return nil }
            return "\(state) \(detail["reason"]?.string ?? "")"
        }
    }

    /// The alerts that a code raised, in order, those still open with a mark.
    func alerts(of codeID: String) throws -> [String] { try alerts("access_code_id", codeID) }

    /// The alerts about a lock, whoever raised them.
    func alerts(on deviceID: String) throws -> [String] { try alerts("device_id", deviceID) }

    private func alerts(_ column: String, _ id: String) throws -> [String] {
        try rows("SELECT kind, closed_at FROM alerts WHERE \(column) = ? ORDER BY rowid", [id]).compactMap { row in
            row["kind"].map { row["closed_at"] == nil ? $0 + " open" : $0 }
        }
    }

    func details(of kind: String, _ codeID: String) throws -> [JSONValue] {
        try rows(
            "SELECT detail FROM journal WHERE kind = ? AND access_code_id = ? ORDER BY journal_id", [kind, codeID]
        )
        .compactMap { row in try row["detail"].map { try JSONValue(parsing: Array($0.utf8)) } }
    }

    /// Waits until every message of the inbox has been looked at.
    func expectInboxDone(_ messages: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await eventually("\(messages) messages settled", sourceLocation: sourceLocation) {
            try count("webhook_events WHERE disposition <> 'pending'") >= messages
        }
    }

    func disposition(svixID: String) throws -> String? {
        try rows("SELECT disposition FROM webhook_events WHERE svix_id = ?", [svixID]).first?["disposition"]
    }
}
