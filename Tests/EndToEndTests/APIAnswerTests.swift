import HTTPClient
import JSON
import Policy
import Sandbox
import Settings
import Testing
import Time

/// What each answer of the API that is not the one asked for leads to, and that the guest gets a code once its cause is gone.
@Suite(.timeLimit(.minutes(10)))
struct APIAnswerTests {
    static let pull = "/access_codes/pull_backup_access_code"
    static let get = "/access_codes/get"

    @Test func pullOfCodeThatIsStillThereIsRefused() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(
                SandboxFault(
                    .error(status: 404, type: "access_code_not_found", retryAfter: nil), route: Self.pull, count: nil))
            house.model.failCode(code)
            let waiting = try await house.expect(code, .waiting, "refused")
            #expect(waiting["last_error_type"] == "access_code_not_found")
            #expect(try house.alerts(of: code) == ["refused open"])
            house.model.clearFaults()
            try await house.expectSubstituted(code)
        }
    }

    @Test func pullOfCodeThatIsGoneMeanwhileNeedsNothing() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            // The reading is made before the code goes, and arrives after.
            house.model.addFault(SandboxFault(.delay(.seconds(3)), route: Self.get))
            house.model.failCode(code)
            try await eventually("the code is read") { house.model.counters.faultsServed == 1 }
            house.model.deleteCode(code)
            try await house.expect(code, .notNeeded, "code_deleted")
            #expect(house.model.counters.pulls[code] == 1, "asked for, by the reading made before")
            #expect(house.model.counters.backupsPulled == 0)
        }
    }

    @Test func pullOfCodeThatSomebodyPulledMeanwhileTakesThatOne() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(.delay(.seconds(3)), route: Self.get))
            house.model.failCode(code)
            try await eventually("the code is read") { house.model.counters.faultsServed == 1 }
            try await house.pullAsSomebodyElse(code)
            try await eventually("the failover is closed") { try house.failover(of: code)?["state"] == "substituted" }
            #expect(house.model.counters.backupsPulled == 1)
            #expect(try house.count("substitutions") == 1)
        }
    }

    @Test(arguments: [
        SandboxFault.Kind.error(status: 500, type: "internal_server_error", retryAfter: nil),
        .error(status: 404, type: "device_not_found", retryAfter: nil),
        .error(status: 403, type: "forbidden", retryAfter: nil),
        .error(status: 429, type: "rate_limit_exceeded", retryAfter: "60"), .html(status: 200), .reset, .timeout,
    ])
    func lockThatCannotBeReadBlocksNothing(fault: SandboxFault.Kind) async throws {
        try await House.with(settings: { $0.seam.timeout = .seconds(2) }) { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(fault, route: "/devices/get", count: nil))
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            #expect(try house.decisions(on: code) == ["substituted pulled"])
        }
    }

    @Test func refusedKeyIsReportedAndWaitedFor() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.configure { $0.apiKey = "seam_another_key" }
            house.model.failCode(code)
            try await house.expect(code, .waiting, "unauthorized")
            #expect(try house.alerts(of: code) == ["unauthorized open"])
            house.model.configure { $0.apiKey = nil }
            try await house.expectSubstituted(code)
        }
    }

    @Test func keyRefusedByPullAlone() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(
                SandboxFault(.error(status: 401, type: "unauthorized", retryAfter: nil), route: Self.pull, count: nil))
            house.model.failCode(code)
            try await house.expect(code, .waiting, "unauthorized")
            house.model.clearFaults()
            try await house.expectSubstituted(code)
            #expect(try house.alerts(of: code) == ["unauthorized"])
        }
    }

    @Test(arguments: [get, pull])
    func rateLimitWithoutRetryAfterIsWaitedOut(route: String) async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(
                SandboxFault(
                    .error(status: 429, type: "rate_limit_exceeded", retryAfter: nil), route: route, count: nil))
            house.model.failCode(code)
            try await house.expect(code, .waiting, "rate_limited")
            house.model.clearFaults()
            try await house.expectSubstituted(code)
            #expect(try house.alerts(of: code).isEmpty)
        }
    }

    /// An answer that comes too late is none, and what it asks for is not heard.
    private static func patient(_ settings: inout Settings) { settings.seam.timeout = .seconds(120) }

    @Test(arguments: [get, pull])
    func retryAfterIsHonoured(route: String) async throws {
        try await House.with(settings: Self.patient) { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(
                SandboxFault(.error(status: 429, type: "rate_limit_exceeded", retryAfter: "900"), route: route))
            let before = house.clock.now()
            house.model.failCode(code)
            let waiting = try await house.expect(code, .waiting, "rate_limited")
            let next = try #require(waiting["next_attempt_at"].flatMap { Timestamp($0) })
            #expect(next >= before + .seconds(900))
            #expect(next <= house.clock.now() + .seconds(900))
            #expect(house.model.counters.requests[route] == 1)
            house.clock.move(by: .seconds(901))
            try await house.expectSubstituted(code)
        }
    }

    @Test func retryAfterOfAnOutageIsHonoured() async throws {
        try await House.with(settings: Self.patient) { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(.empty(status: 503, retryAfter: "600"), route: Self.get))
            let before = house.clock.now()
            house.model.failCode(code)
            let waiting = try await house.expect(code, .waiting, "seam_unavailable")
            let next = try #require(waiting["next_attempt_at"].flatMap { Timestamp($0) })
            #expect(next >= before + .seconds(600))
            house.clock.move(by: .seconds(601))
            try await house.expectSubstituted(code)
        }
    }

    static let outages: [SandboxFault.Kind] = [
        .error(status: 500, type: "internal_server_error", retryAfter: nil), .empty(status: 503, retryAfter: nil),
        .html(status: 502), .html(status: 200), .reset, .timeout,
    ]

    @Test(arguments: outages, [get, pull])
    func outageIsWaitedOut(fault: SandboxFault.Kind, route: String) async throws {
        try await House.with(settings: { $0.seam.timeout = .seconds(2) }) { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(fault, route: route, count: nil))
            house.model.failCode(code)
            try await house.expect(code, .waiting, "seam_unavailable")
            #expect(house.model.counters.backupsPulled == 0)
            house.model.clearFaults()
            try await house.expectSubstituted(code)
            #expect(house.model.counters.backupsPulled == 1)
            #expect(try house.alerts(of: code).isEmpty)
        }
    }

    @Test(arguments: [
        (400, "no_backup_access_code_available"), (409, "a_newer_error"), (422, "unprocessable"), (403, "x"),
    ])
    func otherRefusalKeepsItsType(status: Int, type: String) async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(
                SandboxFault(.error(status: status, type: type, retryAfter: nil), route: Self.pull, count: nil))
            house.model.failCode(code)
            let waiting = try await house.expect(code, .waiting, "refused")
            #expect(waiting["last_error_type"] == type)
            #expect(waiting["last_request_id"] != nil)
            #expect(try house.alerts(of: code) == ["refused open"])
            house.model.clearFaults()
            try await house.expectSubstituted(code)
            #expect(try house.alerts(of: code) == ["refused"], "one alert however often it is tried")
        }
    }

    @Test func backupWithoutItsPINIsNeverTold() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(.nullCode(reads: 4), route: Self.pull))
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            let decisions = try house.decisions(on: code)
            #expect(decisions.first == "waiting code_pending")
            #expect(decisions.last == "substituted pulled")
            #expect(house.model.counters.backupsPulled == 1)
            #expect(house.model.counters.pulls[code] == 1, "read again, not pulled again")
        }
    }

    @Test func nothingIsDeliveredWhileThePINIsPending() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(.nullCode(reads: 1_000_000), route: Self.pull))
            house.model.failCode(code)
            try await eventually("it was read again") {
                try house.decisions(on: code).count { $0 == "waiting code_pending" } >= 3
            }
            #expect(try house.count("substitutions") == 0)
            #expect(try house.count("deliveries") == 0)
            #expect(try await house.admin("POST", "/api/deliveries/claim").status == 204)
        }
    }
}
