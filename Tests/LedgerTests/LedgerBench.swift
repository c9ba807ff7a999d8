import Foundation
import GRDB
import JSON
import Policy
import Synchronization
import Testing
import Time

@testable import Ledger

/// A folder of its own for one test, gone with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/sparekey-ledger-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var database: String { path + "/sparekey.db" }

    /// The database and its WAL as they lie on the disk now, as a crash would leave them, in a folder of their own.
    func copyAfterCrash() throws -> TemporaryFolder {
        let copy = try TemporaryFolder()
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: database + suffix) {
            try FileManager.default.copyItem(atPath: database + suffix, toPath: copy.database + suffix)
        }
        return copy
    }
}

/// Every row of every table, as text: two databases with the same state have the same one.
func contents(of path: String) throws -> [String: [String]] {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    return try queue.read { database in
        let tables = try String.fetchAll(
            database, sql: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'grdb%'")
        var contents: [String: [String]] = [:]
        for table in tables {
            contents[table] = try Row.fetchAll(database, sql: "SELECT * FROM \(table)").map(\.description).sorted()
        }
        return contents
    }
}

func query(_ path: String, _ sql: String, _ arguments: StatementArguments = []) throws -> [Row] {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    return try queue.read { database in try Row.fetchAll(database, sql: sql, arguments: arguments) }
}

func change(_ path: String, _ sql: String) throws {
    let queue = try DatabaseQueue(path: path)
    defer { try? queue.close() }
    try queue.writeWithoutTransaction { database in try database.execute(sql: sql) }
}

func text(_ path: String, _ sql: String, _ arguments: StatementArguments = []) throws -> String? {
    try query(path, sql, arguments).first.map { row in
        let value: String? = row[0]
        return value
    } ?? nil
}

/// A ledger in its own folder, and the steps of a story in which guests `guest-…` stay behind the lock `lock`.
struct LedgerBench {
    let folder: TemporaryFolder
    let ledger: Ledger
    /// When the story begins.
    let start = Timestamp("2026-11-20T16:20:02.400Z")!

    init() throws {
        folder = try TemporaryFolder()
        ledger = try Ledger(path: folder.database, random: RandomSource(SeededGenerator(seed: 7)))
    }

    var path: String { folder.database }

    func facts(
        _ eventID: String, _ type: String = "access_code.failed_to_set_on_device", code: String? = "guest",
        device: String? = "lock", at occurredAt: Timestamp? = nil
    ) -> EventFacts {
        EventFacts(eventID: eventID, eventType: type, accessCodeID: code, deviceID: device, occurredAt: occurredAt)
    }

    /// Receives one message and settles it.
    @discardableResult
    func receive(
        _ facts: EventFacts, _ effect: EventEffect, svixID: String? = nil, at now: Timestamp? = nil
    ) async throws -> SettledEvents {
        let now = now ?? start
        let body = Array(#"{"event_id":"\#(facts.eventID)"}"#.utf8)
        let message = InboxMessage(
            svixID: svixID ?? "msg_" + facts.eventID, source: .webhook, receivedAt: now, body: body)
        #expect(ledger.append([message]) == [.stored])
        let pending = try await ledger.pendingEvents(limit: 100)
        let last = try #require(pending.last)
        return try await ledger.settle([(last.inboxID, .readable(facts, effect))], now: now)
    }

    /// Opens the failover of `code`.
    func fail(_ code: String = "guest", event: String? = nil, device: String? = "lock") async throws -> Failover {
        try await receive(facts(event ?? "event-" + code, code: code, device: device), .opensFailover)
        return try #require(try await ledger.failover(accessCodeID: code))
    }

    func reading(_ code: String = "guest", name: String? = "Ada", startsIn: Duration = .seconds(3600)) -> AccessCode {
        AccessCode(
            id: code, deviceID: "lock", name: name, startsAt: start + startsIn,
            endsAt: start + startsIn + .seconds(86_400))
    }

    func backup(_ id: String = "backup", pin: String = "739146", endsAt: Timestamp? = nil) -> AccessCode {
        AccessCode(
            id: id, deviceID: "lock", startsAt: start + .seconds(3600), endsAt: endsAt ?? start + .seconds(90_000),
            pin: PIN(pin), isBackup: true)
    }

    func substitution(
        of failover: Failover, by backup: AccessCode? = nil, pullID: String? = nil,
        channels: [DeliveryChannel] = [.manual], dueAt: Timestamp? = nil, journal: [JournalEntry] = []
    ) -> NewSubstitution {
        NewSubstitution(
            failover: failover, reading: reading(failover.accessCodeID), backup: backup ?? self.backup(),
            reason: .pulled, pullID: pullID, requestID: "request-9", channels: channels,
            firstDeliveryAt: dueAt ?? start, firstLookAt: start + .seconds(60), alerts: AlertChanges(), journal: journal
        )
    }

    /// Fails `code` and gives it `backup`.
    @discardableResult
    func substitute(
        _ code: String = "guest", by backupID: String = "backup", channels: [DeliveryChannel] = [.manual]
    ) async throws -> String {
        let failover = try await fail(code)
        let pullID = try await ledger.intendPull(of: failover, reading: reading(code), journal: [], now: start)
        let outcome = try await ledger.recordSubstitution(
            substitution(of: failover, by: backup(backupID), pullID: pullID, channels: channels), now: start)
        guard case .recorded(let substitutionID) = outcome else {
            Issue.record("not recorded: \(outcome)")
            return ""
        }
        return substitutionID
    }

    func state(_ code: String = "guest") async throws -> FailoverState? {
        try await ledger.failover(accessCodeID: code)?.state
    }

    func journalKinds(_ code: String = "guest") throws -> [String] {
        try query(path, "SELECT kind FROM journal WHERE access_code_id = ? ORDER BY journal_id", [code])
            .map { $0["kind"] }
    }
}

func message(
    _ svixID: String?, _ body: String = "{}", source: InboxMessage.Source = .webhook
) -> InboxMessage {
    InboxMessage(
        svixID: svixID, source: source, receivedAt: Timestamp("2026-11-20T16:20:02.400Z")!, body: Array(body.utf8))
}

extension DueDelivery {
    /// What a guest's message is made of; an alert's delivery has none.
    var guest: SubstitutionFacts? {
        if case .substitution(let facts) = subject { facts } else { nil }
    }
}
