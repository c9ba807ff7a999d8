import Foundation
import JSON
import Ledger
import Policy
import Synchronization
import Testing
import Time

@testable import Daemon

/// Each guest's wait is in the histograms once, whenever it was written down.
@Suite struct LogMetricsTests {
    private let folder: String
    private let ledger: Ledger
    private let metrics = Metrics()
    private let clock = StandingClock()
    private let logMetrics: LogMetrics

    init() throws {
        folder = NSTemporaryDirectory() + "/sparekey-metrics-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        ledger = try Ledger(path: folder + "/sparekey.db")
        logMetrics = try LogMetrics(ledger: ledger, metrics: metrics, clock: clock)
    }

    private func end() {
        ledger.close()
        try? FileManager.default.removeItem(atPath: folder)
    }

    private var counts: [Substring?] {
        ["substitution", "delivery"].map { kind in
            metrics.text().split(separator: "\n").first { $0.hasPrefix("sparekey_\(kind)_seconds_count ") }?
                .split(separator: " ").last
        }
    }

    /// A guest whose code fails at `now`, who gets a backup 4 s later and hears of it after 9 s.
    private func help(_ code: String, at now: Timestamp) async throws {
        let message = InboxMessage(svixID: "msg_" + code, source: .webhook, receivedAt: now, body: Array("{}".utf8))
        #expect(ledger.append([message]) == [.stored])
        let pending = try await ledger.pendingEvents(limit: 1)
        let facts = EventFacts(
            eventID: "event-" + code, eventType: "access_code.failed_to_set_on_device", accessCodeID: code,
            deviceID: "lock", occurredAt: now)
        _ = try await ledger.settle([(pending[0].inboxID, .readable(facts, .opensFailover))], now: now)
        let failover = try #require(try await ledger.failover(accessCodeID: code))
        let ends = now + .seconds(90_000)
        let backup = AccessCode(
            id: "backup-" + code, deviceID: "lock", startsAt: now, endsAt: ends, pin: PIN("739146"), isBackup: true)
        _ = try await ledger.recordSubstitution(
            NewSubstitution(
                failover: failover,
                reading: AccessCode(id: code, deviceID: "lock", startsAt: now, endsAt: ends), backup: backup,
                reason: .pulled, pullID: nil, requestID: nil, channels: [.webhook], firstDeliveryAt: now,
                firstLookAt: nil, alerts: AlertChanges(), journal: []), now: now + .seconds(4))
        let due = try await ledger.dueDeliveries(channel: .webhook, now: now + .seconds(4), limit: 1)
        try await ledger.record(.delivered, of: try #require(due.first), now: now + .seconds(9))
    }

    @Test func whatIsCommittedLateIsCounted() async throws {
        defer { end() }
        let start = clock.now()
        clock.move(to: start + .seconds(60))
        try await logMetrics.countDurations()
        // Its times were taken before those who asked came, its commits took longer.
        try await help("late", at: start + .seconds(20))
        clock.move(to: start + .seconds(120))
        try await logMetrics.countDurations()
        #expect(counts == ["1", "1"])
        #expect(metrics.text().contains("sparekey_substitution_seconds_sum 4.0\n"))
        #expect(metrics.text().contains("sparekey_delivery_seconds_sum 9.0\n"))
    }

    @Test func whatCouldNotBeReadIsCountedTheNextTime() async throws {
        defer { end() }
        try await help("guest", at: clock.now())
        clock.move(to: clock.now() + .seconds(60))
        let failed = Task { [logMetrics] in
            withUnsafeCurrentTask { $0?.cancel() }
            try await logMetrics.countDurations()
        }
        await #expect(throws: (any Error).self) { try await failed.value }
        clock.move(to: clock.now() + .seconds(60))
        try await logMetrics.countDurations()
        #expect(counts == ["1", "1"])
    }

    @Test func whatCannotBeReadIsLeftOut() async throws {
        defer { end() }
        let health = Health(pulse: Pulse())
        await logMetrics.update(health: health)
        #expect(metrics.text().contains("sparekey_locks_offline 0\n"))
        ledger.close()
        health.noteCommit(failure: LedgerError(.storage, reason: "closed", hint: ""))
        await logMetrics.update(health: health)
        let gauges = metrics.text().split(separator: "\n").filter { $0.hasSuffix(" gauge") }
        #expect(gauges == ["# TYPE sparekey_ready gauge"])
        #expect(metrics.text().contains("sparekey_ready 0\n"))
    }

    @Test func manyWhoAskAtATimeCountOnce() async throws {
        defer { end() }
        for guest in 0..<20 {
            try await help("guest-\(guest)", at: clock.now())
            clock.move(to: clock.now() + .seconds(60))
            try await withThrowingTaskGroup { group in
                for _ in 0..<8 { group.addTask { try await logMetrics.countDurations() } }
                try await group.waitForAll()
            }
        }
        #expect(counts == ["20", "20"])
    }
}

/// Time that passes when a test says so.
private final class StandingClock: WallClock {
    private let time = Mutex(Timestamp(secondsSinceEpoch: 1_800_000_000))

    func now() -> Timestamp { time.withLock { $0 } }
    func move(to now: Timestamp) { time.withLock { $0 = now } }
    func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
}
