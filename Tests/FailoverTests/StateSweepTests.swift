import Failover
import Foundation
import JSON
import Ledger
import Policy
import Sandbox
import Testing
import Time

@Suite(.timeLimit(.minutes(5))) struct StateSweepTests {
    @Test func aFailedCodeWithoutAnEventGetsAFailover() async throws {
        let bench = try Bench()
        let device = bench.device()
        let near = bench.failedCode(on: device)
        let far = bench.failedCode(on: device, startsIn: .seconds(100 * 3600), endsIn: .seconds(200 * 3600))
        try await bench.sweep()
        #expect(try bench.outcome(near) == "pending·")
        #expect(try bench.outcome(far) == "none")
        #expect(try bench.value("SELECT coalesce(event_id, 'none') FROM failovers") == "none")
        #expect(try bench.value("SELECT failed_at FROM failovers").hasPrefix("2026-11-20T12:00:00"))
        try await bench.work()
        #expect(try bench.outcome(near) == "substituted·pulled")
    }

    @Test func itReadsEachLockOnceInAnInterval() async throws {
        let bench = try Bench()
        for _ in 0..<5 { _ = bench.device() }
        try await bench.sweep()
        #expect(bench.model.counters.requests["/access_codes/list"] == 5)
        bench.clock.advance(by: .seconds(899))
        try await bench.sweep()
        #expect(bench.model.counters.requests["/access_codes/list"] == 5)
        bench.clock.advance(by: .seconds(2))
        try await bench.sweep()
        #expect(bench.model.counters.requests["/access_codes/list"] == 10)
    }

    @Test func itAsksNothingWhileSeamAsksToWait() async throws {
        let bench = try Bench()
        _ = bench.device()
        bench.model.addFault(
            SandboxFault(.error(status: 429, type: "rate_limited", retryAfter: "120"), route: "/devices/list"))
        await #expect(throws: (any Error).self) { try await bench.stateSweep.readDevices() }
        let asked = bench.model.counters.requests.values.reduce(0, +)
        bench.clock.advance(by: .seconds(119))
        try await bench.stateSweep.readDevices()
        #expect(bench.model.counters.requests.values.reduce(0, +) == asked)
        bench.clock.advance(by: .seconds(2))
        try await bench.stateSweep.readDevices()
        #expect(bench.model.counters.requests.values.reduce(0, +) == asked + 1)
    }

    @Test func anAcceptedKeyEndsTheAlert() async throws {
        let bench = try Bench()
        let code = bench.failedCode(on: bench.device())
        bench.model.addFault(
            SandboxFault(.error(status: 401, type: "unauthorized", retryAfter: nil), route: "/access_codes/get"))
        try await bench.pass()
        #expect(try bench.openAlerts() == ["unauthorized"])
        #expect(try bench.outcome(code) == "waiting·unauthorized")
        try await bench.stateSweep.readDevices()
        #expect(try bench.openAlerts() == [])
    }

    private func helplessCode(_ bench: Bench) async throws -> String {
        var specification = SandboxDeviceSpecification(name: "Door")
        specification.supportsBackupPool = false
        let code = bench.failedCode(on: bench.model.createDevice(specification))
        try await bench.pass()
        #expect(try bench.outcome(code) == "ineligible·unsupported_device")
        #expect(try bench.openAlerts() == ["unsupported_device"])
        return code
    }

    @Test func aCodeWithoutHelpThatRecoversIsWellAgain() async throws {
        let bench = try Bench()
        let code = try await helplessCode(bench)
        bench.clock.advance(by: .seconds(900))
        try await bench.sweep()
        #expect(try bench.outcome(code) == "ineligible·unsupported_device")
        bench.model.recoverCode(code)
        bench.clock.advance(by: .seconds(901))
        try await bench.sweep()
        try await bench.work()
        #expect(try bench.outcome(code) == "not_needed·recovered")
        #expect(try bench.openAlerts() == [])
    }

    @Test func aCodeWithoutHelpThatIsDeletedIsNoConcern() async throws {
        let bench = try Bench()
        let code = try await helplessCode(bench)
        bench.model.deleteCode(code)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.outcome(code) == "not_needed·code_deleted")
        #expect(try bench.openAlerts() == [])
    }

    @Test func whomAPersonLooksAfterIsNoConcern() async throws {
        let bench = try Bench(FailoverSettings(channels: [.manual]))
        func cancel(_ code: String) async throws -> [FailoverChange.Action] {
            var query = FailoverLogQuery()
            query.ids = [code]
            return try await bench.ledger.carryOut(.cancel, query, channels: [], isTrial: false, now: bench.now)
                .map(\.action)
        }
        let helpless = try await helplessCode(bench)
        #expect(try await cancel(helpless) == [.cancelled])
        let told = bench.failedCode(on: bench.device())
        try await bench.pass()
        // The guest is told of the code, and somebody of the alerts.
        while let claimed = try await bench.ledger.claimManualDelivery(now: bench.now, lease: .seconds(60)) {
            #expect(try await bench.ledger.acknowledgeDelivery(claimed.id, now: bench.now))
        }
        let backup = try bench.value("SELECT backup_access_code_id FROM substitutions")
        bench.model.failCode(backup)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.openAlerts() == ["backup_failed"])
        #expect(try await cancel(told) == [.silenced])
        #expect(try bench.openAlerts() == [])
        // Whatever else is heard of the backup is no news.
        bench.model.emitEvent("access_code.name_changed", members: [.init("access_code_id", .string(backup))])
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.openAlerts() == [])
        #expect(try await cancel(told) == [.none])
        #expect(try bench.rows("SELECT * FROM journal WHERE kind = 'failover.cancelled'").count == 2)
        #expect(try await bench.ledger.overview(now: bench.now).guestCount == 0)
    }

    @Test func aBackupThatFailsAndRecoversIsWellAgain() async throws {
        let bench = try Bench()
        _ = bench.failedCode(on: bench.device())
        try await bench.pass()
        let backup = try bench.value("SELECT backup_access_code_id FROM substitutions")
        bench.model.failCode(backup)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.outcome(backup) == "ineligible·is_backup")
        #expect(try bench.openAlerts() == ["backup_failed"])
        bench.model.recoverCode(backup)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.outcome(backup) == "not_needed·recovered")
        #expect(try bench.openAlerts() == [])
    }

    @Test func aCodeThatFailsInThePoolIsNobodysConcern() async throws {
        let bench = try Bench()
        let device = bench.device()
        let backup = try #require(bench.model.device(device)?.pool.first)
        bench.model.failCode(backup)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.outcome(backup) == "ineligible·is_backup")
        #expect(try bench.value("SELECT count(*) FROM alerts") == "0")
    }

    @Test func aRecoveredCodeIsNotOpenedAgainAndAgain() async throws {
        let bench = try Bench()
        let device = bench.device()
        let code = bench.failedCode(on: device)
        try await bench.sweep()
        bench.model.recoverCode(code)
        bench.clock.advance(by: .seconds(5))
        try await bench.work()
        #expect(try bench.outcome(code) == "not_needed·recovered")
        bench.clock.advance(by: .seconds(1000))
        try await bench.sweep()
        #expect(try bench.outcome(code) == "not_needed·recovered")
    }
}

@Suite(.timeLimit(.minutes(5))) struct PoolHealthTests {
    @Test func oneAlertWhenAPoolTurnsEmptyAndOneWhenItIsWellAgain() async throws {
        let bench = try Bench()
        let device = bench.device(pool: 2)
        try await bench.stateSweep.readDevices()
        #expect(try bench.openAlerts() == [])
        bench.model.emptyPool(of: device, refills: false)
        for _ in 0..<3 { try await bench.stateSweep.readDevices() }
        #expect(try bench.openAlerts() == ["pool_empty"])
        #expect(try bench.value("SELECT count(*) FROM deliveries WHERE kind = 'alert'") == "1")
        bench.model.refillPool(of: device)
        for _ in 0..<3 { try await bench.stateSweep.readDevices() }
        #expect(try bench.openAlerts() == [])
        #expect(try bench.value("SELECT count(*) FROM deliveries WHERE kind = 'alert'") == "2")
    }

    @Test func aPoolThatWasSwitchedOffIsAnAlertWhoeverSeesItFirst() async throws {
        let bench = try Bench()
        var specification = SandboxDeviceSpecification(name: "Door")
        specification.isBackupPoolEnabled = false
        let device = bench.model.createDevice(specification)
        try await bench.ledger.keep(Device(id: device, isBackupPoolEnabled: true), now: bench.now)
        _ = bench.failedCode(on: device)
        try await bench.pass()
        #expect(try bench.openAlerts().contains("pool_disabled"))
        try await bench.stateSweep.readDevices()
        #expect(try bench.openAlerts().contains("pool_disabled"))
    }

    @Test func anAlertThatAGuestWaitsForIsNotClosedByALockThatSaysNothing() async throws {
        let bench = try Bench()
        var specification = SandboxDeviceSpecification(name: "Door")
        specification.isBackupPoolEnabled = false
        let device = bench.model.createDevice(specification)
        let code = bench.failedCode(on: device)
        try await bench.pass()
        #expect(try bench.outcome(code) == "waiting·pool_empty")
        for _ in 0..<3 {
            try await bench.stateSweep.readDevices()
            bench.clock.advance(by: .seconds(300))
            try await bench.work()
        }
        #expect(try bench.openAlerts() == ["pool_empty"])
        #expect(try bench.value("SELECT count(*) FROM alerts") == "1")
    }

    private static let kinds: [Alert.Kind] = [.manyActiveBackups, .poolDisabled, .poolEmpty, .poolPartial]

    /// A lock that Seam does not know any more and about which all is open that can be.
    private func removedLock(_ bench: Bench) async throws -> String {
        let id = UUID().uuidString.lowercased()
        try await bench.ledger.keep(Device(id: id, name: "Gone"), now: bench.now)
        for kind in Self.kinds {
            try await bench.ledger.open(
                Alert(kind, subject: id, deviceID: id, text: "-"), channels: [], now: bench.now)
        }
        #expect(try bench.openAlerts() == Self.kinds.map(\.rawValue))
        return id
    }

    @Test func aLockThatIsNoMoreIsForgottenWithItsAlerts() async throws {
        let bench = try Bench()
        let device = bench.device()
        let gone = try await removedLock(bench)
        // Nobody can be given a code there any more.
        try bench.change(
            """
            INSERT INTO failovers (failover_id, access_code_id, device_id, state, reason, failed_at, opened_at)
            VALUES ('fo_1', 'guest', '\(gone)', 'waiting', 'pool_empty', '\(bench.now)', '\(bench.now)')
            """)
        try await bench.stateSweep.readDevices()
        #expect(try bench.openAlerts() == [])
        #expect(try bench.rows("SELECT device_id AS id FROM devices") == [["id": device]])
        try await bench.stateSweep.readDevices()
        #expect(bench.model.counters.requests["/devices/get"] == 1)
    }

    @Test func thatALockIsNotListedAloneProvesNothing() async throws {
        let bench = try Bench()
        let gone = try await removedLock(bench)
        bench.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), route: "/devices/get", count: 1))
        try await bench.stateSweep.readDevices()
        #expect(bench.model.counters.requests["/devices/get"] == 1)
        #expect(try bench.openAlerts() == Self.kinds.map(\.rawValue))
        #expect(try bench.rows("SELECT device_id AS id FROM devices") == [["id": gone]])
    }

    @Test func aFewLocksThatAreNotListedAreReadAtOnce() async throws {
        let bench = try Bench()
        for _ in 0..<30 { try await bench.ledger.keep(Device(id: UUID().uuidString.lowercased()), now: bench.now) }
        try await bench.stateSweep.readDevices()
        #expect(bench.model.counters.requests["/devices/get"] == 20)
        try await bench.stateSweep.readDevices()
        #expect(try bench.value("SELECT count(*) FROM devices") == "0")
    }

    @Test func aLockIsKeptWhileAMessageMayNameIt() async throws {
        let bench = try Bench(FailoverSettings(channels: [.webhook]))
        let gone = try await removedLock(bench)
        _ = bench.failedCode(on: bench.device())
        try await bench.pass()
        try bench.change("UPDATE substitutions SET device_id = '\(gone)'")
        func isKept() async throws -> Bool {
            try await bench.stateSweep.readDevices()
            return try bench.value("SELECT count(*) FROM devices WHERE device_id = '\(gone)'") == "1"
        }
        #expect(try await isKept())
        #expect(try bench.openAlerts() == [])
        try bench.change("UPDATE substitutions SET state = 'revoked'")
        #expect(try await isKept())
        try bench.change("UPDATE deliveries SET state = 'delivered'")
        #expect(try await !isKept())
    }

    @Test func aLockWithoutAPoolIsNoNewsUntilThatChanges() async throws {
        let bench = try Bench()
        var specification = SandboxDeviceSpecification(name: "Salto")
        specification.supportsBackupPool = false
        specification.isBackupPoolEnabled = false
        bench.model.createDevice(specification)
        try await bench.stateSweep.readDevices()
        #expect(try bench.openAlerts() == [])
    }
}
