import Foundation
import HTTPClient
import Ledger
import Policy
import Sandbox
import ScriptedServer
import Settings
import Synchronization
import Testing

@testable import Daemon

/// systemd is told that all is well, and the dead man's switch called, only while every part makes progress.
@Suite(.timeLimit(.minutes(10)))
struct WatchdogTests {
    /// A gate that a worker can be held at, as by a call that never returns.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        private let isShut = Mutex(false)
        let isHeld = Mutex(false)

        func shut() { isShut.withLock { $0 = true } }

        func open() {
            isShut.withLock { $0 = false }
            semaphore.signal()
        }

        func pass() {
            guard isShut.withLock({ $0 }) else { return }
            isHeld.withLock { $0 = true }
            semaphore.wait()
        }
    }

    /// The monotonic clock, moved ahead at will.
    private final class PulseClock: Sendable {
        private let offset = Mutex<Duration>(.zero)

        func now() -> SuspendingClock.Instant { SuspendingClock.now.advanced(by: offset.withLock { $0 }) }
        func move(by duration: Duration) { offset.withLock { $0 += duration } }
    }

    /// Who sleeps is not woken when the clock is moved, so nobody sleeps long.
    private static func restless(_ settings: inout Settings) { settings.reconcile.interval = .seconds(1) }

    @Test func aHungWorkerStopsTheFeeding() async throws {
        let (gate, clock) = (Gate(), PulseClock())
        let surroundings = House.Surroundings(pulseClock: { clock.now() }, observe: { _, _ in gate.pass() })
        try await House.with(settings: Self.restless, surroundings: surroundings) { house in
            let systemd = try NotifySocket(in: house.folder)
            try await house.restart(environment: ["NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "600000"])
            try await eventually("it is fed") { systemd.feedings >= 3 }

            // One lock's worker hangs; all others go on.
            gate.shut()
            // Whatever is found, the house is left.
            defer { gate.open() }
            house.model.failCode(house.guest(on: house.lock()))
            try await eventually("the worker hangs") { gate.isHeld.withLock { $0 } }
            clock.move(by: .seconds(3600))
            try await eventually("it alone is found") {
                try await house.admin("GET", "/readyz").text.contains(#""detail":"lane""#)
            }
            try await eventually("the status tells") { systemd.messages.contains { $0.contains("stalled") } }
            let before = try await expectNoFeeding(of: systemd)
            let ready = try await house.admin("GET", "/readyz")
            #expect(ready.status == 200, "webhooks are still taken: \(ready.text)")

            gate.open()
            try await eventually("it is fed again") { systemd.feedings > before }
        }
    }

    /// As on a disk that hangs: the commit neither fails nor comes to its end.
    @Test func aHungCommitStopsTheFeeding() async throws {
        let (gate, clock) = (Gate(), PulseClock())
        let surroundings = House.Surroundings(
            pulseClock: { clock.now() }, interruption: { if $0 == .beforeCommit { gate.pass() } })
        try await House.with(settings: Self.restless, surroundings: surroundings) { house in
            let systemd = try NotifySocket(in: house.folder)
            try await house.restart(environment: ["NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "600000"])
            try await eventually("it is fed") { systemd.feedings >= 3 }

            gate.shut()
            // Whatever is found, the house is left.
            defer { gate.open() }
            let message = HandMade(#"{"event_id": "1", "event_type": "noise"}"#)
            async let status = house.post(message).status
            try await eventually("a commit hangs") { gate.isHeld.withLock { $0 } }
            clock.move(by: .seconds(3600))
            try await eventually("intake is found") {
                let answer = try await house.admin("GET", "/readyz")
                return answer.status == 503 && answer.text.contains("intake")
            }
            let before = try await expectNoFeeding(of: systemd)

            gate.open()
            try await eventually("it is fed again") { systemd.feedings > before }
            // Its sender had waited too long, or had not.
            #expect([204, 503].contains(try await status))
            #expect(try await house.post(message).status == 204)
            #expect(try await house.admin("GET", "/readyz").status == 200)
        }
    }

    /// A call to Seam beyond its time limit, which nothing has ended.
    @Test(arguments: [("/events/list", "sweep"), ("/devices/list", "locks"), ("/access_codes/list", "state_sweep")])
    func aHungSweepStopsTheFeeding(route: String, part: String) async throws {
        let clock = PulseClock()
        try await House.with(
            settings: {
                Self.restless(&$0)
                $0.reconcile.stateInterval = .seconds(1)
                $0.seam.timeout = .seconds(600)
            }, surroundings: House.Surroundings(pulseClock: { clock.now() })
        ) { house in
            _ = house.lock()
            let systemd = try NotifySocket(in: house.folder)
            try await house.restart(environment: ["NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "600000"])
            try await eventually("it is fed") { systemd.feedings >= 3 }

            house.model.addFault(SandboxFault(.timeout, route: route, count: nil))
            try await eventually("the sweep hangs") { house.model.counters.faultsServed > 0 }
            clock.move(by: .seconds(3600))
            try await eventually("it alone is found") {
                try await house.admin("GET", "/readyz").text.contains(#""detail":"\#(part)""#)
            }
            _ = try await expectNoFeeding(of: systemd)
            #expect(try await house.admin("GET", "/readyz").status == 200, "webhooks are still taken")
        }
    }

    /// - Returns: how often it has been fed.
    private func expectNoFeeding(of systemd: NotifySocket) async throws -> Int {
        let before = systemd.feedings
        for _ in 0..<5 {
            try await Task.sleep(for: .milliseconds(250))
            #expect(systemd.feedings == before)
        }
        return before
    }

    /// Its queue takes as few as ten, and whoever waits for it on a thread of the pool holds up all others.
    @Test func aSystemdThatDoesNotReadHoldsNobodyUp() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        let systemd = try NotifySocket(in: folder)
        let manager = ServiceManager(environment: ["NOTIFY_SOCKET": systemd.path], processID: 42)
        // The kernel's bound is 512 at the most by default.
        for _ in 0..<2_000 { manager.feedWatchdog() }
        manager.notifyReady(status: "Taking webhooks")
        let messages = systemd.messages
        #expect(messages.count >= 10 && messages.count < 2_000)
        try await eventually("what has to be said waits for room") {
            systemd.messages.last == "READY=1\nSTATUS=Taking webhooks"
        }
    }

    @Test func nobodyIsMissedWhileNothingComes() async throws {
        let clock = PulseClock()
        let surroundings = House.Surroundings(pulseClock: { clock.now() })
        try await House.with(settings: Self.restless, surroundings: surroundings) { house in
            let systemd = try NotifySocket(in: house.folder)
            try await house.restart(environment: ["NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "600000"])
            try await eventually("it is fed") { systemd.feedings >= 1 }
            clock.move(by: .seconds(3600))
            let before = systemd.feedings
            try await eventually("every part has been heard of") { systemd.feedings > before + 3 }
        }
    }

    @Test func theDeadMansSwitchIsCalledOnlyWhileSweepsSucceed() async throws {
        let calls = Mutex(0)
        let server = ScriptedServer { _ in
            calls.withLock { $0 += 1 }
            return .response(200)
        }
        defer { server.stop() }
        let clock = PulseClock()
        try await House.with(
            settings: {
                $0.heartbeat.url = server.url
                $0.heartbeat.interval = .milliseconds(100)
                $0.reconcile.interval = .seconds(1)
            }, surroundings: House.Surroundings(pulseClock: { clock.now() })
        ) { house in
            try await eventually("it is called") { calls.withLock { $0 } >= 2 }
            // The process lives, webhooks are committed; Seam alone answers nothing but errors.
            house.model.addFault(
                SandboxFault(.error(status: 500, type: "internal_server_error", retryAfter: nil), count: 1_000_000))
            try await eventually("a sweep has failed") {
                try await house.admin("GET", "/metrics").text.contains(#"sparekey_sweeps_total{result="failed"}"#)
            }
            clock.move(by: .seconds(3600))
            // More than the other parts need to be heard of again.
            try await eventually("it is withheld for good") {
                let name = #"sparekey_heartbeats_total{result="withheld"} "#
                let lines = try await house.admin("GET", "/metrics").text.split(separator: "\n")
                return lines.contains { $0.hasPrefix(name) && (Int($0.dropFirst(name.count)) ?? 0) >= 60 }
            }
            let before = calls.withLock { $0 }
            try await Task.sleep(for: .milliseconds(500))
            #expect(calls.withLock { $0 } == before)
            try await eventually("webhooks are taken all the same") {
                try await house.admin("GET", "/readyz").status == 200
            }
        }
    }
}
