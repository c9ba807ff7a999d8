import Failover
import Ledger
import Policy
import Sandbox
import Testing
import Time

/// Codes that fail once more when their backup code's time is over: each is replaced only once, so a person has to help.
@Suite(.timeLimit(.minutes(5))) struct SecondFailureTests {
    /// A bench with one code that was replaced, whose stay is over, and which a later stay is given.
    private func codeOfTwoStays() async throws -> (Bench, code: String) {
        let bench = try Bench(FailoverSettings(channels: [.manual]))
        let code = bench.failedCode(on: bench.device())
        try await bench.pass()
        try await bench.sweep()
        bench.model.recoverCode(code)
        // The simulated Seam deletes a code at its end, so that end is only written here.
        try bench.change("UPDATE substitutions SET state = 'ended', next_look_at = NULL")
        bench.clock.advance(by: .seconds(3600))
        bench.model.updateCode(
            code, startsAt: bench.now + .seconds(3600), endsAt: bench.now + .seconds(2 * 86_400))
        try await bench.pass()
        try await bench.sweep()
        #expect(try bench.openAlerts() == [])
        return (bench, code)
    }

    /// Fails the code, and has the lock swept because of the event.
    private func fail(_ code: String, on bench: Bench) async throws {
        bench.clock.advance(by: .seconds(60))
        bench.model.failCode(code)
        try await bench.pass()
        while try await bench.stateSweep.sweepNextDevice() != nil {}
    }

    @Test func aPersonIsToldOfACodeThatFailsForALaterStay() async throws {
        let (bench, code) = try await codeOfTwoStays()
        try await fail(code, on: bench)
        let alerts = try bench.rows("SELECT kind, subject, access_code_id, text FROM alerts WHERE closed_at IS NULL")
        #expect(alerts.map { $0["kind"] } == ["failed_again"])
        #expect(alerts.first?["subject"] == code)
        #expect(alerts.first?["access_code_id"] == code)
        #expect(alerts.first?["text"]?.contains("from 2026-11-20T14:00:00.000Z to 2026-11-22T13:00:00.000Z") == true)
        #expect(try bench.value("SELECT count(*) FROM deliveries WHERE kind = 'alert' AND state = 'pending'") == "1")
        let guests = try await bench.ledger.overview(now: bench.now).guests
        #expect(guests.map(\.trouble) == [.failedAgain])
        #expect(guests.map(\.accessCodeID) == [code])
        // The first stay's row stays what it was.
        #expect(try bench.outcome(code) == "substituted·pulled")
        #expect(try bench.value("SELECT original_ends_at FROM failovers") == "2026-11-21T12:00:00.000Z")
    }

    @Test func aFailureWithoutAnEventIsFoundToo() async throws {
        let (bench, code) = try await codeOfTwoStays()
        bench.model.failCode(code)
        bench.clock.advance(by: .seconds(901))
        for _ in 1...2 {
            try await bench.sweep()
            #expect(try bench.openAlerts() == ["failed_again"])
            bench.clock.advance(by: .seconds(901))
        }
        #expect(try bench.value("SELECT count(*) FROM alerts") == "1")
    }

    enum Ending: CaseIterable { case recovered, deleted, over }

    @Test(arguments: Ending.allCases) func itIsNoConcernAnyMore(_ ending: Ending) async throws {
        let (bench, code) = try await codeOfTwoStays()
        try await fail(code, on: bench)
        #expect(try bench.openAlerts() == ["failed_again"])
        bench.clock.advance(by: .seconds(60))
        switch ending {
        case .recovered: bench.model.recoverCode(code)
        case .deleted: bench.model.deleteCode(code)
        case .over:
            bench.clock.advance(by: .seconds(2 * 86_400))
            try await bench.sweep()
        }
        try await bench.pass()
        while try await bench.stateSweep.sweepNextDevice() != nil {}
        #expect(try bench.openAlerts() == [])
        #expect(try await bench.ledger.overview(now: bench.now).guests.isEmpty)
        #expect(try bench.value("SELECT count(*) FROM journal WHERE kind = 'original.recovered'") == "0")
    }

    @Test func aLockThatIsNoMoreIsNoConcern() async throws {
        let (bench, code) = try await codeOfTwoStays()
        try await fail(code, on: bench)
        #expect(try bench.openAlerts() == ["failed_again"])
        let lock = try bench.value("SELECT device_id FROM substitutions")
        _ = try await bench.ledger.forgetDevice(lock, closing: [], channels: [], now: bench.now)
        #expect(try bench.openAlerts() == [])
    }

    @Test func theOperatorsWordHoldsUntilTheCodeFailsAnew() async throws {
        let (bench, code) = try await codeOfTwoStays()
        try await fail(code, on: bench)
        var query = FailoverLogQuery()
        query.ids = [code]
        bench.clock.advance(by: .seconds(60))
        for action in [FailoverChange.Action.silenced, .none] {
            let changes = try await bench.ledger.carryOut(
                .cancel, query, channels: [], isTrial: false, now: bench.now)
            #expect(changes.map(\.action) == [action])
            #expect(try bench.openAlerts() == [])
            bench.clock.advance(by: .seconds(901))
            try await bench.sweep()
            #expect(try bench.openAlerts() == [])
        }
        bench.model.recoverCode(code)
        try await fail(code, on: bench)
        #expect(try bench.openAlerts() == ["failed_again"])
    }

    /// The first code came back, so nobody minded that its backup went; then it failed again.
    @Test func aGuestWhoLosesOneCodeAfterTheOtherIsAConcern() async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        try await bench.pass()
        try await bench.sweep()
        bench.model.recoverCode(code)
        try await bench.pass()
        bench.model.deleteCode(try bench.value("SELECT backup_access_code_id FROM substitutions"))
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
        #expect(try bench.openAlerts() == [])
        try await fail(code, on: bench)
        #expect(try bench.openAlerts() == ["failed_again"])
        #expect(try await bench.ledger.overview(now: bench.now).guests.map(\.trouble) == [.failedAgain])
    }

    @Test func aGuestIsNoConcernTwice() async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        try await bench.pass()
        try await bench.sweep()
        // As long as the backup is there, its own state says how the guest is.
        try await fail(code, on: bench)
        #expect(try bench.openAlerts() == [])
        bench.model.deleteCode(try bench.value("SELECT backup_access_code_id FROM substitutions"))
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        try await fail(code, on: bench)
        #expect(try bench.openAlerts() == ["backup_failed"])
        // Whoever looks after the guest needs no second word about the same failure.
        var query = FailoverLogQuery()
        query.ids = [code]
        _ = try await bench.ledger.carryOut(.cancel, query, channels: [], isTrial: false, now: bench.now)
        bench.clock.advance(by: .seconds(901))
        try await bench.sweep()
        #expect(try bench.openAlerts() == [])
    }

    @Test func aStayThatIsExtendedAfterItsBackupWentIsAConcernToItsNewEnd() async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        try await bench.pass()
        try await bench.sweep()
        bench.model.deleteCode(try bench.value("SELECT backup_access_code_id FROM substitutions"))
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.openAlerts() == ["backup_failed"])
        bench.model.updateCode(code, endsAt: bench.now + .seconds(3 * 86_400))
        for alerts in [["backup_failed"], ["backup_failed"], []] {
            bench.clock.advance(by: .seconds(86_400 + 901))
            try await bench.sweep()
            _ = try await bench.ledger.endSubstitutions(channels: [], now: bench.now)
            #expect(try bench.openAlerts() == alerts)
        }
    }
}
