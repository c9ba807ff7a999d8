import Failover
import Foundation
import JSON
import Ledger
import Policy
import Sandbox
import Seam
import Testing
import Time

@Suite(.timeLimit(.minutes(5))) struct DrawTests {
    @Test func theSoonestStayDrawsFirstWhateverTheOrderOfTheEvents() async throws {
        for seed in 0..<6 {
            let bench = try Bench()
            let device = bench.device(pool: 2, refills: false)
            var generator = SeededGenerator(seed: UInt64(seed))
            let hours = [5, 1, 9, 3].shuffled(using: &generator)
            var codes: [Int: String] = [:]
            for hour in hours {
                codes[hour] = bench.failedCode(on: device, startsIn: .seconds(hour * 3600), endsIn: .seconds(90_000))
            }
            try await bench.pass()
            #expect(try bench.outcome(require(codes[1])) == "substituted·pulled")
            #expect(try bench.outcome(require(codes[3])) == "substituted·pulled")
            #expect(try bench.outcome(require(codes[5])) == "waiting·pool_empty")
            #expect(try bench.outcome(require(codes[9])) == "waiting·pool_empty")
            #expect(try bench.openAlerts().contains("pool_empty"))
            bench.model.refillPool(of: device)
            bench.clock.advance(by: .seconds(300))
            try await bench.work()
            #expect(try bench.outcome(require(codes[9])) == "substituted·pulled")
            #expect(try bench.openAlerts() == [])
        }
    }

    @Test func whatWaitedWithASoonerStayGoesBeforeANewcomer() async throws {
        let bench = try Bench()
        let device = bench.device(pool: 1, refills: false)
        bench.model.emptyPool(of: device, refills: false)
        let waiting = bench.failedCode(on: device, startsIn: .seconds(3600))
        try await bench.pass()
        #expect(try bench.outcome(waiting) == "waiting·pool_empty")
        bench.model.refillPool(of: device)
        // Not due yet, but a later stay's failure must not take its code.
        let newcomer = bench.failedCode(on: device, startsIn: .seconds(7200))
        try await bench.pass()
        #expect(try bench.outcome(waiting) == "substituted·pulled")
        #expect(try bench.outcome(newcomer) == "waiting·pool_empty")
    }

    @Test func aPoolThatIsFilledOneByOneIsOneAlertUntilTheLastIsHelped() async throws {
        let bench = try Bench()
        let device = bench.device(pool: 1, refills: false)
        bench.model.emptyPool(of: device, refills: false)
        for hours in 1...3 { _ = bench.failedCode(on: device, startsIn: .seconds(hours * 3600)) }
        try await bench.pass()
        for helped in 1...3 {
            bench.model.refillPool(of: device)
            bench.clock.advance(by: .seconds(901))
            try await bench.sweep()
            try await bench.work()
            #expect(try bench.value("SELECT count(*) FROM failovers WHERE state = 'substituted'") == "\(helped)")
            #expect(try bench.openAlerts().contains("pool_empty") == (helped < 3))
        }
        #expect(try bench.value("SELECT count(*) FROM alerts WHERE kind = 'pool_empty'") == "1")
    }

    @Test(arguments: [409, 500, 429])
    func whatWasTurnedAwayWithASoonerStayGoesBeforeANewcomer(status: Int) async throws {
        let bench = try Bench(FailoverSettings(retry: Backoff(initial: .seconds(600), maximum: .seconds(600))))
        let device = bench.device(pool: 1, refills: false)
        bench.model.addFault(
            SandboxFault(
                .error(status: status, type: "no", retryAfter: nil), route: "/access_codes/pull_backup_access_code",
                count: 1))
        let waiting = bench.failedCode(on: device, startsIn: .seconds(3600))
        try await bench.pass()
        #expect(try bench.value("SELECT state FROM failovers") == "waiting")
        // Seam's pause after a refusal ends before the stay's own next look.
        bench.clock.advance(by: .seconds(61))
        let newcomer = bench.failedCode(on: device, startsIn: .seconds(7200))
        try await bench.pass()
        #expect(try bench.outcome(waiting) == "substituted·pulled")
        #expect(try bench.outcome(newcomer) == "waiting·pool_empty")
    }

    @Test func aReserveIsKeptForStaysThatStartWithinADay() async throws {
        let bench = try Bench(FailoverSettings(reserve: 1))
        let device = bench.device(pool: 2, refills: false)
        let first = bench.failedCode(on: device, startsIn: .seconds(48 * 3600), endsIn: .seconds(90 * 3600))
        let second = bench.failedCode(on: device, startsIn: .seconds(50 * 3600), endsIn: .seconds(90 * 3600))
        try await bench.pass()
        #expect(try bench.outcome(first) == "substituted·pulled")
        #expect(try bench.outcome(second) == "waiting·reserved")
        let tonight = bench.failedCode(on: device, startsIn: .seconds(3600))
        try await bench.pass()
        #expect(try bench.outcome(tonight) == "substituted·pulled")
        #expect(
            try bench.value("SELECT next_attempt_at FROM failovers WHERE state = 'waiting'")
                == "2026-11-20T13:00:00.000Z")
    }

    @Test func theFirstInLineAsksEveryMinuteOnceItsStayIsNear() async throws {
        let bench = try Bench()
        let device = bench.device(pool: 1, refills: false)
        bench.model.emptyPool(of: device, refills: false)
        let first = bench.failedCode(on: device, startsIn: .seconds(1800))
        let second = bench.failedCode(on: device, startsIn: .seconds(2400))
        try await bench.pass()
        var waits: [String: [Duration]] = [:]
        // Long enough for the backoff of both to have reached its maximum.
        for _ in 0..<400 {
            bench.clock.advance(by: .seconds(10))
            try await bench.work()
            for row in try bench.rows("SELECT access_code_id AS id, next_attempt_at AS next FROM failovers") {
                let next = try require(Timestamp(require(row["next"])))
                waits[try require(row["id"]), default: []].append(next.duration(since: bench.now))
            }
        }
        #expect(try require(waits[first]?.max()) <= .seconds(60))
        #expect(try require(waits[second]?.max()) > .seconds(120))
    }

    /// Seam deletes a code at its stay's end, and the event of it comes while the look of that moment is under way.
    @Test func whoWaitedToTheEndHasWaitedWhateverComesAtTheEnd() async throws {
        let bench = try Bench()
        let device = bench.device(pool: 1, refills: false)
        bench.model.emptyPool(of: device, refills: false)
        let code = bench.failedCode(on: device, startsIn: .seconds(60), endsIn: .seconds(3600))
        try await bench.pass()
        bench.clock.advance(by: .seconds(3600))
        let waiting = try #require(try await bench.ledger.failover(accessCodeID: code))
        bench.model.deleteCode(code)
        let known = try bench.rows("SELECT event_id AS id FROM webhook_events").compactMap { $0["id"] }
        try await bench.receive(bench.model.events.filter { !known.contains($0.id) })
        try await bench.ledger.record(
            FailoverStep(state: .expired, reason: "pool_empty"), of: waiting, now: bench.now)
        #expect(try bench.outcome(code) == "waiting·pool_empty")
        try await bench.work()
        #expect(try bench.outcome(code) == "expired·pool_empty")
    }

    /// However long a failover has waited for something else.
    @Test func aShortOutageIsAskedAboutAgainSoon() async throws {
        let bench = try Bench()
        let device = bench.device(pool: 1, refills: false)
        bench.model.emptyPool(of: device, refills: false)
        let code = bench.failedCode(on: device, startsIn: .seconds(3600 * 20))
        try await bench.pass()
        for _ in 0..<60 {
            bench.clock.advance(by: .seconds(300))
            try await bench.work()
        }
        bench.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), route: "/access_codes/get", count: 2))
        bench.clock.advance(by: .seconds(300))
        for looks in 1...2 {
            try await bench.work()
            #expect(try bench.outcome(code) == "waiting·seam_unavailable")
            let next = try require(Timestamp(bench.value("SELECT next_attempt_at FROM failovers")))
            #expect(next.duration(since: bench.now) <= .seconds(2 * looks))
            bench.clock.advance(by: .seconds(2))
        }
    }

    /// More than one pass takes wait before the one that is due.
    @Test func whatIsDueHasItsTurnBehindManyThatWait() async throws {
        let bench = try Bench()
        let device = bench.device(pool: 1, refills: false)
        bench.model.emptyPool(of: device, refills: false)
        for _ in 0..<210 { _ = bench.failedCode(on: device) }
        let last = bench.failedCode(on: device, startsIn: .seconds(7200))
        try await bench.pass()
        try bench.change(
            "UPDATE failovers SET next_attempt_at = '2026-11-21T00:00:00.000Z' WHERE access_code_id <> '\(last)'")
        bench.model.recoverCode(last)
        try bench.change("UPDATE failovers SET next_attempt_at = '\(bench.now)' WHERE access_code_id = '\(last)'")
        let lane = try #require(try await bench.engine.dueLanes(notIn: []).first)
        try await bench.engine.work(lane)
        #expect(try bench.outcome(last) == "not_needed·recovered")
        #expect(try await bench.engine.dueLanes(notIn: []).isEmpty)
    }

    @Test func aWatchedFailureDrawsAfterASoonerOneThatFollows() async throws {
        let bench = try Bench(FailoverSettings(drawDelay: .seconds(300)))
        let device = bench.device(pool: 1, refills: false)
        let far = bench.failedCode(on: device, startsIn: .seconds(9 * 3600))
        try await bench.pass()
        #expect(try bench.outcome(far) == "waiting·draw_delay")
        bench.clock.advance(by: .seconds(200))
        let sooner = bench.failedCode(on: device, startsIn: .seconds(5 * 3600))
        try await bench.pass()
        #expect(try bench.outcome(sooner) == "waiting·draw_delay")
        // The far stay's time has come, and the sooner one's has not: it draws first all the same.
        bench.clock.advance(by: .seconds(100))
        try await bench.work()
        #expect(try bench.outcome(sooner) == "substituted·pulled")
        #expect(try bench.outcome(far) == "waiting·pool_empty")
    }

    @Test func aCodeThatRecoversWhileItIsWatchedCostsNoBackup() async throws {
        let bench = try Bench(FailoverSettings(drawDelay: .seconds(300)))
        let code = bench.failedCode(on: bench.device(), startsIn: .seconds(9 * 3600))
        try await bench.pass()
        bench.model.recoverCode(code)
        try await bench.pass()
        #expect(try bench.outcome(code) == "not_needed·recovered")
        #expect(bench.model.counters.backupsPulled == 0)
    }

    @Test(arguments: ["device.connected", "device.connection_stabilized"])
    func aSignOfLifeOfTheLockLooksAgainAtOnce(event: String) async throws {
        let bench = try Bench()
        let device = bench.device(pool: 1, refills: false)
        bench.model.emptyPool(of: device, refills: false)
        let code = bench.failedCode(on: device)
        try await bench.pass()
        #expect(try bench.outcome(code) == "waiting·pool_empty")
        bench.model.refillPool(of: device)
        bench.model.emitEvent(event, members: [.init("device_id", .string(device))])
        try await bench.pass()
        #expect(try bench.outcome(code) == "substituted·pulled")
    }

    @Test func aStormIsWorkedOffByTheStaysAndEachOnce() async throws {
        let bench = try Bench()
        var generator = SeededGenerator(seed: 4)
        for hour in (1...300).shuffled(using: &generator) {
            _ = bench.failedCode(
                on: bench.device(), startsIn: .seconds(hour * 60), endsIn: .seconds(90_000))
        }
        try await bench.pass()
        #expect(try bench.value("SELECT count(*) FROM failovers WHERE state = 'substituted'") == "300")
        #expect(bench.model.counters.backupsPulled == 300)
        // In order of the stays, but for the few lanes that were open at the same time.
        let order = try bench.rows(
            "SELECT f.original_starts_at AS at FROM substitutions s JOIN failovers f USING (failover_id) ORDER BY s.rowid"
        ).compactMap { $0["at"] }
        #expect(order == order.sorted())
    }

    @Test func whatCannotBeScoutedIsTriedAllTheSame() async throws {
        let bench = try Bench()
        for _ in 0..<250 { _ = bench.failedCode(on: bench.device()) }
        try await bench.receive(bench.model.events)
        bench.model.addFault(SandboxFault(.timeout, route: "/access_codes/list", count: nil))
        // Each such call takes as long as a call may: no lane waits for more than one.
        try await bench.engine.scout()
        #expect(bench.model.counters.requests["/access_codes/list"] == 1)
        try await bench.work()
        #expect(try bench.value("SELECT count(*) FROM failovers WHERE state = 'substituted'") == "250")
    }

    @Test func noLaneWaitsLongForScouting() async throws {
        let bench = try Bench(callTime: .seconds(2))
        let device = bench.device()
        for _ in 0..<400 { _ = bench.failedCode(on: device) }
        try await bench.receive(bench.model.events)
        try await bench.engine.scout()
        #expect(bench.model.counters.requests["/access_codes/list"] == 3)
        #expect(try await !bench.engine.dueLanes(notIn: []).isEmpty)
        try await bench.engine.scout()
        #expect(try bench.value("SELECT count(*) FROM failovers WHERE is_scouted = 1") == "400")
    }

    @Test func anyOrderAndRepetitionOfACodesEventsEndsInTheSameState() async throws {
        var outcomes: Set<String> = []
        for seed in 0..<24 {
            let bench = try Bench()
            let device = bench.device()
            let code = bench.failedCode(on: device)
            bench.model.recoverCode(code)
            bench.clock.advance(by: .seconds(10))
            bench.model.advance()
            bench.model.failCode(code)
            bench.clock.advance(by: .seconds(10))
            bench.model.advance()
            var generator = SeededGenerator(seed: UInt64(seed))
            var events = bench.model.events.shuffled(using: &generator)
            events += events.prefix(3)
            for event in events {
                try await bench.receive([event])
                if Bool.random(using: &generator) { try await bench.work() }
            }
            bench.clock.advance(by: .seconds(600))
            try await bench.work()
            outcomes.insert(try bench.outcome(code))
            #expect(bench.model.counters.backupsPulled == 1)
        }
        #expect(outcomes == ["substituted·pulled"])
    }
}

@Suite(.timeLimit(.minutes(5))) struct GovernorTests {
    @Test func retryAfterHoldsForEveryCallOfTheKey() async throws {
        let bench = try Bench()
        let codes = (0..<5).map { _ in bench.failedCode(on: bench.device()) }
        bench.model.addFault(
            SandboxFault(
                .error(status: 429, type: "rate_limited", retryAfter: "90"), route: "/access_codes/get", count: 1))
        try await bench.pass()
        let asked = bench.model.counters.requests["/access_codes/get"]
        bench.clock.advance(by: .seconds(80))
        try await bench.work()
        #expect(bench.model.counters.requests["/access_codes/get"] == asked)
        bench.clock.advance(by: .seconds(20))
        try await bench.work()
        try await bench.work()
        for code in codes { #expect(try bench.outcome(code) == "substituted·pulled") }
    }

    @Test func anAnswerToWhatWasUnderWayDoesNotEndTheWaitThatSeamAskedFor() async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        let limited = SandboxFault.Kind.error(status: 429, type: "rate_limited", retryAfter: "60")
        bench.model.addFault(SandboxFault(limited, route: "/access_codes/get", count: 1))
        await #expect(throws: SeamError.self) { try await bench.seam.accessCode(id: code) }
        let until = bench.now + .seconds(60)
        #expect(bench.governor.pausedUntil == until)
        bench.clock.advance(by: .seconds(1))
        _ = try await bench.seam.accessCode(id: code)
        #expect(bench.governor.pausedUntil == until)
        bench.clock.advance(by: .seconds(59))
        #expect(bench.governor.capacity(of: 8) == 1)
        _ = try await bench.seam.accessCode(id: code)
        #expect(bench.governor.capacity(of: 8) == 8)
    }

    @Test(arguments: ["/access_codes/update", "/access_codes/delete"])
    func aLimitOfOneLockHoldsUpNoOther(route: String) async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        let limited = SandboxFault.Kind.error(status: 429, type: "rate_limited", retryAfter: "60")
        bench.model.addFault(SandboxFault(limited, route: route, count: nil))
        await #expect(throws: SeamError.self) {
            try await bench.seam.updateAccessCode(id: code, endsAt: bench.now + .seconds(90_000))
            try await bench.seam.deleteAccessCode(id: code)
        }
        #expect(bench.governor.pausedUntil == nil)
    }

    @Test func whileSeamIsDownOneLaneTries() async throws {
        let bench = try Bench()
        let codes = (0..<20).map { _ in bench.failedCode(on: bench.device()) }
        bench.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), count: nil))
        try await bench.receive(bench.model.events)
        for _ in 0..<50 {
            try await bench.work()
            bench.clock.advance(by: .seconds(10))
        }
        // Without the pause it would be 20 codes by some 10 looks each.
        let asked = bench.model.counters.requests.values.reduce(0, +)
        #expect(asked < 60)
        bench.model.clearFaults()
        for _ in 0..<40 {
            bench.clock.advance(by: .seconds(30))
            try await bench.work()
        }
        for code in codes { #expect(try bench.outcome(code) == "substituted·pulled") }
        #expect(bench.model.counters.backupsPulled == 20)
    }
}
