import Foundation
import HTTPClient
import Policy
import Sandbox
import Settings
import Testing

/// SIGHUP, each time in a process of its own: the signal goes to all daemons of a process.
@Suite(.timeLimit(.minutes(10)))
struct ReloadTests {
    private static func noise() -> HandMade {
        HandMade(#"{"event_id": "\#(UUID().uuidString)", "event_type": "noise"}"#)
    }

    private static func metrics(_ house: House) async throws -> String {
        try await house.admin("GET", "/metrics").text
    }

    @Test func secretIsRotated() async throws {
        await #expect(processExitsWith: .success) { try await ReloadTests.rotateSecret() }
    }

    private static func rotateSecret() async throws {
        try await House.with { house in
            let new = House.newSecret()
            let early = try await house.post(noise(), secret: new)
            #expect(early.status == 401)
            house.settings.webhook.secrets = [SecretText(new), SecretText(house.secret)]
            kill(getpid(), SIGHUP)
            try await eventually("the new secret is known") { try await house.post(noise(), secret: new).status == 204 }
            let old = try await house.post(noise())
            #expect(old.status == 204, "both are good while rotating")
            house.settings.webhook.secrets = [SecretText(new)]
            kill(getpid(), SIGHUP)
            try await eventually("the old secret is forgotten") { try await house.post(noise()).status == 401 }
            #expect(try await house.post(noise(), secret: new).status == 204)
        }
    }

    @Test func unreadableConfigurationIsRefusedWhole() async throws {
        await #expect(processExitsWith: .success) { try await ReloadTests.refuseConfiguration() }
    }

    private static func refuseConfiguration() async throws {
        try await House.with { house in
            let systemd = try NotifySocket(in: house.folder)
            try await house.restart(environment: ["NOTIFY_SOCKET": systemd.path])
            let new = House.newSecret()
            house.settings.webhook.secrets = [SecretText(new)]
            house.canBeReloaded = false
            kill(getpid(), SIGHUP)
            try await eventually("it is refused") { try await metrics(house).contains("sparekey_reload_success 0") }
            #expect(try await house.post(noise()).status == 204)
            #expect(try await house.post(noise(), secret: new).status == 401)

            // What can be read but not used is refused as a whole too.
            house.canBeReloaded = true
            house.settings.seam.baseURL = "ftp://127.0.0.1"
            kill(getpid(), SIGHUP)
            // Once at the start, and after each reload.
            try await eventually("it is refused, too") { systemd.messages.count { $0.hasPrefix("READY=1\n") } == 3 }
            #expect(try await house.post(noise(), secret: new).status == 401)
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
        }
    }

    @Test func workersTakeTheNewConfiguration() async throws {
        await #expect(processExitsWith: .success) { try await ReloadTests.changeWorkers() }
    }

    private static func changeWorkers() async throws {
        let slow: (inout Settings) -> Void = {
            $0.failover.leadTime = .seconds(3600)
            $0.failover.retryInitial = .seconds(1)
        }
        try await House.with(settings: slow) { house in
            let lock = house.lock()
            let waiting = house.guest(on: lock, from: .seconds(86_400), to: .seconds(2 * 86_400))
            house.model.failCode(waiting)
            try await house.expect(waiting, .waiting, "lead_time")
            house.settings.failover.leadTime = nil
            kill(getpid(), SIGHUP)
            try await eventually("it is applied") { try await metrics(house).contains("sparekey_reload_success 1") }
            let code = house.guest(on: lock, from: .seconds(86_400), to: .seconds(2 * 86_400))
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            #expect(house.model.counters.pulls[code] == 1)
        }
    }
}
