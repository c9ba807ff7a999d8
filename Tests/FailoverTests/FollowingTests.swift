import Failover
import Foundation
import Ledger
import Policy
import Sandbox
import Testing
import Time

@Suite(.timeLimit(.minutes(5))) struct FollowingTests {
    /// A bench with one stay that has its backup.
    private func stay(_ settings: FailoverSettings = FailoverSettings()) async throws -> (
        Bench, code: String, backup: String
    ) {
        let bench = try Bench(settings)
        let code = bench.failedCode(on: bench.device())
        try await bench.pass()
        let backup = try bench.value("SELECT backup_access_code_id FROM substitutions")
        return (bench, code, backup)
    }

    private func kinds(_ bench: Bench) throws -> [String] {
        try bench.rows("SELECT kind FROM deliveries ORDER BY rowid").compactMap { $0["kind"] }
    }

    @Test(arguments: [2 * 86_400, 7200])
    func theBackupsEndFollowsTheStays(seconds: Int) async throws {
        let (bench, code, backup) = try await stay()
        let end = bench.now + .seconds(seconds)
        bench.model.updateCode(code, endsAt: end)
        bench.clock.advance(by: .seconds(5))
        try await bench.pass()
        #expect(bench.model.code(backup)?.endsAt == end)
        #expect(try bench.value("SELECT backup_ends_at FROM substitutions") == "\(end)")
        #expect(try bench.value("SELECT original_ends_at FROM failovers") == "\(end)")
        #expect(try kinds(bench) == ["created", "updated"])
    }

    @Test func anExtensionWithoutAnEventIsFoundByTheSweep() async throws {
        let (bench, code, backup) = try await stay()
        let end = bench.now + .seconds(3 * 86_400)
        bench.model.updateCode(code, endsAt: end)
        bench.clock.advance(by: .seconds(1000))
        try await bench.sweep()
        try await bench.work()
        #expect(bench.model.code(backup)?.endsAt == end)
    }

    @Test func anExtensionThatNobodyToldOfIsFoundBeforeTheOldEnd() async throws {
        let (bench, code, backup) = try await stay()
        let end = bench.now + .seconds(3 * 86_400)
        bench.model.updateCode(code, endsAt: end)
        bench.clock.advance(by: .seconds(86_400 - 500))
        try await bench.work()
        #expect(bench.model.code(backup)?.endsAt == end)
    }

    /// Lengthens the stay to `end`, which Seam refuses until a person is asked.
    private func moveInVain(_ bench: Bench, _ code: String, to end: Timestamp) async throws {
        bench.model.updateCode(code, endsAt: end)
        bench.model.addFault(
            SandboxFault(
                .error(status: 400, type: "cannot_update", retryAfter: nil), route: "/access_codes/update", count: nil))
        try await bench.pass()
        for _ in 0..<10 {
            bench.clock.advance(by: .seconds(300))
            try await bench.work()
        }
        #expect(try bench.openAlerts() == ["not_extended"])
    }

    @Test func aMoveThatFailsIsAlertedBeforeTheOldEnd() async throws {
        let (bench, code, backup) = try await stay()
        let end = bench.now + .seconds(2 * 86_400)
        try await moveInVain(bench, code, to: end)
        bench.model.clearFaults()
        bench.clock.advance(by: .seconds(300))
        try await bench.work()
        #expect(bench.model.code(backup)?.endsAt == end)
        #expect(try bench.openAlerts() == [])
    }

    @Test(arguments: [false, true]) func aStayThatIsAsItsBackupAfterAllEndsTheAlert(hasRecovered: Bool) async throws {
        let (bench, code, _) = try await stay()
        let end = try require(bench.model.code(code)?.endsAt)
        try await moveInVain(bench, code, to: end + .seconds(86_400))
        // The booking is as it was, and nothing has to be moved any more.
        bench.model.updateCode(code, endsAt: end)
        if hasRecovered { bench.model.recoverCode(code) }
        bench.clock.advance(by: .seconds(300))
        try await bench.pass()
        #expect(try bench.openAlerts() == [])
    }

    @Test func aCancelledBookingEndsItsBackup() async throws {
        let (bench, code, backup) = try await stay()
        #expect(try await bench.ledger.claimManualDelivery(now: bench.now, lease: .seconds(60)) != nil)
        bench.model.deleteCode(code)
        try await bench.pass()
        #expect(try bench.value("SELECT state FROM substitutions") == "active")
        bench.clock.advance(by: .seconds(90))
        try await bench.pass()
        #expect(bench.model.code(backup) == nil)
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
        #expect(
            try bench.rows("SELECT kind, state FROM deliveries ORDER BY rowid") == [
                ["kind": "created", "state": "failed"], ["kind": "revoked", "state": "pending"],
            ])
        #expect(try bench.openAlerts() == [])
    }

    private func cancel(_ bench: Bench) async throws {
        let changes = try await bench.ledger.carryOut(
            .cancel, FailoverLogQuery(), channels: [], isTrial: false, now: bench.now)
        #expect(changes.map(\.action) == [.silenced])
    }

    /// Cancels the booking and has the backup's removal seen.
    private func cancelBooking(_ bench: Bench, _ code: String) async throws {
        bench.model.deleteCode(code)
        try await bench.pass()
        bench.clock.advance(by: .seconds(90))
        try await bench.pass()
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
    }

    @Test(arguments: [false, true])
    func whoWasNeverSentACodeIsNotToldThatItIsGone(isCancelled: Bool) async throws {
        let (bench, code, _) = try await stay()
        if isCancelled { try await cancel(bench) }
        try await cancelBooking(bench, code)
        #expect(try kinds(bench) == ["created"])
    }

    /// Held back when the operator stopped it, and its time has come and passed since.
    @Test func whatWasStoppedBeforeItsTimeIsNotTakenBack() async throws {
        let day = Duration.seconds(86_400)
        let bench = try Bench(FailoverSettings(channels: [.webhook], deliverNotBefore: day))
        let code = bench.failedCode(on: bench.device(), startsIn: day * 9, endsIn: day * 12)
        try await bench.pass()
        try await cancel(bench)
        bench.clock.advance(by: day * 9)
        try await cancelBooking(bench, code)
        #expect(try kinds(bench) == ["created"])
    }

    @Test func aPushThatMayBeUnderWayIsTakenBack() async throws {
        let (bench, code, _) = try await stay(FailoverSettings(channels: [.webhook]))
        try await cancel(bench)
        try await cancelBooking(bench, code)
        #expect(try kinds(bench) == ["created", "revoked"])
    }

    @Test func aRemovalThatFailsIsEscalatedAndConfirmedLater() async throws {
        let (bench, code, backup) = try await stay()
        bench.model.breakRemoval(of: backup)
        bench.model.deleteCode(code)
        for _ in 0..<5 {
            try await bench.pass()
            bench.clock.advance(by: .seconds(700))
        }
        try await bench.pass()
        #expect(try bench.openAlerts() == ["not_removed"])
        // It is news once.
        #expect(try bench.value("SELECT count(*) FROM journal WHERE kind = 'substitution.removal_failed'") == "1")
        #expect(try bench.value("SELECT state FROM substitutions") == "active")
    }

    @Test func aCancelledBookingMayKeepItsBackup() async throws {
        let (bench, code, backup) = try await stay(FailoverSettings(onCancel: .keep))
        bench.model.deleteCode(code)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(bench.model.code(backup) != nil)
        #expect(try bench.value("SELECT state FROM substitutions") == "active")
    }

    @Test(arguments: [false, true]) func aRecoveryIsRecordedAndToldOnlyWhereWanted(tellBoth: Bool) async throws {
        let (bench, code, _) = try await stay(FailoverSettings(onRecovery: tellBoth ? .tellBoth : .keepBackup))
        bench.model.recoverCode(code)
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        try await bench.pass()
        #expect(try !bench.value("SELECT recovered_at FROM substitutions").isEmpty)
        #expect(try kinds(bench) == (tellBoth ? ["created", "recovered"] : ["created"]))
        #expect(try bench.value("SELECT count(*) FROM journal WHERE kind = 'original.recovered'") == "1")
    }

    @Test func aBackupThatSomebodyRemovesIsAnAlert() async throws {
        let (bench, _, backup) = try await stay()
        bench.model.deleteCode(backup)
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
        #expect(try bench.openAlerts() == ["backup_failed"])
    }

    /// The guest has the first code, and nobody has to look for another way in.
    @Test func aBackupThatIsRemovedOnceTheFirstCodeWorksIsNoAlert() async throws {
        let (bench, code, backup) = try await stay()
        bench.model.recoverCode(code)
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        bench.model.deleteCode(backup)
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        try await expectRevoked(bench)
    }

    @Test func aRemovalWhoseAnswerIsLostIsNoAlert() async throws {
        let (bench, code, backup) = try await stay()
        bench.model.deleteCode(code)
        bench.model.addFault(SandboxFault(.resetAfterCommit, route: "/access_codes/delete", count: nil))
        try await bench.pass()
        #expect(try bench.value("SELECT removal_requested_at FROM substitutions") == "")
        bench.clock.advance(by: .seconds(90))
        try await bench.pass()
        #expect(bench.model.code(backup) == nil)
        try await expectRevoked(bench)
    }

    @Test func aBookingThatIsGoneWithItsBackupIsNoAlert() async throws {
        let (bench, code, backup) = try await stay()
        bench.model.deleteCode(code)
        bench.model.deleteCode(backup)
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        try await expectRevoked(bench)
    }

    private func expectRevoked(_ bench: Bench) async throws {
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
        #expect(try bench.openAlerts() == [])
        #expect(try await bench.ledger.overview(now: bench.now).guests.isEmpty)
    }

    @Test func aBackupThatFailsAndIsThenRemovedIsOneAlert() async throws {
        let (bench, _, backup) = try await stay()
        bench.model.failCode(backup)
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        #expect(try bench.openAlerts() == ["backup_failed"])
        bench.model.deleteCode(backup)
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
        #expect(try bench.openAlerts() == ["backup_failed"])
        #expect(try bench.value("SELECT count(*) FROM alerts") == "1")
        #expect(try bench.value("SELECT count(*) FROM journal WHERE kind = 'substitution.revoked'") == "1")
    }

    @Test func theStaysEndEndsIt() async throws {
        let (bench, _, _) = try await stay()
        bench.clock.advance(by: .seconds(86_401))
        try await bench.work()
        #expect(try bench.value("SELECT state FROM substitutions") == "ended")
    }

    @Test func anExtensionOfTheLastMomentIsFoundAtTheOldEnd() async throws {
        let (bench, code, backup) = try await stay()
        bench.clock.advance(by: .seconds(86_400 - 300))
        try await bench.work()
        let end = bench.now + .seconds(86_400)
        bench.model.updateCode(code, endsAt: end)
        bench.clock.advance(by: .seconds(300))
        try await bench.work()
        #expect(bench.model.code(backup)?.endsAt == end)
        #expect(try bench.value("SELECT state FROM substitutions") == "active")
    }

    @Test func aStayThatHasNoEndAnyMoreWantsAPersonBeforeItsBackupRunsOut() async throws {
        let (bench, code, _) = try await stay()
        bench.model.updateCode(code, becomesOngoing: true)
        bench.clock.advance(by: .seconds(5))
        try await bench.pass()
        #expect(try bench.openAlerts() == ["not_extended"])
        // The backup runs out, and Seam takes it away a little later.
        bench.clock.advance(by: .seconds(86_395))
        for (state, alert) in [("active", "not_extended"), ("revoked", "backup_failed")] {
            try await bench.work()
            _ = try await bench.ledger.endSubstitutions(channels: [], now: bench.now)
            #expect(try bench.value("SELECT state FROM substitutions") == state)
            #expect(try bench.openAlerts() == [alert])
            #expect(try await bench.ledger.overview(now: bench.now).guests.map(\.trouble) == [.backupGone])
            bench.clock.advance(by: .seconds(700))
        }
    }

    @Test func aStayWithoutAnEndWhoseFirstCodeIsSetEndsWithItsBackup() async throws {
        let (bench, code, _) = try await stay()
        bench.model.updateCode(code, becomesOngoing: true)
        bench.clock.advance(by: .seconds(5))
        try await bench.pass()
        bench.model.recoverCode(code)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.openAlerts() == [])
        bench.clock.advance(by: .seconds(86_400))
        try await bench.work()
        #expect(try bench.value("SELECT state FROM substitutions") == "ended")
    }

    @Test func whileSeamIsAwayAStayEndsWithoutAnAlert() async throws {
        let (bench, _, _) = try await stay()
        bench.clock.advance(by: .seconds(86_400 - 300))
        try await bench.work()
        bench.model.addFault(
            SandboxFault(.error(status: 503, type: "unavailable", retryAfter: nil), route: nil, count: nil))
        bench.clock.advance(by: .seconds(300))
        for _ in 0..<25 {
            #expect(try bench.value("SELECT state FROM substitutions") == "active")
            try await bench.work()
            _ = try await bench.ledger.endSubstitutions(channels: [], now: bench.now)
            bench.clock.advance(by: .seconds(3600))
        }
        #expect(try bench.value("SELECT state FROM substitutions") == "ended")
        #expect(try bench.value("SELECT count(*) FROM alerts") == "0")
    }

    /// The daemon knew nothing of it until the backup was gone.
    @Test func aStayExtendedWhileSeamIsAwayOverItsEndWantsAPerson() async throws {
        let (bench, original, _) = try await stay()
        bench.clock.advance(by: .seconds(86_400 - 300))
        bench.model.updateCode(original, endsAt: bench.now + .seconds(3 * 86_400))
        let outage = SandboxFault(.error(status: 503, type: "unavailable", retryAfter: nil), route: nil, count: nil)
        bench.model.addFault(outage)
        for _ in 0..<3 {
            bench.clock.advance(by: .seconds(3600))
            try await bench.work()
            _ = try await bench.ledger.endSubstitutions(channels: [], now: bench.now)
        }
        bench.model.clearFaults()
        bench.clock.advance(by: .seconds(3600))
        try await bench.work()
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
        #expect(
            try bench.value("SELECT kind FROM alerts WHERE closed_at IS NULL AND kind <> 'not_extended'")
                == "backup_failed")
    }

    @Test func aStayThatMovesIsToldInTimeForItsNewStart() async throws {
        let bench = try Bench(FailoverSettings(channels: [.webhook], deliverNotBefore: .seconds(86_400)))
        let day = Duration.seconds(86_400)
        let code = bench.failedCode(on: bench.device(), startsIn: day * 9, endsIn: day * 12)
        try await bench.pass()
        let first = bench.now + day * 8
        #expect(try bench.value("SELECT next_attempt_at FROM deliveries") == "\(first)")
        let start = bench.now + day * 2
        bench.model.updateCode(code, startsAt: start)
        bench.clock.advance(by: .seconds(5))
        try await bench.pass()
        let row = try bench.rows("SELECT next_attempt_at, due_at, arrives_at FROM deliveries")
        #expect(row == [["next_attempt_at": "\(start - day)", "due_at": "\(start - day)", "arrives_at": "\(start)"]])
    }
}
