import GRDB
import JSON
import Ledger
import Testing
import Time

@testable import Delivery

struct FallbackTests {
    private let plan = DeliveryPlan(order: [.webhook, .command], fallbackAfter: .seconds(120))
    private let failing = ScriptedWay { _ in .retry("http_500", retryAfter: nil) }
    private let refusing = ScriptedWay { _ in .refused("http_410") }

    private func alerts(_ bench: DeliveryBench) throws -> [String] {
        try bench.rows("SELECT * FROM alerts ORDER BY rowid").map { row in
            "\(row["kind"] as String) \(row["closed_at"] == nil ? "open" : "closed")"
        }
    }

    @Test func waysAtOnceHaveTheirOwnStates() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(channels: [.webhook, .command, .manual])
        let plan = DeliveryPlan(beside: [.webhook, .command, .manual])
        try await bench.drain(bench.worker(.webhook, refusing, plan: plan))
        try await bench.drain(bench.worker(.command, ScriptedWay(), plan: plan))
        #expect(
            try bench.states() == ["webhook failed 1 http_410", "command delivered 1 -", "manual pending 0 -"])
        #expect(try alerts(bench).isEmpty)
    }

    @Test func theNextWayIsTriedAtOnceWhenOneHasFailed() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(channels: plan.initial)
        #expect(try bench.states() == ["webhook pending 0 -"])
        try await bench.drain(bench.worker(.webhook, refusing, plan: plan))
        #expect(try bench.states() == ["webhook failed 1 http_410", "command pending 0 -"])
        let command = ScriptedWay()
        try await bench.drain(bench.worker(.command, command, plan: plan))
        #expect(try bench.states() == ["webhook failed 1 http_410", "command delivered 1 -"])
        #expect(command.messages.first?.json["timestamp"]?.string == DeliveryBench.start.description)
        #expect(try alerts(bench).isEmpty)
    }

    @Test func theNextWayIsTriedWhenTheTimeOfOneIsUp() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(channels: plan.initial)
        try await bench.drain(bench.worker(.webhook, failing, plan: plan))
        #expect(try await bench.ledger.nextOverdueAt(plan: plan) == DeliveryBench.start + .seconds(120))
        bench.clock.advance(by: .seconds(119))
        _ = try await bench.ledger.passOnOverdueDeliveries(plan: plan, now: bench.now)
        #expect(try bench.states() == ["webhook pending 1 http_500"])
        bench.clock.advance(by: .seconds(1))
        _ = try await bench.ledger.passOnOverdueDeliveries(plan: plan, now: bench.now)
        _ = try await bench.ledger.passOnOverdueDeliveries(plan: plan, now: bench.now)
        #expect(try bench.states() == ["webhook pending 1 http_500", "command pending 0 -"])
        try await bench.drain(bench.worker(.command, ScriptedWay(), plan: plan))
        #expect(try bench.states() == ["webhook failed 1 told_by_command", "command delivered 1 -"])
    }

    @Test func whenEveryWayHasFailedAnAlertSaysWhenTheGuestArrives() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(arrivesIn: .seconds(3 * 3600 + 20 * 60), channels: plan.initial)
        try await bench.drain(bench.worker(.webhook, refusing, plan: plan))
        #expect(try alerts(bench).isEmpty)
        try await bench.drain(bench.worker(.command, ScriptedWay { _ in .refused("exit_3") }, plan: plan))
        #expect(try alerts(bench) == ["not_delivered open"])
        let text: String = try bench.rows("SELECT text FROM alerts")[0]["text"]
        #expect(text.contains("webhook: http_410; command: exit_3"))
        #expect(text.contains("The guest arrives in 3 h 20 min, at 2026-11-20T19:40:02.400Z."))
        #expect(!text.contains(DeliveryBench.pin))
        // A person sends it again, and it arrives.
        let id: String = try bench.rows("SELECT delivery_id FROM deliveries WHERE channel = 'command'")[0][0]
        #expect(try await bench.ledger.retryDelivery(id, now: bench.now))
        try await bench.drain(bench.worker(.command, ScriptedWay(), plan: plan))
        #expect(try alerts(bench) == ["not_delivered closed"])
    }

    @Test(arguments: [(DeliveryKind.recovered, []), (.updated, ["not_delivered open"])])
    func onlyACodeThatNobodyToldIsAnAlert(kind: DeliveryKind, opened: [String]) async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(channels: plan.initial)
        try await bench.drain(bench.worker(.webhook, ScriptedWay(), plan: plan))
        bench.clock.advance(by: .seconds(60))
        try bench.ledgerRows(
            """
            INSERT INTO deliveries (delivery_id, substitution_id, channel, kind, created_at, next_attempt_at, arrives_at, due_at)
            SELECT 'news', substitution_id, channel, '\(kind.rawValue)', '\(bench.now)', '\(bench.now)', arrives_at, '\(bench.now)'
            FROM deliveries
            """)
        try await bench.drain(bench.worker(.webhook, refusing, plan: plan))
        try await bench.drain(bench.worker(.command, refusing, plan: plan))
        #expect(
            try bench.states() == [
                "webhook delivered 1 -", "webhook failed 1 http_410", "command failed 1 http_410",
            ])
        #expect(try alerts(bench) == opened)
    }

    @Test func waysThatAreAllLateOpenAnAlertAndGoOn() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(channels: plan.initial)
        for _ in 0..<2 {
            try await bench.drain(bench.worker(.webhook, failing, plan: plan))
            try await bench.drain(bench.worker(.command, failing, plan: plan))
            bench.clock.advance(by: .seconds(120))
            _ = try await bench.ledger.passOnOverdueDeliveries(plan: plan, now: bench.now)
        }
        #expect(try alerts(bench) == ["not_delivered open"])
        bench.clock.advance(by: .seconds(900))
        try await bench.drain(bench.worker(.webhook, ScriptedWay(), plan: plan))
        #expect(try bench.states().first?.hasPrefix("webhook delivered") == true)
        #expect(try alerts(bench) == ["not_delivered closed"])
    }

    @Test func aWayByHandNobodyHurries() async throws {
        let bench = try DeliveryBench()
        let plan = DeliveryPlan(beside: [.manual])
        try await bench.substitute(channels: plan.initial)
        bench.clock.advance(by: .seconds(3600))
        _ = try await bench.ledger.passOnOverdueDeliveries(plan: plan, now: bench.now)
        #expect(try await bench.ledger.nextOverdueAt(plan: plan) == nil)
        #expect(try alerts(bench).isEmpty)
        let inOrder = DeliveryPlan(order: [.manual, .command])
        _ = try await bench.ledger.passOnOverdueDeliveries(plan: inOrder, now: bench.now)
        #expect(try bench.states() == ["manual pending 0 -", "command pending 0 -"])
    }

    @Test func whatWaitsForAWayThatWasRemovedGoesAnotherWay() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute("one", channels: [.webhook])
        try await bench.substitute("two", channels: [.webhook, .manual])
        let plan = DeliveryPlan(beside: [.command])
        #expect(try await bench.ledger.giveUpRemovedWays(plan: plan, now: bench.now) == 2)
        #expect(try await bench.ledger.giveUpRemovedWays(plan: plan, now: bench.now) == 0)
        #expect(
            try bench.states() == [
                "webhook failed 0 way_removed", "webhook failed 0 way_removed", "manual pending 0 -",
                "command pending 0 -", "command pending 0 -",
            ])
    }

    @Test func whatIsHeldBackIsHeldBackForTheOtherWayToo() async throws {
        let bench = try DeliveryBench()
        let day = Duration.seconds(86_400)
        try await bench.substitute(arrivesIn: day * 21, channels: [.webhook], dueIn: day * 20)
        try await bench.substitute("late", channels: [.webhook], dueIn: .seconds(60))
        bench.clock.advance(by: .seconds(120))
        let plan = DeliveryPlan(beside: [.command])
        #expect(try await bench.ledger.giveUpRemovedWays(plan: plan, now: bench.now) == 2)
        let due = try bench.rows("SELECT due_at FROM deliveries WHERE channel = 'command' ORDER BY due_at")
        #expect(due.map { $0["due_at"] as String } == ["\(bench.now)", "\(DeliveryBench.start + day * 20)"])
    }

    @Test func anAcknowledgementEndsTheOthers() async throws {
        let bench = try DeliveryBench()
        let plan = DeliveryPlan(order: [.webhook, .manual])
        try await bench.substitute(channels: plan.initial)
        bench.clock.advance(by: .seconds(120))
        _ = try await bench.ledger.passOnOverdueDeliveries(plan: plan, now: bench.now)
        let claimed = try #require(
            try await bench.ledger.claimManualDelivery(now: bench.now, lease: .seconds(300)))
        #expect(try await bench.ledger.acknowledgeDelivery(claimed.id, plan: plan, now: bench.now))
        #expect(try bench.states() == ["webhook failed 0 told_by_manual", "manual delivered 1 -"])
    }
}
