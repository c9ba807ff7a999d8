import Foundation
import GRDB
import JSON
import Policy
import Synchronization
import Testing
import Time

@testable import Ledger

struct PurgeTests {
    /// One that stands nowhere else.
    private static let pin = "80314159"
    private let end = Timestamp("2026-11-21T17:20:02.400Z")!

    /// A guest whose code, and whose backup's, came in by events.
    private func story() async throws -> LedgerBench {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        _ = try await bench.ledger.recordSubstitution(
            bench.substitution(of: failover, by: bench.backup(pin: Self.pin)), now: bench.start)
        try await receive(
            bench, "set-original", code: "guest", body: #"{"event_id":"set-original","code":"\#(Self.pin)"}"#)
        try await receive(
            bench, "changed", code: "backup",
            body:
                #"{"event_id":"changed","changed_properties":[{"property":"code","from":"\#(Self.pin)","to":"1234"}]}"#)
        try await receive(bench, "stranger", code: "stranger", body: #"{"event_id":"stranger","code":"\#(Self.pin)"}"#)
        return bench
    }

    /// So many that SQLite moves rows from page to page, and leaves copies in the gaps.
    @Test func noByteOfAPINIsLeftOfThousandsOfEvents() async throws {
        let bench = try LedgerBench()
        var generator = SeededGenerator(seed: 1)
        let count = 2000
        var number = 0
        while number < count {
            let messages = (0..<Int.random(in: 1...16, using: &generator)).map { _ in
                number += 1
                let padding = String(repeating: "x", count: Int.random(in: 300...900, using: &generator))
                let body = #"{"event_id":"event-\#(number)","code":"PIN\#(10_000_000 + number)","pad":"\#(padding)"}"#
                return InboxMessage(
                    svixID: "msg_\(number)", source: .webhook, receivedAt: bench.start, body: Array(body.utf8))
            }
            _ = bench.ledger.append(messages)
            let pending = try await bench.ledger.pendingEvents(limit: 64)
            _ = try await bench.ledger.settle(
                pending.map { event in
                    let id = "an-identifier-as-long-as-seams-own-\(event.inboxID)"
                    return (event.inboxID, .readable(bench.facts(id, code: id, device: id, at: bench.start), []))
                }, now: bench.start)
        }
        let report = try await bench.ledger.purge(
            pins: .seconds(30 * 86_400), events: .seconds(90 * 86_400), now: bench.start + .seconds(31 * 86_400))
        #expect(report.maskedEvents == number && report.isWALEmpty)
        // What has the file open goes on with it.
        #expect(bench.ledger.append([message("msg_later")]) == [.stored])
        #expect(try await bench.ledger.pendingEvents(limit: 9).count == 1)
        bench.ledger.close()
        let file = try Data(contentsOf: URL(fileURLWithPath: bench.path))
        #expect(file.range(of: Data("PIN1".utf8)) == nil)
    }

    private func receive(_ bench: LedgerBench, _ event: String, code: String, body: String) async throws {
        let message = InboxMessage(
            svixID: "msg_" + event, source: .webhook, receivedAt: bench.start, body: Array(body.utf8))
        #expect(bench.ledger.append([message]) == [.stored])
        let pending = try #require(try await bench.ledger.pendingEvents(limit: 10).last)
        _ = try await bench.ledger.settle(
            [(pending.inboxID, .readable(bench.facts(event, "access_code.changed", code: code), []))], now: bench.start)
    }

    private func occurrences(_ bench: LedgerBench) throws -> Int {
        try ["", "-wal"].reduce(0) { count, suffix in
            let data = try Data(contentsOf: URL(fileURLWithPath: bench.path + suffix))
            var rest = data[...]
            var found = 0
            while let range = rest.range(of: Data(Self.pin.utf8)) {
                found += 1
                rest = rest[range.upperBound...]
            }
            return count + found
        }
    }

    private func purge(_ bench: LedgerBench, at now: Timestamp) async throws -> PurgeReport {
        try await bench.ledger.purge(pins: .seconds(30 * 86_400), events: .seconds(90 * 86_400), now: now)
    }

    @Test func afterItsRetentionNoByteOfAPINIsLeft() async throws {
        let bench = try await story()
        let limit = end + .seconds(30 * 86_400)
        #expect(try occurrences(bench) > 0)
        let early = try await purge(bench, at: bench.start + .seconds(86_400))
        #expect(
            early
                == {
                    var report = PurgeReport(); report.isWALEmpty = true; return report
                }())
        let report = try await purge(bench, at: limit + .milliseconds(1))
        #expect(report.pins == 1 && report.maskedEvents == 3 && report.removedBodies == 0 && report.isWALEmpty)
        #expect(try occurrences(bench) == 0)
        // The row and its history stay.
        let row = try query(bench.path, "SELECT * FROM substitution_log")[0]
        #expect(row["backup_access_code_id"] == "backup" && row["backup_code"] == nil)
        #expect(try bench.journalKinds().contains("pin.purged"))
        #expect(
            try text(bench.path, "SELECT CAST(body AS TEXT) FROM webhook_events WHERE event_id = 'set-original'")
                == #"{"code":"***","event_id":"set-original"}"#)
        let again = try await purge(bench, at: limit + .milliseconds(1))
        #expect(again.pins + again.maskedEvents + again.removedBodies == 0)
    }

    @Test func aStayThatGoesOnKeepsItsPIN() async throws {
        let bench = try await story()
        try change(bench.path, "UPDATE failovers SET original_ends_at = '2027-03-01T00:00:00.000Z'")
        let report = try await purge(bench, at: end + .seconds(31 * 86_400))
        // What is known of no stay counts from its receipt.
        #expect(report.pins == 0 && report.maskedEvents == 1)
        #expect(try text(bench.path, "SELECT backup_code FROM substitutions") == Self.pin)
    }

    @Test func bodiesGoAndRowsStay() async throws {
        let bench = try await story()
        #expect(bench.ledger.append([message("msg_pending", #"{"code":"4711"}"#)]) == [.stored])
        let report = try await purge(bench, at: bench.start + .seconds(90 * 86_400 + 1))
        #expect(report.removedBodies == 4)
        let rows = try query(bench.path, "SELECT event_id, body FROM webhook_events ORDER BY inbox_id")
        #expect(rows.count == 5)
        #expect(rows.filter { $0["body"] != nil }.count == 1, "what nobody has looked at yet stays")
    }

    @Test func aReaderOfAnOldSnapshotIsReported() async throws {
        let bench = try await story()
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        let reader = try DatabaseQueue(path: bench.path, configuration: configuration)
        try reader.inDatabase { database in
            try database.execute(sql: "BEGIN; SELECT count(*) FROM webhook_events")
        }
        let patience = Statements(with: "busy_timeout")
        try await bench.ledger.writeWithoutTransaction { database in database.trace { patience.note("\($0)") } }
        let report = try await purge(bench, at: end + .seconds(31 * 86_400))
        #expect(report.pins == 1 && !report.isWALEmpty)
        // The writer, and with it the intake, does not wait for the reader; for another's commit it waits as before.
        #expect(patience.all == ["PRAGMA busy_timeout = 0", "PRAGMA busy_timeout = 5000"])
        try reader.inDatabase { database in try database.execute(sql: "COMMIT") }
        #expect(try await purge(bench, at: end + .seconds(31 * 86_400)).isWALEmpty)
        #expect(try occurrences(bench) == 0)
    }

    /// Thousands of bodies of many sizes: pages are split and merged, and overflow pages freed.
    @Test func noPageKeepsACopy() async throws {
        let bench = try await story()
        try change(
            bench.path,
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
            INSERT INTO webhook_events (svix_id, event_id, source, received_at, disposition, body)
            SELECT 'm' || i, 'e' || i, 'webhook', '2026-11-01T00:00:00.000Z', 'handled',
                '{"a":"' || hex(randomblob(abs(random()) % 3000)) || '","code":"\(Self.pin)","b":"'
                || hex(randomblob(abs(random()) % 500)) || '"}' FROM n
            """)
        #expect(try occurrences(bench) > 3000)
        let report = try await purge(bench, at: end + .seconds(31 * 86_400))
        #expect(report.maskedEvents == 3003)
        #expect(try occurrences(bench) == 0)
    }

    /// Webhooks are acknowledged while the purge looks for what is old.
    @Test func whatHoldsUpTheIntakeReadsNoMoreThanItChanges() async throws {
        let bench = try await story()
        let statements = Statements(with: "webhook_events")
        try await bench.ledger.writeWithoutTransaction { database in
            database.trace { event in
                if case .statement(let statement) = event { statements.note(statement.sql) }
            }
        }
        for days in [31, 91] { _ = try await purge(bench, at: end + .seconds(days * 86_400)) }
        var plans: [String] = []
        for sql in Set(statements.all) {
            plans += try await bench.ledger.pool().writeWithoutTransaction { database in
                let statement = try database.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
                statement.setUncheckedArguments([])
                return try Row.fetchAll(statement).map { $0["detail"] as String }
            }
        }
        let searches = plans.filter { $0.hasPrefix("SEARCH") || $0.hasPrefix("SCAN") }
        #expect(
            Set(searches) == [
                "SEARCH webhook_events USING INTEGER PRIMARY KEY (rowid=?)",
                "SEARCH webhook_events USING INDEX webhook_events_kept (received_at<?)",
            ])
    }

    @Test(arguments: [
        (#"{"code":8030,"x":{"to":{"code":"8030"}},"ok":1}"#, #"{"code":"***","ok":1,"x":{"to":{"code":"***"}}}"#),
        (
            #"{"requested_mutations":[{"from":{"code":"1"},"to":{"code":null}}]}"#,
            #"{"requested_mutations":[{"from":{"code":"***"},"to":{"code":null}}]}"#
        ),
        (
            #"{"access_code_errors":[{"error_code":"x","message":"code 8030 is used 12 times"}]}"#,
            #"{"access_code_errors":[{"error_code":"x","message":"code *** is used 12 times"}]}"#
        ),
        (#"{ "event_id": "a" }"#, #"{ "event_id": "a" }"#),
    ])
    func masking(_ body: String, _ masked: String) {
        #expect(EventMask.masked(Array(body.utf8)) == masked)
    }

    @Test func whatCannotBeReadIsNotKept() {
        #expect(EventMask.masked(Array("code 8030".utf8)) == nil)
        #expect(EventMask.masked([0xFF, 0x38]) == nil)
        #expect(EventMask.masked(Array("\"8030\"".utf8)) == nil)
    }

    @Test func anotherProcessMayWriteBesideTheDaemon() async throws {
        let bench = try await story()
        let shared = try Ledger(sharing: bench.path)
        let claimed = try #require(
            try await shared.claimManualDelivery(now: bench.start, lease: .seconds(300)))
        #expect(try await shared.acknowledgeDelivery(claimed.id, now: bench.start))
        shared.close()
        #expect(try text(bench.path, "SELECT state FROM deliveries") == "delivered")
        // The daemon goes on.
        #expect(bench.ledger.append([message("msg_next")]) == [.stored])
        #expect(throws: LedgerError.self) { try Ledger(sharing: bench.folder.path + "/none.db") }
    }
}

/// What SQLite was asked that has a word in it, in order.
private final class Statements: Sendable {
    private let word: String
    private let noted = Mutex<[String]>([])

    init(with word: String) { self.word = word }

    var all: [String] { noted.withLock { $0 } }

    func note(_ statement: String) {
        if statement.contains(word) { noted.withLock { $0.append(statement) } }
    }
}
