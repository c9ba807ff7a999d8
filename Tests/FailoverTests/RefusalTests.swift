import Failover
import Sandbox
import Testing
import Time

@Suite(.timeLimit(.minutes(5))) struct RefusalTests {
    @Test func anOutageDoesNotEndTheAlertOfARefusal() async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        let refusal = SandboxFault.Kind.error(status: 409, type: "cannot_pull", retryAfter: nil)
        bench.model.addFault(SandboxFault(refusal, route: "/access_codes/pull_backup_access_code", count: nil))
        try await bench.pass()
        #expect(try bench.outcome(code) == "waiting·refused")
        bench.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), route: "/access_codes/get", count: 1))
        bench.clock.advance(by: .seconds(600))
        try await bench.work()
        #expect(try bench.outcome(code) == "waiting·seam_unavailable")
        #expect(try bench.openAlerts() == ["refused"])
        bench.clock.advance(by: .seconds(600))
        try await bench.work()
        #expect(try bench.outcome(code) == "waiting·refused")
        #expect(try bench.value("SELECT count(*) FROM alerts") == "1")
        // Once more: what ends it may come after an outage, too.
        bench.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), route: "/access_codes/get", count: 1))
        bench.clock.advance(by: .seconds(600))
        try await bench.work()
        bench.model.clearFaults()
        bench.clock.advance(by: .seconds(600))
        try await bench.work()
        #expect(try bench.outcome(code) == "substituted·pulled")
        #expect(try bench.openAlerts() == [])
    }

    @Test func aKeyThatIsRefusedForThePullAloneIsOneAlert() async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        let refusal = SandboxFault.Kind.error(status: 401, type: "unauthorized", retryAfter: nil)
        bench.model.addFault(SandboxFault(refusal, route: "/access_codes/pull_backup_access_code", count: nil))
        try await bench.pass()
        for _ in 0..<4 {
            bench.clock.advance(by: .seconds(600))
            try await bench.work()
        }
        #expect(bench.model.counters.requests["/access_codes/pull_backup_access_code"] == 5)
        #expect(try bench.outcome(code) == "waiting·unauthorized")
        #expect(try bench.openAlerts() == ["unauthorized"])
        #expect(try bench.value("SELECT count(*) FROM alerts") == "1")
    }
}
