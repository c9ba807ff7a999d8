import Foundation
import GRDB
import JSON
import Ledger
import Logging
import Policy
import Synchronization
import Testing
import Time
import Words

@testable import Delivery

/// A folder of its own for one test, gone with it.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "/sparekey-delivery-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A shell script, to be run by `/bin/sh`: a file that was just written and is itself the program may be busy, when another
    /// test's child has inherited its descriptor.
    func script(_ name: String, _ text: String) throws -> String {
        let file = path + "/" + name
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        return file
    }

    func contents(_ name: String) -> String? {
        try? String(contentsOfFile: path + "/" + name, encoding: .utf8)
    }
}

/// Polls until `condition` holds; false after two minutes.
func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    let deadline = ContinuousClock.now + .seconds(120)
    while ContinuousClock.now < deadline {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}

/// A ledger in a folder of its own with guests whose codes failed, on a clock that is moved by hand.
struct DeliveryBench {
    static let start = Timestamp("2026-11-20T16:20:02.400Z")!
    static let pin = "739146"

    let folder: TemporaryFolder
    let ledger: Ledger
    let clock = ManualWallClock(DeliveryBench.start)
    var now: Timestamp { clock.now() }

    init() throws {
        folder = try TemporaryFolder()
        ledger = try Ledger(path: folder.path + "/sparekey.db", random: RandomSource(SeededGenerator(seed: 7)))
    }

    /// Fails the guest's code and records its backup, with a delivery by each of `channels`.
    @discardableResult
    func substitute(
        _ code: String = "guest", arrivesIn: Duration = .seconds(3600), stay: Duration = .seconds(86_400),
        channels: [DeliveryChannel] = [.webhook], dueIn: Duration = .zero, name: String? = "Ada",
        pin: String = DeliveryBench.pin
    ) async throws -> String {
        let facts = EventFacts(
            eventID: "event-" + code, eventType: "access_code.failed_to_set_on_device", accessCodeID: code,
            deviceID: "lock", occurredAt: nil)
        let body = Array(#"{"event_id":"event-\#(code)"}"#.utf8)
        let message = InboxMessage(svixID: "msg_" + code, source: .webhook, receivedAt: now, body: body)
        #expect(ledger.append([message]) == [.stored])
        let pending = try #require(try await ledger.pendingEvents(limit: 1).first)
        _ = try await ledger.settle([(pending.inboxID, .readable(facts, .opensFailover))], now: now)
        let failover = try #require(try await ledger.failover(accessCodeID: code))
        let startsAt = now + arrivesIn
        let reading = AccessCode(
            id: code, deviceID: "lock", name: name, startsAt: startsAt, endsAt: startsAt + stay)
        let backup = AccessCode(
            id: "backup-" + code, deviceID: "lock", startsAt: startsAt, endsAt: startsAt + stay, pin: PIN(pin),
            isBackup: true)
        let outcome = try await ledger.recordSubstitution(
            NewSubstitution(
                failover: failover, reading: reading, backup: backup, reason: .pulled, pullID: nil, requestID: nil,
                channels: channels, firstDeliveryAt: now + dueIn, firstLookAt: nil, alerts: AlertChanges(), journal: []),
            now: now)
        guard case .recorded(let id) = outcome else {
            Issue.record("not recorded: \(outcome)")
            return ""
        }
        return id
    }

    func worker(
        _ channel: DeliveryChannel = .webhook, _ way: any DeliveryWay, plan: DeliveryPlan = DeliveryPlan()
    ) -> DeliveryWorker {
        DeliveryWorker(
            channel: channel, way: way, ledger: ledger, clock: clock, random: RandomSource(SeededGenerator(seed: 3)),
            retry: Backoff(initial: .seconds(5), maximum: .seconds(900)), plan: plan, texts: .english,
            log: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    /// Sends what is due, one after the other, until nothing is.
    func drain(_ worker: DeliveryWorker) async throws {
        while true {
            let taken = try await worker.take()
            if taken.isEmpty { return }
            for delivery in taken { try await worker.carryOut(delivery) }
        }
    }

    func rows(_ sql: String) throws -> [Row] {
        var configuration = Configuration()
        configuration.readonly = true
        let queue = try DatabaseQueue(path: ledger.path, configuration: configuration)
        return try queue.read { try Row.fetchAll($0, sql: sql) }
    }

    /// Puts rows into the database as they are.
    func ledgerRows(_ sql: String) throws {
        let queue = try DatabaseQueue(path: ledger.path)
        try queue.writeWithoutTransaction { database in try database.execute(sql: sql) }
    }

    /// `channel state attempts last_error`, in the order in which the ways were tried.
    func states() throws -> [String] {
        try rows("SELECT * FROM deliveries WHERE kind <> 'alert' ORDER BY rowid").map { row in
            let error: String = row["last_error"] ?? "-"
            return "\(row["channel"] as String) \(row["state"] as String) \(row["attempts"] as Int) \(error)"
        }
    }
}

/// A way that answers as the test says and remembers what it was given.
final class ScriptedWay: DeliveryWay {
    private let sent = Mutex<[DeliveryMessage]>([])
    private let answer: @Sendable (Int) async -> SendOutcome

    /// - Parameter answer: gets the number of the attempt, from 0.
    init(_ answer: @escaping @Sendable (Int) async -> SendOutcome = { _ in .delivered }) { self.answer = answer }

    var messages: [DeliveryMessage] { sent.withLock { $0 } }
    var guests: [String] { messages.map { $0.json["data"]?["original_access_code_id"]?.string ?? "-" } }

    func send(_ message: DeliveryMessage) async -> SendOutcome {
        let number = sent.withLock { sent in
            sent.append(message)
            return sent.count - 1
        }
        return await answer(number)
    }
}
