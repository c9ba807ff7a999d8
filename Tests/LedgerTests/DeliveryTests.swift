import GRDB
import JSON
import Policy
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct DeliveryTests {
    private func due(_ bench: LedgerBench, _ channel: DeliveryChannel, after: Duration = .zero) async throws
        -> [DueDelivery]
    {
        try await bench.ledger.dueDeliveries(channel: channel, now: bench.start + after, limit: 10)
    }

    @Test func aDueDeliveryHasAllThatItsMessageNeeds() async throws {
        let bench = try LedgerBench()
        let substitutionID = try await bench.substitute(channels: [.webhook])
        let delivery = try #require(try await due(bench, .webhook).first)
        #expect(delivery.guest?.substitutionID == substitutionID)
        #expect(delivery.guest?.originalAccessCodeID == "guest")
        #expect(delivery.guest?.originalName == "Ada")
        #expect(delivery.guest?.originalStartsAt == bench.start + .seconds(3600))
        #expect(delivery.guest?.pin?.digits == "739146")
        #expect(delivery.guest?.backupEndsAt == bench.start + .seconds(90_000))
        #expect(delivery.guest?.substitutionIsActive == true)
        #expect(delivery.kind == .created)
        #expect(try await due(bench, .manual).isEmpty)
        #expect(try await due(bench, .webhook, after: .milliseconds(-1)).isEmpty)
        #expect(try await bench.ledger.nextDeliveryAt(channel: .webhook) == bench.start)
        #expect(try await bench.ledger.nextDeliveryAt(channel: .command) == nil)
    }

    @Test func attemptsAreRecordedUntilOneSucceeds() async throws {
        let bench = try LedgerBench()
        try await bench.substitute(channels: [.webhook])
        let delivery = try #require(try await due(bench, .webhook).first)
        let next = bench.start + .seconds(5)
        try await bench.ledger.record(.retry(at: next, error: "HTTP 500"), of: delivery, now: bench.start)
        #expect(try await due(bench, .webhook).isEmpty)
        #expect(try await due(bench, .webhook, after: .seconds(5)).map(\.attempts) == [1])
        #expect(try text(bench.path, "SELECT last_error FROM deliveries") == "HTTP 500")
        try await bench.ledger.record(.delivered, of: delivery, now: next)
        let row = try query(bench.path, "SELECT * FROM deliveries")[0]
        #expect(row["state"] == "delivered")
        #expect(row["attempts"] == 2)
        #expect(row["delivered_at"] == next.description)
        #expect(row["last_error"] == DatabaseValue.null)
        #expect(row["next_attempt_at"] == DatabaseValue.null)
        // A late report of a former attempt does not take it back.
        try await bench.ledger.record(.failed(error: "late"), of: delivery, now: next)
        #expect(try text(bench.path, "SELECT state FROM deliveries") == "delivered")
        #expect(try text(bench.path, "SELECT delivery_state FROM substitution_log") == "delivered")
        #expect(try text(bench.path, "SELECT delivered_at FROM substitution_log") == next.description)
    }

    @Test func aFailedDeliveryIsTriedNoMore() async throws {
        let bench = try LedgerBench()
        try await bench.substitute(channels: [.command])
        let delivery = try #require(try await due(bench, .command).first)
        try await bench.ledger.record(.failed(error: "exit status 1"), of: delivery, now: bench.start)
        #expect(try await due(bench, .command, after: .seconds(86_400)).isEmpty)
        #expect(try await bench.ledger.nextDeliveryAt(channel: .command) == nil)
        #expect(try text(bench.path, "SELECT delivery_state FROM substitution_log") == "failed")
    }

    @Test func whatIsOverIsNotHandedOut() async throws {
        let bench = try LedgerBench()
        let lease = Duration.seconds(300)
        try await bench.substitute("gone", by: "backup-gone")
        let claimed = try await bench.ledger.claimManualDelivery(now: bench.start, lease: lease)
        #expect(claimed?.guest?.originalAccessCodeID == "gone")
        try await bench.substitute("revoked", by: "backup-revoked")
        try change(
            bench.path,
            "UPDATE substitutions SET state = 'revoked' WHERE original_access_code_id = 'revoked'")
        try await bench.ledger.open(
            Alert(.poolEmpty, subject: "lock", text: "-"), channels: [.manual], now: bench.start)
        func states() throws -> [String] {
            try query(bench.path, "SELECT state, last_error FROM deliveries ORDER BY rowid").map { row in
                "\(row["state"] as String) \(row["last_error"] ?? "-")"
            }
        }
        // Whose lease runs may be telling the guest.
        try await bench.ledger.giveUpManualDeliveries(now: bench.start)
        #expect(try states() == ["claimed -", "failed substitution_over", "pending -"])
        #expect(try bench.journalKinds("revoked").last == "delivery.given_up")
        let alert = try await bench.ledger.claimManualDelivery(now: bench.start, lease: lease)
        #expect(alert?.kind == .alert)
        let end = bench.start + .seconds(90_000)
        #expect(try await bench.ledger.claimManualDelivery(now: end, lease: lease) == nil)
        #expect(try states() == ["failed stay_over", "failed substitution_over", "failed stay_over"])
        // Who had claimed it may have told the guest in time; what nobody had claimed was told by nobody.
        let ids = try query(bench.path, "SELECT delivery_id FROM deliveries ORDER BY rowid").map {
            $0["delivery_id"] as String
        }
        #expect(try await bench.ledger.acknowledgeDelivery(ids[0], now: end))
        #expect(try await bench.ledger.acknowledgeDelivery(ids[1], now: end) == false)
        #expect(try states().first == "delivered -")
    }

    @Test func whoWasTellingTheGuestWhenItWasCancelledMaySaySo() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("told", by: "backup-told")
        let claimed = try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300))
        let told = try #require(claimed)
        try await bench.substitute("untold", by: "backup-untold")
        let untold = try #require(try await due(bench, .manual).first)
        let changes = try await bench.ledger.carryOut(
            .cancel, FailoverLogQuery(), channels: [], isTrial: false, now: bench.start)
        #expect(changes.map(\.stoppedDeliveries) == [1, 1])
        #expect(try await bench.ledger.acknowledgeDelivery(told.id, now: bench.start))
        #expect(try await !bench.ledger.acknowledgeDelivery(untold.id, now: bench.start))
        let states = try query(bench.path, "SELECT state FROM deliveries ORDER BY rowid").map { $0["state"] as String }
        #expect(states == ["delivered", "failed"])
    }

    @Test func aClaimIsOneHolders() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        let lease = Duration.seconds(300)
        let claimed = try #require(
            try await bench.ledger.claimManualDelivery(now: bench.start, lease: lease))
        #expect(claimed.guest?.pin?.digits == "739146")
        #expect(try await bench.ledger.claimManualDelivery(now: bench.start, lease: lease) == nil)
        let almost = bench.start + .milliseconds(299_999)
        #expect(try await bench.ledger.claimManualDelivery(now: almost, lease: lease) == nil)
        #expect(try await bench.ledger.releaseClaims(now: almost) == 0)
        // The lease is over: it is handed out again.
        let again = try await bench.ledger.claimManualDelivery(now: bench.start + lease, lease: lease)
        #expect(again?.id == claimed.id)
        #expect(again?.attempts == 1)
        #expect(try text(bench.path, "SELECT state FROM deliveries") == "claimed")
    }

    @Test func anUnacknowledgedClaimIsPendingAgain() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        _ = try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300))
        #expect(try await bench.ledger.releaseClaims(now: bench.start + .seconds(300)) == 1)
        #expect(try text(bench.path, "SELECT state FROM deliveries") == "pending")
        let delivery = try await bench.ledger.claimManualDelivery(
            now: bench.start + .seconds(300), lease: .seconds(300))
        #expect(delivery != nil)
    }

    @Test func whoArrivesFirstIsToldFirst() async throws {
        let bench = try LedgerBench()
        for (code, hours) in [("late", 9), ("early", 2)] {
            let failover = try await bench.fail(code)
            var new = bench.substitution(of: failover, by: bench.backup("backup-" + code))
            new.reading = bench.reading(code, startsIn: .seconds(3600 * hours))
            _ = try await bench.ledger.recordSubstitution(new, now: bench.start)
        }
        let first = try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300))
        #expect(first?.accessCodeID == "early")
        let second = try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300))
        #expect(second?.accessCodeID == "late")
    }

    @Test func anAcknowledgementSettlesAManualDelivery() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("guest", by: "backup", channels: [.manual])
        try await bench.substitute("other", by: "backup-2", channels: [.webhook])
        let claimed = try #require(
            try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300)))
        let now = bench.start + .seconds(20)
        #expect(try await bench.ledger.acknowledgeDelivery(claimed.id, now: now))
        #expect(
            try text(bench.path, "SELECT delivered_at FROM deliveries WHERE delivery_id = ?", [claimed.id])
                == now.description)
        // Again, late, is as good: the script may have lost the first answer.
        let once = try contents(of: bench.path)
        #expect(try await bench.ledger.acknowledgeDelivery(claimed.id, now: now + .seconds(9)))
        #expect(try contents(of: bench.path) == once)
        #expect(try await bench.ledger.claimManualDelivery(now: now + .seconds(900), lease: .seconds(300)) == nil)
        let webhook = try #require(try await due(bench, .webhook).first)
        #expect(try await !bench.ledger.acknowledgeDelivery(webhook.id, now: now))
        #expect(try await !bench.ledger.acknowledgeDelivery("dlv_unknown", now: now))
    }
}
