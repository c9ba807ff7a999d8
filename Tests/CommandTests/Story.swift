import Foundation
import JSON
import Ledger
import Policy
import Testing
import Time

/// A ledger with one guest who has a backup, one who waits, and one who has just failed.
struct Story {
    let command: Command
    let ledger: Ledger
    let start = Timestamp("2026-11-20T16:20:02.400Z")!

    /// Of a stay that is not over when a command runs, whose clock is the machine's.
    static let century = Duration.seconds(100 * 365 * 86_400)

    /// - Parameter stay: from the story's beginning to the end of the stay that has a backup.
    init(stay: Duration = .seconds(90_000)) async throws {
        command = try Command()
        ledger = try Ledger(path: command.database, random: RandomSource(SeededGenerator(seed: 3)))
        let told = try await fail("guest-told")
        let reading = AccessCode(
            id: "guest-told", deviceID: "front-door", name: "=Ada\u{1B}[31m", startsAt: start + .seconds(3600),
            endsAt: start + stay)
        let backup = AccessCode(
            id: "backup", deviceID: "front-door", startsAt: start, endsAt: start + stay,
            pin: PIN("739146"), isBackup: true)
        _ = try await ledger.recordSubstitution(
            NewSubstitution(
                failover: told, reading: reading, backup: backup, reason: .pulled, pullID: nil, requestID: nil,
                channels: [.manual], firstDeliveryAt: start, firstLookAt: nil, alerts: AlertChanges(), journal: []),
            now: start)
        try await wait(try await fail("guest-waiting", device: "back-door"))
        _ = try await fail("guest-new", at: start + .seconds(60))
    }

    func fail(_ code: String, device: String = "front-door", at now: Timestamp? = nil) async throws -> Failover {
        let now = now ?? start
        let message = InboxMessage(svixID: "msg_" + code, source: .webhook, receivedAt: now, body: Array("{}".utf8))
        #expect(ledger.append([message]) == [.stored])
        let pending = try await ledger.pendingEvents(limit: 1)
        let facts = EventFacts(
            eventID: "event-" + code, eventType: "access_code.failed_to_set_on_device", accessCodeID: code,
            deviceID: device, occurredAt: now)
        _ = try await ledger.settle([(pending[0].inboxID, .readable(facts, .opensFailover))], now: now)
        return try #require(try await ledger.failover(accessCodeID: code))
    }

    func wait(_ failover: Failover) async throws {
        try await ledger.record(
            FailoverStep(state: .waiting, reason: "pool_empty", nextAttemptAt: start), of: failover, now: start)
    }

    func end() {
        ledger.close()
        command.remove()
    }
}
