import GRDB
import JSON
import Policy
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct SubstitutionTests {
    /// The process ended before the answer came; the next look finds the backup.
    @Test func aPullThatWasCutShortIsFinishedByWhatItGave() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let reading = AccessCode(id: "guest", deviceID: "lock")
        _ = try await bench.ledger.intendPull(of: failover, reading: reading, journal: [], now: bench.start)
        _ = try await bench.ledger.recordSubstitution(bench.substitution(of: failover), now: bench.start)
        #expect(
            try text(
                bench.path,
                "SELECT outcome || ' ' || backup_access_code_id || ' ' || (finished_at IS NOT NULL) FROM pulls")
                == "pulled backup 1")
    }

    @Test func recordedWithItsDeliveriesAndTheEndOfTheFailover() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let pullID = try #require(
            try await bench.ledger.intendPull(of: failover, reading: bench.reading(), journal: [], now: bench.start))
        let dueAt = bench.start + .seconds(600)
        let outcome = try await bench.ledger.recordSubstitution(
            bench.substitution(of: failover, pullID: pullID, channels: [.webhook, .command], dueAt: dueAt),
            now: bench.start)
        guard case .recorded(let substitutionID) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        let row = try query(bench.path, "SELECT * FROM substitution_log")[0]
        #expect(row["substitution_id"] == substitutionID)
        #expect(row["original_access_code_id"] == "guest")
        #expect(row["original_name"] == "Ada")
        #expect(row["backup_access_code_id"] == "backup")
        #expect(row["backup_code"] == "739146")
        #expect(row["substitution_state"] == "active")
        #expect(row["failure_event_id"] == "event-guest")
        #expect(row["delivery_state"] == "pending")
        let after = try query(bench.path, "SELECT * FROM failover_log")[0]
        #expect(after["state"] == "substituted")
        #expect(after["reason"] == "pulled")
        #expect(after["closed_at"] == bench.start.description)
        #expect(after["substitution_id"] == substitutionID)
        let deliveries = try query(bench.path, "SELECT * FROM deliveries ORDER BY channel")
        #expect(deliveries.map { $0["channel"] } == ["command", "webhook"])
        #expect(deliveries.allSatisfy { $0["next_attempt_at"] == dueAt.description && $0["kind"] == "created" })
        #expect(try text(bench.path, "SELECT outcome FROM pulls") == "pulled")
        #expect(
            try bench.journalKinds() == ["failover.opened", "pull.intended", "decision", "substitution.recorded"])
    }

    @Test func oneOriginalHasOneSubstitution() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        let failover = try #require(try await bench.ledger.failover(accessCodeID: "guest"))
        let before = try query(bench.path, "SELECT * FROM substitutions").map(\.description)
        for backup in [bench.backup(), bench.backup("another", pin: "1111")] {
            let outcome = try await bench.ledger.recordSubstitution(
                bench.substitution(of: failover, by: backup), now: bench.start)
            #expect(outcome == .alreadyRecorded)
        }
        #expect(try query(bench.path, "SELECT * FROM substitutions").map(\.description) == before)
        #expect(try query(bench.path, "SELECT * FROM deliveries").count == 1)
    }

    @Test func oneBackupIsNeverGivenToTwoGuests() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("guest", by: "backup")
        let second = try await bench.fail("other")
        let pullID = try await bench.ledger.intendPull(
            of: second, reading: bench.reading("other"), journal: [], now: bench.start)
        let call = JournalEntry("api.call", accessCodeID: "other")
        let outcome = try await bench.ledger.recordSubstitution(
            bench.substitution(of: second, pullID: pullID, journal: [call]), now: bench.start)
        #expect(outcome == .backupBelongsToAnother)
        #expect(try query(bench.path, "SELECT * FROM substitutions").count == 1)
        #expect(try query(bench.path, "SELECT * FROM deliveries").count == 1)
        // The failover is still open: this guest has no PIN yet.
        #expect(try await bench.state("other") == .pending)
        #expect(
            try bench.journalKinds("other")
                == ["failover.opened", "pull.intended", "api.call", "substitution.not_recorded"])
    }

    @Test func aCancelledFailoverGetsNoSubstitution() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let pullID = try await bench.ledger.intendPull(
            of: failover, reading: bench.reading(), journal: [], now: bench.start)
        try await bench.ledger.record(
            FailoverStep(state: .cancelled, reason: "operator"), of: failover, now: bench.start)
        let outcome = try await bench.ledger.recordSubstitution(
            bench.substitution(of: failover, pullID: pullID), now: bench.start)
        #expect(outcome == .closedMeanwhile)
        #expect(try query(bench.path, "SELECT * FROM substitutions").isEmpty)
        #expect(try query(bench.path, "SELECT * FROM deliveries").isEmpty)
        #expect(try await bench.state() == .cancelled)
        // That a backup was taken from the pool is not lost.
        #expect(try text(bench.path, "SELECT backup_access_code_id FROM pulls") == "backup")
        #expect(try bench.journalKinds().last == "substitution.not_recorded")
    }

    @Test func anEventDuringThePullDoesNotUndoTheSubstitution() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        _ = try await bench.receive(bench.facts("event-2"), .touchesAccessCode)
        let outcome = try await bench.ledger.recordSubstitution(
            bench.substitution(of: failover), now: bench.start)
        guard case .recorded = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(try await bench.state() == .substituted)
    }

    /// The database itself holds the rule, whatever the code above it does.
    @Test(arguments: ["original_access_code_id", "backup_access_code_id", "failover_id"])
    func theTableRefusesASecondRow(column: String) async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        _ = try await bench.fail("other")
        let values = [
            "original_access_code_id": "'other'", "backup_access_code_id": "'b2'",
            "failover_id": "(SELECT failover_id FROM failovers WHERE access_code_id = 'other')",
        ].merging([column: column]) { _, same in same }
        let error = #expect(throws: DatabaseError.self) {
            try change(
                bench.path,
                """
                INSERT INTO substitutions (substitution_id, failover_id, original_access_code_id, device_id,
                    backup_access_code_id, recorded_at, updated_at)
                SELECT 'sub_2', \(values["failover_id"]!), \(values["original_access_code_id"]!), device_id,
                    \(values["backup_access_code_id"]!), recorded_at, updated_at FROM substitutions
                """)
        }
        #expect(error?.message == "UNIQUE constraint failed: substitutions.\(column)")
    }

    /// Step n of the transaction fails, for every n: nothing of it stays.
    @Test(arguments: ["pulls", "substitutions", "deliveries", "failovers", "journal"])
    func aSubstitutionIsRecordedWholeOrNotAtAll(table: String) async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        let pullID = try await bench.ledger.intendPull(
            of: failover, reading: bench.reading(), journal: [], now: bench.start)
        let before = try contents(of: bench.path)
        for event in ["INSERT", "UPDATE"] {
            try change(
                bench.path,
                """
                CREATE TRIGGER refusal_\(event) BEFORE \(event) ON \(table) BEGIN SELECT raise(ABORT, 'refused'); END
                """)
        }
        await #expect(throws: LedgerError.self) {
            try await bench.ledger.recordSubstitution(
                bench.substitution(of: failover, pullID: pullID), now: bench.start)
        }
        #expect(try contents(of: bench.path) == before)
    }

    @Test func aSubstitutionEndsWithItsBackup() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("guest", by: "backup")
        let end = bench.start + .seconds(90_000)
        // The look at the end ends it; where Seam does not answer, that is over after a day.
        let late = end + .seconds(86_400)
        try change(bench.path, "UPDATE substitutions SET look_attempts = 9")
        #expect(try await bench.ledger.nextSubstitutionEnd(now: end) == nil)
        #expect(try await bench.ledger.endSubstitutions(channels: [], now: late) == 0)
        try change(bench.path, "UPDATE substitutions SET look_attempts = 10")
        #expect(try await bench.ledger.nextSubstitutionEnd(now: end) == late)
        #expect(try await bench.ledger.endSubstitutions(channels: [], now: late - .milliseconds(1)) == 0)
        #expect(try await bench.ledger.endSubstitutions(channels: [], now: late) == 1)
        #expect(try await bench.ledger.endSubstitutions(channels: [], now: late) == 0)
        #expect(try await bench.ledger.nextSubstitutionEnd(now: late) == nil)
        let row = try query(bench.path, "SELECT * FROM substitutions")[0]
        #expect(row["state"] == "ended")
        #expect(row["updated_at"] == late.description)
        #expect(try bench.journalKinds().last == "substitution.ended")
    }

    @Test func aStayThatIsKnownToGoOnIsNotEnded() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("guest", by: "backup")
        let extended = bench.start + .seconds(200_000)
        try change(
            bench.path,
            "UPDATE failovers SET original_ends_at = '\(extended)'; UPDATE substitutions SET next_look_at = NULL")
        #expect(try await bench.ledger.nextSubstitutionEnd(now: extended - .seconds(1)) == nil)
        #expect(try await bench.ledger.endSubstitutions(channels: [], now: extended - .milliseconds(1)) == 0)
        #expect(try await bench.ledger.endSubstitutions(channels: [], now: extended) == 1)
    }

    @Test func aStayThatHasNoEndAnyMoreIsNotEnded() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("guest", by: "backup")
        let late = bench.start + .seconds(400_000)
        try change(
            bench.path,
            "UPDATE failovers SET original_ends_at = NULL; UPDATE substitutions SET look_attempts = 100")
        #expect(try await bench.ledger.nextSubstitutionEnd(now: late) == nil)
        #expect(try await bench.ledger.endSubstitutions(channels: [], now: late) == 0)
    }

    @Test func alertsOfAStayEndWithIt() async throws {
        let bench = try LedgerBench()
        let id = try await bench.substitute("guest", by: "backup")
        let end = bench.start + .seconds(90_000 + 86_400)
        try change(bench.path, "UPDATE substitutions SET next_look_at = NULL")
        for (kind, subject) in [
            (Alert.Kind.notDelivered, id), (.notExtended, id), (.notRemoved, "backup"), (.poolEmpty, "lock"),
        ] {
            try await bench.ledger.open(
                Alert(kind, subject: subject, text: "-"), channels: [.webhook], now: bench.start)
        }
        func open() throws -> [String] {
            try query(bench.path, "SELECT kind FROM alerts WHERE closed_at IS NULL ORDER BY kind").map { $0["kind"] }
        }
        _ = try await bench.ledger.endSubstitutions(channels: [.webhook], now: end - .milliseconds(1))
        #expect(try open().count == 4)
        _ = try await bench.ledger.endSubstitutions(channels: [.webhook], now: end)
        #expect(try open() == ["pool_empty"])
        // One that is opened by what was under way at the end is closed as well.
        try await bench.ledger.open(Alert(.backupFailed, subject: "backup", text: "-"), channels: [], now: end)
        _ = try await bench.ledger.endSubstitutions(channels: [.webhook], now: end)
        #expect(try open() == ["pool_empty"])
        // Whoever was told of it is told that it is over, but not that a guest who has gone need not be told by hand.
        let told = try query(
            bench.path,
            "SELECT a.kind FROM deliveries d JOIN alerts a USING (alert_id) WHERE d.created_at = '\(end)' ORDER BY a.kind"
        )
        #expect(told.map { $0["kind"] as String } == ["backup_failed", "not_extended", "not_removed"])
    }
}
