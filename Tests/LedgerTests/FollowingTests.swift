import GRDB
import JSON
import Policy
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct FollowingTests {
    private let bench: LedgerBench
    private let stay: FollowedSubstitution

    init() async throws {
        bench = try LedgerBench()
        try await bench.substitute()
        let due = try await bench.ledger.dueSubstitutions(now: bench.start + .seconds(60), limit: 9)
        stay = try #require(due.first)
    }

    private func substitution() throws -> Row {
        try query(bench.path, "SELECT * FROM substitutions")[0]
    }

    @Test func aStayIsLookedAtWhenItIsDue() async throws {
        #expect(stay.originalAccessCodeID == "guest")
        #expect(stay.pin?.digits == "739146")
        #expect(!stay.hasRecovered && stay.removalRequestedAt == nil)
        #expect(try await bench.ledger.nextSubstitutionLook() == bench.start + .seconds(60))
        #expect(try await bench.ledger.dueSubstitutions(now: bench.start + .milliseconds(59_999), limit: 9).isEmpty)
    }

    @Test func aMovedEndIsRecordedAndTold() async throws {
        let end = bench.start + .seconds(180_000)
        var original = bench.reading()
        original.endsAt = end
        let now = bench.start + .seconds(60)
        try await bench.ledger.record(
            FollowStep(
                .updated(bench.backup(endsAt: end), isNews: true), original: original, nextLookAt: end,
                tells: .updated, channels: [.webhook], journal: [JournalEntry("api.call", accessCodeID: "guest")]),
            of: stay, now: now)
        let row = try query(bench.path, "SELECT * FROM substitution_log")[0]
        #expect(row["backup_ends_at"] == end.description)
        #expect(row["original_ends_at"] == end.description)
        #expect(row["backup_code"] == "739146")
        #expect(row["substitution_state"] == "active")
        #expect(try query(bench.path, "SELECT * FROM deliveries WHERE kind = 'updated'").count == 1)
        #expect(try bench.journalKinds().last == "api.call")
        #expect(try await bench.ledger.nextSubstitutionLook() == end)
    }

    @Test func aPINThatSeamDoesNotTellIsKept() async throws {
        var backup = bench.backup()
        backup.pin = nil
        try await bench.ledger.record(FollowStep(.updated(backup, isNews: false)), of: stay, now: bench.start)
        #expect(try substitution()["backup_code"] == "739146")
    }

    @Test func aRevokedBackupIsToldNoMore() async throws {
        _ = try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300))
        try await bench.ledger.record(
            FollowStep(.revoked, tells: .revoked, channels: [.manual]), of: stay, now: bench.start)
        #expect(try substitution()["state"] == "revoked")
        #expect(try await bench.ledger.nextSubstitutionLook() == nil)
        let due = try await bench.ledger.dueDeliveries(channel: .manual, now: bench.start, limit: 9)
        #expect(due.map(\.kind) == [.revoked])
        #expect(try text(bench.path, "SELECT last_error FROM deliveries WHERE kind = 'created'") == "cancelled")
        // A late look at what is over changes nothing.
        try await bench.ledger.record(FollowStep(.recovered, nextLookAt: bench.start), of: stay, now: bench.start)
        #expect(try substitution()["state"] == "revoked")
        #expect(try substitution()["recovered_at"] == DatabaseValue.null)
    }

    @Test func aRemovalIsRememberedWithItsFirstTime() async throws {
        for seconds in [60, 120] {
            try await bench.ledger.record(
                FollowStep(.removing, nextLookAt: bench.start), of: stay, now: bench.start + .seconds(seconds))
        }
        #expect(try substitution()["removal_requested_at"] == (bench.start + .seconds(60)).description)
        let due = try await bench.ledger.dueSubstitutions(now: bench.start, limit: 9).first
        #expect(due?.removalRequestedAt == bench.start + .seconds(60))
    }

    @Test func aLookDuringWhichAnEventCameIsRepeatedAtOnce() async throws {
        _ = try await bench.receive(bench.facts("event-2", code: "backup"), .touchesAccessCode)
        let now = bench.start + .seconds(60)
        try await bench.ledger.record(
            FollowStep(.unchanged, nextLookAt: now + .seconds(600)), of: stay, now: now)
        #expect(try await bench.ledger.nextSubstitutionLook() == now)
    }

    @Test func aStayOfWhichAnEventCameDuringTheLookIsNotEnded() async throws {
        _ = try await bench.receive(bench.facts("event-2", code: "backup"), .touchesAccessCode)
        var end = FollowStep(.ended, journal: [JournalEntry("api.call", accessCodeID: "guest")])
        end.news = JournalEntry("substitution.ended", accessCodeID: "guest")
        try await bench.ledger.record(end, of: stay, now: bench.start)
        #expect(try substitution()["state"] == "active")
        #expect(try bench.journalKinds().last == "api.call")
        let again = try #require(try await bench.ledger.dueSubstitutions(now: bench.start, limit: 1).first)
        try await bench.ledger.record(end, of: again, now: bench.start)
        #expect(try substitution()["state"] == "ended")
        #expect(try bench.journalKinds().last == "substitution.ended")
    }

    @Test func aTroubleIsNewsWhenItBegins() async throws {
        var step = FollowStep(.unchanged, nextLookAt: bench.start)
        step.alerts.opened = [Alert(.notRemoved, subject: "backup", text: "-")]
        step.news = JournalEntry("substitution.removal_failed", accessCodeID: "guest")
        for isNew in [true, false, false] {
            let made = try await bench.ledger.record(step, of: stay, now: bench.start)
            #expect(made.alerts.opened.isEmpty == !isNew)
            #expect((made.news == nil) == !isNew)
        }
        #expect(try bench.journalKinds().filter { $0 == "substitution.removal_failed" }.count == 1)
    }

    @Test func aLookThatFailedCountsForTheBackoff() async throws {
        try await bench.ledger.record(
            FollowStep(.unchanged, nextLookAt: bench.start, hasSucceeded: false), of: stay, now: bench.start)
        let again = try #require(try await bench.ledger.dueSubstitutions(now: bench.start, limit: 1).first)
        #expect(again.attempts == 1)
        try await bench.ledger.record(FollowStep(.unchanged, nextLookAt: bench.start), of: again, now: bench.start)
        #expect(try await bench.ledger.dueSubstitutions(now: bench.start, limit: 1).first?.attempts == 0)
    }

    /// By hand, and before its time.
    @Test func whoWasToldBeforeItsTimeHearsWhatChanges() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail()
        _ = try await bench.ledger.recordSubstitution(
            bench.substitution(of: failover, dueAt: bench.start + .seconds(86_400)), now: bench.start)
        let id = try #require(try text(bench.path, "SELECT delivery_id FROM deliveries"))
        #expect(try await bench.ledger.acknowledgeDelivery(id, now: bench.start))
        let due = try #require(
            try await bench.ledger.dueSubstitutions(now: bench.start + .seconds(60), limit: 1).first)
        let moved = bench.backup(endsAt: bench.start + .seconds(190_000))
        try await bench.ledger.record(
            FollowStep(.updated(moved, isNews: true), tells: .updated, channels: [.manual]), of: due,
            now: bench.start + .seconds(60))
        #expect(try text(bench.path, "SELECT group_concat(kind) FROM deliveries") == "created,updated")
    }
}

@Suite(.timeLimit(.minutes(5))) struct AlertTests {
    private let alert = Alert(.poolEmpty, subject: "lock", accessCodeID: "guest", deviceID: "lock", text: "Add codes.")

    @Test func anAlertIsOpenOnceAndClosedOnce() async throws {
        let bench = try LedgerBench()
        let ledger = bench.ledger
        #expect(try await ledger.open(alert, channels: [.webhook], now: bench.start))
        #expect(try await !ledger.open(alert, channels: [.webhook], now: bench.start))
        #expect(try await ledger.overview(now: bench.start).alerts == [.poolEmpty: 1])
        #expect(try await ledger.closeAlert(.poolEmpty, subject: "lock", channels: [.webhook], now: bench.start))
        #expect(try await !ledger.closeAlert(.poolEmpty, subject: "lock", channels: [.webhook], now: bench.start))
        #expect(try await ledger.overview(now: bench.start).alerts == [:])
        #expect(try await ledger.open(alert, channels: [], now: bench.start))
        let due = try await ledger.dueDeliveries(channel: .webhook, now: bench.start, limit: 9)
        #expect(due.count == 2)
        guard case .alert(let facts) = due.first?.subject else {
            Issue.record("no alert")
            return
        }
        #expect(facts.alert == alert)
        #expect(try bench.journalKinds() == ["alert.opened", "alert.closed", "alert.opened"])
    }

    @Test func theReaderKnowsAnAlertByItsIDAndItsDeliverys() async throws {
        let bench = try LedgerBench()
        _ = try await bench.ledger.open(alert, channels: [.manual], now: bench.start)
        let delivery = try #require(
            try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300)))
        let reader = try LogReader(path: bench.path)
        let alertID = try #require(try text(bench.path, "SELECT alert_id FROM alerts"))
        for id in [alertID, delivery.id, "guest"] {
            let timeline = try await reader.explain(id)?.timeline ?? []
            #expect(timeline.map(\.kind) == ["alert.opened", "delivery.claimed", "delivery.created"], "\(id)")
            #expect(timeline.first?.reason == "pool_empty")
        }
        let rows = try await reader.deliveries(state: nil, now: bench.start)
        #expect(rows.map { $0["alert"] } == [.text("pool_empty")])
        #expect(rows[0].fields.map(\.column) == LogReader.deliveryColumns)
        #expect(try await bench.ledger.acknowledgeDelivery(delivery.id, now: bench.start))
    }

    @Test func aWorkspacesAlertIsExplainedToo() async throws {
        let bench = try LedgerBench()
        _ = try await bench.ledger.open(
            Alert(.unauthorized, subject: "workspace", text: "Look at the key."), channels: [.webhook],
            now: bench.start)
        let alertID = try #require(try text(bench.path, "SELECT alert_id FROM alerts"))
        let explanation = try #require(try await LogReader(path: bench.path).explain(alertID))
        #expect(explanation.timeline.map(\.kind) == ["alert.opened", "delivery.created"])
    }
}
