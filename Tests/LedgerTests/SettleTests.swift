import GRDB
import JSON
import Policy
import Synchronization
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct SettleTests {
    private func disposition(_ bench: LedgerBench, _ svixID: String) throws -> String? {
        try text(bench.path, "SELECT disposition FROM webhook_events WHERE svix_id = ?", [svixID])
    }

    @Test func quarantineKeepsTheBodyAndNamesTheReason() async throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1", "not JSON")]) == [.stored])
        let pending = try await bench.ledger.pendingEvents(limit: 1)
        let settled = try await bench.ledger.settle(
            [(pending[0].inboxID, .quarantined(reason: "not_json"))], now: bench.start)
        #expect(settled.quarantined == 1)
        let row = try query(bench.path, "SELECT * FROM webhook_events")[0]
        #expect(row["disposition"] == "quarantined")
        #expect(row["disposition_reason"] == "not_json")
        #expect(row["event_id"] == DatabaseValue.null)
        #expect(row["body"] == "not JSON")
        #expect(try query(bench.path, "SELECT * FROM journal WHERE kind = 'event.quarantined'").count == 1)
        #expect(try await bench.ledger.pendingEvents(limit: 10).isEmpty)
    }

    @Test func nothingToDoIsIgnoredAndItsFactsAreKept() async throws {
        let bench = try LedgerBench()
        let facts = bench.facts("event-1", "noise.detected", code: nil, device: "lock", at: bench.start - .seconds(5))
        let settled = try await bench.receive(facts, [])
        #expect(settled.ignored == 1)
        let row = try query(bench.path, "SELECT * FROM webhook_events")[0]
        #expect(row["disposition"] == "ignored")
        #expect(row["event_id"] == "event-1")
        #expect(row["event_type"] == "noise.detected")
        #expect(row["device_id"] == "lock")
        #expect(row["access_code_id"] == DatabaseValue.null)
        #expect(row["occurred_at"] == "2026-11-20T16:19:57.400Z")
        #expect(row["received_at"] == "2026-11-20T16:20:02.400Z")
    }

    @Test func aFailureOpensAFailover() async throws {
        let bench = try LedgerBench()
        let settled = try await bench.receive(
            bench.facts("event-1", at: bench.start - .seconds(60)), .opensFailover)
        #expect(settled.handled == 1)
        #expect(settled.openedFailovers == 1)
        let failover = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(failover.state == .pending)
        #expect(failover.nextAttemptAt == bench.start)
        #expect(failover.openedAt == bench.start)
        #expect(!failover.mayHavePulled)
        let row = try query(bench.path, "SELECT * FROM failover_log")[0]
        #expect(row["failed_at"] == "2026-11-20T16:19:02.400Z")
        #expect(row["event_id"] == "event-1")
        #expect(row["device_id"] == "lock")
        #expect(try bench.journalKinds() == ["failover.opened"])
    }

    /// Each effect, where there is nothing for it to act on.
    @Test(arguments: [EventEffect(), .touchesAccessCode, .touchesDevice, [.touchesAccessCode, .touchesDevice]])
    func anEffectWithoutAnObjectIsIgnored(effect: EventEffect) async throws {
        let bench = try LedgerBench()
        #expect(try await bench.receive(bench.facts("event-1"), effect).ignored == 1)
        #expect(try query(bench.path, "SELECT * FROM journal").isEmpty)
        #expect(try await bench.ledger.failover(accessCodeID: "guest") == nil)
    }

    /// Each effect, where the event names neither a code nor a lock.
    @Test(arguments: [
        EventEffect(), .opensFailover, .touchesAccessCode, .touchesDevice, [.opensFailover, .touchesDevice],
    ])
    func anEffectWithoutANameIsIgnored(effect: EventEffect) async throws {
        let bench = try LedgerBench()
        _ = try await bench.fail()
        let settled = try await bench.receive(bench.facts("event-1", code: nil, device: nil), effect)
        #expect(settled.ignored == 1)
        #expect(settled.openedFailovers == 0)
    }

    @Test(arguments: [EventEffect.touchesAccessCode, .opensFailover, [.touchesAccessCode, .opensFailover]])
    func anEventOfAnOpenFailoverAsksForALookNow(effect: EventEffect) async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        try await bench.ledger.record(
            FailoverStep(state: .waiting, reason: "pool_empty", nextAttemptAt: bench.start + .seconds(3600)),
            of: failover, now: bench.start)
        let now = bench.start + .seconds(10)
        let settled = try await bench.receive(bench.facts("event-2"), effect, at: now)
        #expect(settled.handled == 1)
        #expect(settled.openedFailovers == 0)
        let touched = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(touched.state == .waiting)
        #expect(touched.nextAttemptAt == now)
        #expect(touched.touches == failover.touches + 1)
        #expect(touched.id == failover.id)
        #expect(try disposition(bench, "msg_event-2") == "handled")
    }

    @Test func theLockComingBackWakesWhatWaitsOnItAndNothingElse() async throws {
        let bench = try LedgerBench()
        let later = bench.start + .seconds(3600)
        for (code, device, reason) in [
            ("a", "lock", "pool_empty"), ("b", "lock", "lead_time"), ("c", "other", "pool_empty"),
        ] {
            let failover = try await bench.fail(code, device: device)
            try await bench.ledger.record(
                FailoverStep(state: .waiting, reason: reason, nextAttemptAt: later), of: failover, now: bench.start)
        }
        let now = bench.start + .seconds(10)
        let settled = try await bench.receive(
            bench.facts("event-9", "device.connected", code: nil), .touchesDevice, at: now)
        #expect(settled.handled == 1)
        var due: [String: Timestamp?] = [:]
        for code in ["a", "b", "c"] {
            due[code] = try await bench.ledger.failover(accessCodeID: code)?.nextAttemptAt
        }
        #expect(due == ["a": now, "b": later, "c": later])
        // The timeline of the code says why it was looked at again.
        #expect(try bench.journalKinds("a").last == "event.noted")
        #expect(try bench.journalKinds("b").last == "decision")
    }

    @Test func theSameEventUnderAnotherMessageIDIsADuplicate() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let settled = try await bench.receive(bench.facts("event-guest"), .opensFailover, svixID: "msg_other")
        #expect(settled.duplicate == 1)
        #expect(settled.handled == 0)
        let row = try query(bench.path, "SELECT * FROM webhook_events WHERE svix_id = 'msg_other'")[0]
        #expect(row["disposition"] == "duplicate")
        #expect(row["event_id"] == DatabaseValue.null)
        #expect(row["access_code_id"] == "guest")
        #expect(try await bench.ledger.failover(accessCodeID: "guest") == failover)
    }

    @Test func theSameEventTwiceInOneBatchIsADuplicate() async throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1"), message("msg_2")]) == [.stored, .stored])
        let pending = try await bench.ledger.pendingEvents(limit: 10)
        let verdict = EventVerdict.readable(bench.facts("event-1"), .opensFailover)
        let settled = try await bench.ledger.settle(
            pending.map { (inboxID: $0.inboxID, verdict: verdict) }, now: bench.start)
        #expect(settled.handled == 1)
        #expect(settled.duplicate == 1)
    }

    @Test func largeMessagesAreReadAFewAtATime() async throws {
        let bench = try LedgerBench()
        let body = String(repeating: "x", count: 1000)
        _ = bench.ledger.append((0..<9).map { message("msg_\($0)", body) })
        for (bytes, count) in [(0, 1), (999, 1), (1000, 2), (2999, 3), (100_000, 9)] {
            let pending = try await bench.ledger.pendingEvents(limit: 100, maximumBytes: bytes)
            #expect(pending.count == count && pending.first?.svixID == "msg_0", "\(bytes)")
        }
        #expect(try await bench.ledger.pendingEvents(limit: 4, maximumBytes: 100_000).count == 4)
    }

    @Test func settlingTwiceChangesNothing() async throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        let pending = try await bench.ledger.pendingEvents(limit: 10)
        let verdicts = pending.map {
            (inboxID: $0.inboxID, verdict: EventVerdict.readable(bench.facts("event-1"), .opensFailover))
        }
        _ = try await bench.ledger.settle(verdicts, now: bench.start)
        let once = try contents(of: bench.path)
        #expect(try await bench.ledger.settle(verdicts, now: bench.start + .seconds(1)) == SettledEvents())
        #expect(try contents(of: bench.path) == once)
    }

    @Test(arguments: [
        ("already_ended", true), ("not_time_bound", true), ("is_backup", false), ("unsupported_device", false),
    ])
    func aCodeThatIsEligibleNowIsOpenedBySweep(reason: String, isOpened: Bool) async throws {
        let bench = try LedgerBench()
        let first = try await bench.fail()
        try await bench.ledger.record(FailoverStep(state: .ineligible, reason: reason), of: first, now: bench.start)
        var code = bench.reading()
        code.status = "unset"
        code.errors = [Policy.Issue(code: "failed_to_set_on_device")]
        let findings = try await bench.ledger.recordSweep(
            deviceID: "lock", codes: [code], deleted: [], horizon: .seconds(86_400), onCancel: .endBackup,
            alerts: AlertChanges(),
            now: bench.start)
        #expect(findings.openedFailovers == (isOpened ? 1 : 0))
        #expect(try await bench.state() == (isOpened ? .pending : .ineligible))
    }

    /// A lock that is offline does not let it go, and its error stays.
    @Test func aCodeThatIsBeingDeletedIsNotOpenedAgain() async throws {
        let bench = try LedgerBench()
        let first = try await bench.fail()
        try await bench.ledger.record(
            FailoverStep(state: .notNeeded, reason: "code_deleted"), of: first, now: bench.start)
        var code = bench.reading()
        code.errors = [Policy.Issue(code: "failed_to_set_on_device")]
        for (status, count) in [("removing", 0), ("unset", 1)] {
            code.status = status
            let findings = try await bench.ledger.recordSweep(
                deviceID: "lock", codes: [code], deleted: [], horizon: .seconds(86_400), onCancel: .endBackup,
                alerts: AlertChanges(), now: bench.start)
            #expect(findings.openedFailovers == count, "\(status)")
        }
    }

    @Test func whatWasKnownWhenItWasCancelledDoesNotUndoIt() async throws {
        let bench = try LedgerBench()
        let first = try await bench.fail()
        let closedAt = bench.start + .seconds(60)
        try await bench.ledger.record(
            FailoverStep(state: .cancelled, reason: "operator"), of: first, now: closedAt)
        let later = closedAt + .seconds(60)
        // A failure from before that comes late, and what came of a pull that was under way.
        let late = bench.facts("event-2", at: closedAt)
        let pulled = bench.facts("event-3", "access_code.backup_access_code_pulled", at: later)
        for facts in [late, pulled] {
            #expect(try await bench.receive(facts, .opensFailover, at: later).openedFailovers == 0)
            #expect(try await bench.state() == .cancelled)
        }
    }

    @Test(arguments: [
        (FailoverState.notNeeded, "recovered"), (.ineligible, "not_time_bound"), (.expired, "pool_empty"),
        (.cancelled, "operator"),
    ])
    func aClosedFailoverThatFailsAgainIsOpenedAgain(state: FailoverState, reason: String) async throws {
        let bench = try LedgerBench()
        let first = try await bench.fail()
        try await bench.ledger.record(
            FailoverStep(state: state, reason: reason, reading: bench.reading(), lastErrorType: "some_error"),
            of: first, now: bench.start)
        #expect(try await bench.state() == state)

        // What only asks for a look opens nothing.
        let touch = try await bench.receive(bench.facts("event-2", "access_code.changed"), .touchesAccessCode)
        #expect(touch.handled == 1)
        #expect(try await bench.state() == state)

        let now = bench.start + .seconds(60)
        let settled = try await bench.receive(bench.facts("event-3", at: now), .opensFailover, at: now)
        #expect(settled.openedFailovers == 1)
        let again = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(again.id == first.id)
        #expect(again.state == .pending)
        #expect(again.reason == nil)
        #expect(again.attempts == 0)
        #expect(again.nextAttemptAt == now)
        let row = try query(bench.path, "SELECT * FROM failover_log")[0]
        #expect(row["event_id"] == "event-3")
        #expect(row["closed_at"] == DatabaseValue.null)
        #expect(row["last_error_type"] == DatabaseValue.null)
        #expect(row["original_name"] == "Ada")
        // A look that began before it was opened again does not close it.
        try await bench.ledger.record(
            FailoverStep(state: .notNeeded, reason: "recovered"), of: first, now: now)
        #expect(try await bench.state() == .pending)
    }

    @Test func aSubstitutedFailoverIsNotOpenedAgain() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        let settled = try await bench.receive(bench.facts("event-2"), .opensFailover)
        #expect(settled.handled == 1)
        #expect(settled.openedFailovers == 0)
        #expect(try await bench.state() == .substituted)
        #expect(try bench.journalKinds().last == "failover.touched")
    }

    /// An event of either code has the stay looked at now; what follows from it is not the event's to say.
    @Test(arguments: ["guest", "backup"])
    func anEventOfAStayAsksForALookNow(code: String) async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        #expect(try await bench.ledger.dueSubstitutions(now: bench.start, limit: 9).isEmpty)
        let settled = try await bench.receive(
            bench.facts("event-2", "access_code.deleted", code: code), .touchesAccessCode)
        #expect(settled.handled == 1)
        let due = try await bench.ledger.dueSubstitutions(now: bench.start, limit: 9)
        #expect(due.map(\.originalAccessCodeID) == ["guest"])
        #expect(due.map(\.touches) == [1])
        #expect(try text(bench.path, "SELECT state FROM substitutions") == "active")
        // The timeline is the original's, whichever code the event names.
        #expect(try bench.journalKinds().last == "event.noted")
    }

    /// A row that cannot be settled leaves the whole batch as it was.
    @Test func aBatchIsSettledWholeOrNotAtAll() async throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1"), message("msg_2")]) == [.stored, .stored])
        let before = try contents(of: bench.path)
        try change(
            bench.path,
            """
            CREATE TRIGGER refusal BEFORE INSERT ON journal WHEN new.access_code_id = 'second'
            BEGIN SELECT raise(ABORT, 'refused'); END
            """)
        let pending = try await bench.ledger.pendingEvents(limit: 10)
        let verdicts = zip(pending, ["first", "second"]).map { event, code in
            (
                inboxID: event.inboxID,
                verdict: EventVerdict.readable(bench.facts("event-" + code, code: code), .opensFailover)
            )
        }
        await #expect(throws: LedgerError.self) { try await bench.ledger.settle(verdicts, now: bench.start) }
        #expect(try contents(of: bench.path) == before)
        try change(bench.path, "DROP TRIGGER refusal")
        #expect(try await bench.ledger.settle(verdicts, now: bench.start).openedFailovers == 2)
    }
}

@Suite(.timeLimit(.minutes(5))) struct SweepTests {
    @Test func aWatermarkMoves() async throws {
        let bench = try LedgerBench()
        #expect(try await bench.ledger.watermark("events") == nil)
        try await bench.ledger.setWatermark("events", to: bench.start)
        try await bench.ledger.setWatermark("codes", to: bench.start + .seconds(1))
        try await bench.ledger.setWatermark("events", to: bench.start + .seconds(9))
        #expect(try await bench.ledger.watermark("events") == bench.start + .seconds(9))
        #expect(try await bench.ledger.watermark("codes") == bench.start + .seconds(1))
    }

    @Test func aSweepAddsOnlyWhatIsNotKnown() async throws {
        let bench = try LedgerBench()
        _ = try await bench.fail(event: "event-1")
        let body = Array(#"{"event_id":"event-2","name":"Zoë"}"#.utf8)
        let found: [(eventID: String, body: [UInt8])] = [("event-1", Array("{}".utf8)), ("event-2", body)]
        #expect(try await bench.ledger.appendSwept(found, now: bench.start) == 1)
        let pending = try await bench.ledger.pendingEvents(limit: 10)
        #expect(pending.map(\.source) == [.sweep])
        #expect(pending.map(\.body) == [body])
        #expect(
            try query(bench.path, "SELECT * FROM webhook_events WHERE source = 'sweep' AND svix_id IS NULL").count == 1)
        _ = try await bench.ledger.settle(
            [(pending[0].inboxID, .readable(bench.facts("event-2"), .touchesAccessCode))], now: bench.start)
        #expect(try await bench.ledger.appendSwept(found, now: bench.start) == 0)
    }

    @Test func aWebhookAfterTheSweepIsADuplicate() async throws {
        let bench = try LedgerBench()
        #expect(try await bench.ledger.appendSwept([("event-1", Array("{}".utf8))], now: bench.start) == 1)
        let pending = try await bench.ledger.pendingEvents(limit: 10)
        let facts = bench.facts("event-1")
        _ = try await bench.ledger.settle([(pending[0].inboxID, .readable(facts, .opensFailover))], now: bench.start)
        #expect(try await bench.receive(facts, .opensFailover).duplicate == 1)
    }

    /// A database of years must not be read whole for each event.
    @Test func noEventReadsAWholeTable() async throws {
        let bench = try LedgerBench()
        let statements = Statements()
        try await bench.ledger.pool().writeWithoutTransaction { database in
            database.trace { event in
                guard case .statement(let statement) = event else { return }
                statements.seen.withLock { _ = $0.insert(statement.sql) }
            }
        }
        let effects: [EventEffect] = [.opensFailover, .touchesAccessCode, .touchesDevice]
        for (number, effect) in effects.enumerated() {
            _ = try await bench.receive(bench.facts("event-\(number)", device: "lock", at: bench.start), effect)
        }
        let seen = statements.seen.withLock { $0 }.filter { $0.contains("failovers") || $0.contains("webhook_events") }
        #expect(seen.contains { $0.contains("RETURNING access_code_id") })
        for sql in seen {
            let plan = try await bench.ledger.pool().writeWithoutTransaction { database in
                let statement = try database.makeStatement(sql: "EXPLAIN QUERY PLAN " + sql)
                statement.setUncheckedArguments([])
                return try Row.fetchAll(statement).map { $0["detail"] as String }
            }
            #expect(!plan.contains { $0.hasPrefix("SCAN ") && $0 != "SCAN CONSTANT ROW" }, "\(sql): \(plan)")
        }
    }
}

private final class Statements: Sendable {
    let seen = Mutex<Set<String>>([])
}
