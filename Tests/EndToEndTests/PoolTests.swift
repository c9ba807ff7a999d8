import Policy
import Sandbox
import Settings
import Testing
import Time

/// Several guests, one lock, and fewer backups than guests.
@Suite(.timeLimit(.minutes(10)))
struct PoolTests {
    @Test func soonestStayDrawsFirst() async throws {
        try await House.with { house in
            let lock = house.lock(pool: 1)
            house.model.emptyPool(of: lock, refills: false)
            let late = house.guest(on: lock, from: .seconds(7200))
            let now = house.guest(on: lock, from: .seconds(-7200))
            let soon = house.guest(on: lock, from: .seconds(3600))
            for code in [late, now, soon] { house.model.failCode(code) }
            for code in [late, now, soon] { try await house.expect(code, .waiting, "pool_empty") }

            house.model.refillPool(of: lock)
            try await house.expectSubstituted(now)
            for code in [soon, late] { try await house.expect(code, .waiting, "pool_empty") }
            house.model.refillPool(of: lock)
            try await house.expectSubstituted(soon)
            try await house.expect(late, .waiting, "pool_empty")
            house.model.refillPool(of: lock)
            try await house.expectSubstituted(late)
            #expect(house.model.counters.backupsPulled == 3)
        }
    }

    @Test func lockThatComesBackIsLookedAtAtOnce() async throws {
        // Nothing is looked at again by itself within the test.
        let patient: (inout Settings) -> Void = {
            $0.failover.retryInitial = .seconds(36_000)
            $0.failover.retryMax = .seconds(36_000)
        }
        try await House.with(settings: patient) { house in
            let lock = house.lock(pool: 1)
            house.model.emptyPool(of: lock, refills: false)
            let late = house.guest(on: lock, from: .seconds(7200))
            let soon = house.guest(on: lock, from: .seconds(-7200))
            for code in [late, soon] { house.model.failCode(code) }
            for code in [late, soon] { try await house.expect(code, .waiting, "pool_empty") }
            house.model.disconnectDevice(lock)
            house.model.refillPool(of: lock)
            house.model.connectDevice(lock)
            try await house.expectSubstituted(soon)
            try await house.expect(late, .waiting, "pool_empty")
            #expect(house.model.counters.backupsPulled == 1)
        }
    }

    @Test func poolFilledDuringAPassGoesToTheSoonestStay() async throws {
        let patient: (inout Settings) -> Void = {
            $0.failover.retryInitial = .seconds(36_000)
            $0.failover.retryMax = .seconds(36_000)
        }
        try await House.with(settings: patient) { house in
            let lock = house.lock(pool: 1)
            house.model.emptyPool(of: lock, refills: false)
            let late = house.guest(on: lock, from: .seconds(7200))
            let soon = house.guest(on: lock, from: .seconds(-7200))
            for code in [late, soon] { house.model.failCode(code) }
            for code in [late, soon] { try await house.expect(code, .waiting, "pool_empty") }
            // The lock is read once a pass, after the first code: time to fill the pool between the readings of the two.
            house.model.addFault(SandboxFault(.delay(.seconds(2)), route: "/devices/get"))
            house.model.disconnectDevice(lock)
            house.model.connectDevice(lock)
            try await eventually("the pass has begun") { house.model.counters.faultsServed == 1 }
            house.model.refillPool(of: lock)
            try await house.expectSubstituted(soon)
            try await house.expect(late, .waiting, "pool_empty")
        }
    }

    @Test func poolFilledBetweenTwoDrawsGoesToTheSoonestStay() async throws {
        let patient: (inout Settings) -> Void = {
            $0.failover.retryInitial = .seconds(36_000)
            $0.failover.retryMax = .seconds(36_000)
        }
        try await House.with(settings: patient) { house in
            let lock = house.lock(pool: 1)
            house.model.emptyPool(of: lock, refills: false)
            let late = house.guest(on: lock, from: .seconds(7200))
            let now = house.guest(on: lock, from: .seconds(-7200))
            let soon = house.guest(on: lock, from: .seconds(3600))
            for code in [late, now, soon] { house.model.failCode(code) }
            for code in [late, now, soon] { try await house.expect(code, .waiting, "pool_empty") }
            house.model.addFault(
                SandboxFault(.delay(.seconds(2)), route: APIAnswerTests.get, count: nil, accessCodeID: soon))
            house.model.disconnectDevice(lock)
            house.model.refillPool(of: lock)
            house.model.connectDevice(lock)
            // The first stay has drawn, the second is read again and finds nothing left: the pool is filled before the third is read.
            try await eventually("the second is read again") {
                house.model.counters.backupsPulled == 1 && house.model.counters.faultsServed >= 2
            }
            house.model.refillPool(of: lock)
            try await house.expectSubstituted(now)
            try await house.expectSubstituted(soon)
            try await house.expect(late, .waiting, "pool_empty")
        }
    }

    @Test func newcomerDoesNotOvertakeSoonerStayThatWaits() async throws {
        let patient: (inout Settings) -> Void = {
            $0.failover.retryInitial = .seconds(36_000)
            $0.failover.retryMax = .seconds(36_000)
        }
        try await House.with(settings: patient) { house in
            let lock = house.lock(pool: 1)
            house.model.emptyPool(of: lock, refills: false)
            let soon = house.guest(on: lock, from: .seconds(-7200))
            house.model.failCode(soon)
            try await house.expect(soon, .waiting, "pool_empty")
            house.model.refillPool(of: lock)
            let late = house.guest(on: lock, from: .seconds(7200))
            house.model.failCode(late)
            try await house.expectSubstituted(soon)
            try await house.expect(late, .waiting, "pool_empty")
        }
    }

    @Test func lockThatHangsDelaysNoOther() async throws {
        try await House.with(settings: { $0.seam.timeout = .seconds(300) }) { house in
            let (hanging, sound) = (house.lock(), house.lock())
            let (stuck, served) = (house.guest(on: hanging), house.guest(on: sound))
            house.model.addFault(
                // Longer than the other can take, however slow the machine is.
                SandboxFault(.delay(.seconds(290)), route: APIAnswerTests.get, count: nil, accessCodeID: stuck))
            house.model.failCode(stuck)
            try await eventually("the first lock hangs") { house.model.counters.faultsServed > 0 }
            house.model.failCode(served)
            try await house.expectSubstituted(served)
            #expect(try house.failover(of: stuck)?["state"] == "pending", "it still hangs")
            #expect(house.model.counters.pulls[stuck] == nil)
        }
    }
}
