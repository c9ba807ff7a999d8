import Failover
import JSON
import Ledger
import Policy
import Sandbox
import Testing
import Time

@Suite(.timeLimit(.minutes(5))) struct EventSweepTests {
    @Test func afterThirtyHoursWithoutWebhooksOneSweepFindsEveryFailure() async throws {
        let bench = try Bench()
        _ = try await bench.eventSweep.sweep()
        for _ in 0..<50 {
            let device = bench.device()
            _ = bench.failedCode(on: device, startsIn: .seconds(40 * 3600), endsIn: .seconds(90 * 3600))
            bench.clock.advance(by: .seconds(2160))
        }
        let found = try await bench.eventSweep.sweep()
        #expect(found >= 50)
        try await bench.settleInbox()
        #expect(try bench.value("SELECT count(*) FROM failovers") == "50")
        try await bench.work()
        #expect(try bench.value("SELECT count(*) FROM failovers WHERE state = 'substituted'") == "50")
        // The overlap brings them again, and nothing comes of it.
        _ = try await bench.eventSweep.sweep()
        try await bench.settleInbox()
        #expect(try bench.value("SELECT count(*) FROM substitutions") == "50")
        #expect(bench.model.counters.backupsPulled == 50)
    }

    @Test func aSweepThatDiesIsMadeAgainWithoutDoubling() async throws {
        let bench = try Bench()
        _ = try await bench.eventSweep.sweep()
        let device = bench.device()
        bench.clock.advance(by: .seconds(60))
        let code = bench.failedCode(on: device)
        bench.clock.advance(by: .seconds(60))
        bench.model.addFault(SandboxFault(.resetAfterCommit, route: "/events/list"))
        await #expect(throws: (any Error).self) { try await bench.eventSweep.sweep() }
        _ = try await bench.eventSweep.sweep()
        _ = try await bench.eventSweep.sweep()
        try await bench.settleInbox()
        try await bench.work()
        #expect(try bench.outcome(code) == "substituted·pulled")
        #expect(
            try bench.value(
                "SELECT count(*) FROM webhook_events WHERE event_type = 'access_code.failed_to_set_on_device' AND disposition = 'handled'"
            )
                == "1")
    }

    @Test func moreEventsThanAPageHoldsAreAllFound() async throws {
        let bench = try Bench()
        _ = try await bench.eventSweep.sweep()
        let device = bench.device()
        for _ in 0..<1300 {
            bench.model.emitEvent("device.connected", members: [.init("device_id", .string(device))])
            bench.clock.advance(by: .milliseconds(500))
        }
        bench.clock.advance(by: .seconds(1))
        _ = try await bench.eventSweep.sweep()
        #expect(
            try bench.value("SELECT count(*) FROM webhook_events")
                == "\(bench.model.events.filter { ["device.connected"].contains($0.type) }.count)")
    }
}
