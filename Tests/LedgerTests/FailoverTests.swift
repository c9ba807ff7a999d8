import GRDB
import JSON
import Policy
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct FailoverTests {
    @Test func aLookEndsWithItsFindings() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let next = bench.start + .seconds(7)
        try await bench.ledger.record(
            FailoverStep(
                state: .waiting, reason: WaitReason.refused.rawValue, nextAttemptAt: next, reading: bench.reading(),
                lastErrorType: "device_offline", lastRequestID: "request-1",
                journal: [JournalEntry("api.call", accessCodeID: "guest")]),
            of: failover, now: bench.start)
        let row = try query(bench.path, "SELECT * FROM failover_log")[0]
        #expect(row["state"] == "waiting")
        #expect(row["reason"] == "refused")
        #expect(row["attempts"] == 1)
        #expect(row["next_attempt_at"] == next.description)
        #expect(row["original_name"] == "Ada")
        #expect(row["original_starts_at"] == "2026-11-20T17:20:02.400Z")
        #expect(row["last_error_type"] == "device_offline")
        #expect(row["last_request_id"] == "request-1")
        #expect(row["closed_at"] == DatabaseValue.null)
        #expect(try bench.journalKinds() == ["failover.opened", "api.call", "decision"])
        // A later answer without a request ID leaves the last one to look up at Seam.
        try await bench.ledger.record(
            FailoverStep(state: .expired, reason: "refused"), of: failover, now: bench.start + .seconds(8))
        let closed = try query(bench.path, "SELECT * FROM failover_log")[0]
        #expect(closed["state"] == "expired")
        #expect(closed["closed_at"] == (bench.start + .seconds(8)).description)
        #expect(closed["next_attempt_at"] == DatabaseValue.null)
        #expect(closed["last_request_id"] == "request-1")
        #expect(closed["last_error_type"] == DatabaseValue.null)
    }

    @Test(arguments: [FailoverState.notNeeded, .ineligible, .expired])
    func aLookDuringWhichAnEventCameIsRepeatedNotBelieved(state: FailoverState) async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        _ = try await bench.receive(bench.facts("event-2"), .touchesAccessCode, at: bench.start + .seconds(1))
        let now = bench.start + .seconds(2)
        try await bench.ledger.record(
            FailoverStep(state: state, reason: "any", reading: bench.reading()), of: failover, now: now)
        let after = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(after.state == .pending)
        #expect(after.reason == nil)
        #expect(after.nextAttemptAt == now)
        #expect(after.attempts == 1)
        // The second look is believed.
        try await bench.ledger.record(FailoverStep(state: state, reason: "any"), of: after, now: now)
        #expect(try await bench.state() == state)
    }

    @Test func whatWaitedIsKeptFromALookThatIsNotBelieved() async throws {
        let bench = try LedgerBench()
        try await bench.ledger.record(
            FailoverStep(state: .waiting, reason: "pool_empty", nextAttemptAt: bench.start), of: bench.fail(),
            now: bench.start)
        let waiting = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        _ = try await bench.receive(bench.facts("event-2"), .touchesAccessCode)
        try await bench.ledger.record(FailoverStep(state: .expired, reason: "any"), of: waiting, now: bench.start)
        let after = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(after.state == .waiting)
        #expect(after.reason == "pool_empty")
        #expect(after.nextAttemptAt == bench.start)
    }

    @Test func theAttemptsAreThoseForWhatItWaitsFor() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        var attempts: [Int] = []
        for (state, reason) in [
            (FailoverState.waiting, "pool_empty"), (.waiting, "pool_empty"), (.waiting, "pool_empty"),
            (.waiting, "seam_unavailable"), (.waiting, "seam_unavailable"), (.expired, "seam_unavailable"),
        ] {
            try await bench.ledger.record(FailoverStep(state: state, reason: reason), of: failover, now: bench.start)
            attempts.append(try #require(try await bench.ledger.failover(accessCodeID: "guest")).attempts)
        }
        #expect(attempts == [1, 2, 3, 1, 2, 3])
    }

    @Test func aWaitDuringWhichAnEventCameIsOverAtOnce() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        _ = try await bench.receive(bench.facts("event-2"), .touchesAccessCode)
        let now = bench.start + .seconds(2)
        try await bench.ledger.record(
            FailoverStep(state: .waiting, reason: "pool_empty", nextAttemptAt: now + .seconds(300)), of: failover,
            now: now)
        let after = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(after.state == .waiting)
        #expect(after.nextAttemptAt == now)
    }

    @Test func whatTheOperatorClosedStaysClosed() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        try await bench.ledger.record(
            FailoverStep(state: .cancelled, reason: "operator"), of: failover, now: bench.start)
        let cancelled = try await bench.ledger.failover(accessCodeID: "guest")
        try await bench.ledger.record(
            FailoverStep(
                state: .waiting, reason: "pool_empty", reading: bench.reading(name: "Changed"),
                journal: [JournalEntry("api.call", accessCodeID: "guest")]), of: failover,
            now: bench.start + .seconds(1))
        #expect(try await bench.ledger.failover(accessCodeID: "guest") == cancelled)
        #expect(
            try await bench.ledger.intendPull(of: failover, reading: bench.reading(), journal: [], now: bench.start)
                == nil)
        // What was asked of Seam meanwhile was asked all the same.
        #expect(try bench.journalKinds() == ["failover.opened", "decision", "api.call"])
    }

    @Test func lanesComeBySoonestStay() async throws {
        let bench = try LedgerBench()
        for (code, device, hours) in [("late", "lock", 9), ("early", "lock", 2), ("other", "door", 5)] {
            let failover = try await bench.fail(code, device: device)
            var reading = bench.reading(code, startsIn: .seconds(3600 * hours))
            reading.deviceID = device
            try await bench.ledger.record(
                FailoverStep(state: .waiting, reason: "pool_empty", nextAttemptAt: bench.start, reading: reading),
                of: failover, now: bench.start)
        }
        _ = try await bench.fail("nameless", device: nil)
        let lanes = try await bench.ledger.dueLanes(now: bench.start, limit: 10)
        #expect(lanes == [.accessCode("nameless"), .device("lock"), .device("door")])
        #expect(try await bench.ledger.dueLanes(now: bench.start - .milliseconds(1), limit: 10).isEmpty)
        #expect(try await bench.ledger.dueLanes(now: bench.start, limit: 1) == [.accessCode("nameless")])
        #expect(
            try await bench.ledger.dueLanes(
                now: bench.start, notIn: [.accessCode("nameless"), .device("lock")], limit: 10) == [.device("door")])
        #expect(
            try await bench.ledger.activeFailovers(in: .device("lock"), limit: 10).map(\.accessCodeID) == [
                "early", "late",
            ])
        #expect(try await bench.ledger.activeFailovers(in: .accessCode("nameless"), limit: 10).count == 1)
        #expect(try await bench.ledger.nextFailoverAt() == bench.start)
        #expect(try await bench.ledger.overview(now: bench.start).failovers == [.pending: 1, .waiting: 3])
    }

    @Test func aLockWithAStormOfItsOwnDoesNotHideTheOthers() async throws {
        let bench = try LedgerBench()
        _ = try await bench.fail("storm", device: "lock")
        try change(
            bench.path,
            """
            WITH RECURSIVE storm (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM storm WHERE n < 1200)
            INSERT INTO failovers (failover_id, access_code_id, device_id, state, next_attempt_at, failed_at, opened_at,
                original_starts_at)
            SELECT 'fo_' || n, 'storm' || n, device_id, state, next_attempt_at, failed_at, opened_at,
                '2026-01-01T00:00:00.000Z' FROM storm, failovers WHERE access_code_id = 'storm'
            """)
        _ = try await bench.fail("other", device: "door")
        try change(
            bench.path,
            "UPDATE failovers SET original_starts_at = '2026-12-01T00:00:00.000Z' WHERE device_id = 'door'")
        #expect(try await bench.ledger.dueLanes(now: bench.start, limit: 8) == [.device("lock")])
        #expect(
            try await bench.ledger.dueLanes(now: bench.start, notIn: [.device("lock")], limit: 8) == [.device("door")])
    }

    @Test func anIntendedPullMayHavePulledUntilItIsKnownNotTo() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let call = JournalEntry("api.call", accessCodeID: "guest")
        let pullID = try #require(
            try await bench.ledger.intendPull(of: failover, reading: bench.reading(), journal: [call], now: bench.start)
        )
        #expect(try bench.journalKinds() == ["failover.opened", "api.call", "pull.intended"])
        let intended = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(intended.mayHavePulled)
        #expect(intended.originalStartsAt == bench.start + .seconds(3600))
        let step = FailoverStep(
            state: .waiting, reason: "seam_unavailable", nextAttemptAt: bench.start + .seconds(2),
            lastErrorType: "timeout", lastRequestID: "request-2")
        // A lost answer: the backup may be gone from the pool.
        try await bench.ledger.recordFailedPull(
            pullID, isKnownToHaveFailed: false, step: step, of: intended, now: bench.start)
        #expect(try await bench.ledger.failover(accessCodeID: "guest")?.mayHavePulled == true)
        #expect(try text(bench.path, "SELECT outcome FROM pulls") == "unknown")
        #expect(try await bench.state() == .waiting)
    }

    @Test func aRefusedPullHasPulledNothing() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let pullID = try #require(
            try await bench.ledger.intendPull(of: failover, reading: bench.reading(), journal: [], now: bench.start))
        let step = FailoverStep(
            state: .waiting, reason: "refused", lastErrorType: "no_backup", lastRequestID: "request-2")
        try await bench.ledger.recordFailedPull(
            pullID, isKnownToHaveFailed: true, step: step, of: failover, now: bench.start)
        #expect(try await bench.ledger.failover(accessCodeID: "guest")?.mayHavePulled == false)
        let pull = try query(bench.path, "SELECT * FROM pulls")[0]
        #expect(pull["error_type"] == "no_backup")
        #expect(pull["request_id"] == "request-2")
        #expect(pull["finished_at"] == bench.start.description)
    }

    @Test func aBackupWithoutItsPINIsRememberedAsPulled() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let pullID = try #require(
            try await bench.ledger.intendPull(of: failover, reading: bench.reading(), journal: [], now: bench.start))
        try await bench.ledger.recordPendingBackup(
            pullID: pullID, backupID: "backup", requestID: "request-3",
            step: FailoverStep(state: .waiting, reason: "code_pending", nextAttemptAt: bench.start + .seconds(1)),
            of: failover, now: bench.start)
        let after = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        #expect(after.mayHavePulled)
        #expect(after.reason == "code_pending")
        #expect(try query(bench.path, "SELECT * FROM substitutions").isEmpty)
        #expect(try text(bench.path, "SELECT backup_access_code_id FROM pulls") == "backup")
    }

    @Test func theDeviceIsKeptAsLastRead() async throws {
        let bench = try LedgerBench()
        try await bench.ledger.keep(Device(id: "lock", name: "Front"), now: bench.start)
        let device = Device(
            id: "lock", name: "Front door", timeZone: "Europe/Vienna", supportsBackupPool: true,
            isBackupPoolEnabled: false, isOnline: true, errorCodes: ["device_offline"],
            customMetadata: ["room": "12", "b": "\"quoted\""])
        try await bench.ledger.keep(device, now: bench.start + .seconds(1))
        let row = try query(bench.path, "SELECT * FROM devices")[0]
        #expect(row["name"] == "Front door")
        #expect(row["custom_metadata"] == #"{"b":"\"quoted\"","room":"12"}"#)
        #expect(row["error_codes"] == #"["device_offline"]"#)
        try await bench.substitute()
        let due = try await bench.ledger.dueDeliveries(channel: .manual, now: bench.start, limit: 1)
        #expect(due.first?.guest?.device.name == "Front door")
        #expect(due.first?.guest?.device.timeZone == "Europe/Vienna")
        #expect(due.first?.guest?.device.customMetadata == device.customMetadata)
    }
}
