import Failover
import Foundation
import GRDB
import HTTPClient
import JSON
import Ledger
import Logging
import Sandbox
import Seam
import Time

/// The engine, the sweeps and the follower against the simulated Seam in one process, on a clock that the test moves.
final class Bench: Sendable {
    let clock: ManualWallClock
    let model: SandboxModel
    let ledger: Ledger
    let engine: FailoverEngine
    let follower: SubstitutionFollower
    let stateSweep: StateSweep
    let eventSweep: EventSweep
    let governor: SeamGovernor
    let seam: SeamClient
    let triage: EventTriage
    private let folder: URL
    private let databasePath: String

    /// - Parameter callTime: how long each call to Seam takes.
    init(
        _ settings: FailoverSettings = FailoverSettings(), options: SandboxOptions = SandboxOptions(),
        callTime: Duration = .zero
    ) throws {
        let start = try require(Timestamp("2026-11-20T12:00:00Z"))
        clock = ManualWallClock(start)
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("failover-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        databasePath = folder.appendingPathComponent("test.db").path
        let random = RandomSource(SeededGenerator(seed: 7))
        ledger = try Ledger(path: databasePath, random: random)
        model = SandboxModel(options: options, clock: clock, random: RandomSource(SeededGenerator(seed: 11)))
        governor = SeamGovernor(clock: clock, random: random)
        seam = try SeamClient(
            baseURL: "http://127.0.0.1:1", apiKey: APIKey("seam_test_key"),
            transport: SlowTransport(sandbox: SandboxTransport(model: model), clock: clock, callTime: callTime),
            timeout: .seconds(15), clock: clock, observer: { [governor] in governor.note($0) })
        var log = Logger(label: "test")
        log.logLevel = .critical
        engine = FailoverEngine(
            ledger: ledger, seam: seam, clock: clock, random: random, settings: settings, governor: governor, log: log)
        follower = SubstitutionFollower(
            ledger: ledger, seam: seam, clock: clock, random: random, settings: settings, log: log)
        stateSweep = StateSweep(
            ledger: ledger, seam: seam, clock: clock, settings: settings, governor: governor, interval: .seconds(900),
            horizon: .seconds(72 * 3600), log: log)
        eventSweep = EventSweep(
            ledger: ledger, seam: seam, clock: clock, overlap: .seconds(3600), eventTypes: SeamEvent.usedTypes)
        triage = EventTriage(triggerEvents: settings.triggerEvents)
    }

    deinit {
        ledger.close()
        try? FileManager.default.removeItem(at: folder)
    }

    var now: Timestamp { clock.now() }

    // MARK: What happens at Seam

    func device(pool: Int = 3, refills: Bool = true) -> String {
        var specification = SandboxDeviceSpecification(name: "Door")
        specification.poolSize = pool
        let id = model.createDevice(specification)
        if !refills { model.setPool(of: id, refillDelay: .seconds(1_000_000)) }
        return id
    }

    /// A code that has failed, whose stay starts and ends so long from now.
    func failedCode(on device: String, startsIn: Duration = .seconds(3600), endsIn: Duration = .seconds(86_400))
        -> String
    {
        var specification = SandboxCodeSpecification(deviceID: device, startsAt: now + startsIn, endsAt: now + endsIn)
        specification.isBroken = true
        let id = model.createCode(specification)
        model.failCode(id)
        return id
    }

    // MARK: What Sparekey does

    /// All of the events so far, in the given order, as webhooks.
    func receive(_ events: [SandboxEvent]) async throws {
        let messages = events.enumerated().map { index, event in
            InboxMessage(svixID: "msg_\(UUID())", source: .webhook, receivedAt: now, body: event.json.bytes)
        }
        _ = ledger.append(messages)
        try await settleInbox()
    }

    func settleInbox() async throws {
        var log = Logger(label: "test")
        log.logLevel = .critical
        let worker = InboxWorker(ledger: ledger, clock: clock, triage: triage, log: log)
        while try await worker.step().hasMore {}
    }

    /// Works off what is due, lane by lane, and the stays that are to be looked at.
    func work() async throws {
        try await engine.scout()
        var lanes = try await engine.dueLanes(notIn: [])
        var rounds = 0
        while !lanes.isEmpty, rounds < 1000 {
            for lane in lanes { try await engine.work(lane) }
            lanes = try await engine.dueLanes(notIn: [])
            rounds += 1
        }
        for substitution in try await follower.due(limit: 1000) { try await follower.look(at: substitution) }
    }

    /// The webhooks of everything new, then the work.
    func pass() async throws {
        let known = try rows("SELECT event_id AS id FROM webhook_events").compactMap { $0["id"] }
        try await receive(model.events.filter { !known.contains($0.id) })
        try await work()
    }

    /// Reads the locks, and the codes of each whose turn it is.
    func sweep() async throws {
        try await stateSweep.readDevices()
        while try await stateSweep.sweepNextDevice() != nil {}
    }

    // MARK: What is in the log

    func rows(_ sql: String) throws -> [[String: String]] {
        let queue = try DatabaseQueue(path: databasePath)
        return try queue.read { database in
            try Row.fetchAll(database, sql: sql).map { row in
                Dictionary(uniqueKeysWithValues: row.map { ($0.0, text($0.1)) })
            }
        }
    }

    func change(_ sql: String) throws {
        let queue = try DatabaseQueue(path: databasePath)
        try queue.writeWithoutTransaction { database in try database.execute(sql: sql) }
    }

    private func text(_ value: DatabaseValue) -> String {
        switch value.storage {
        case .null, .blob: ""
        case .int64(let number): "\(number)"
        case .double(let number): "\(number)"
        case .string(let text): text
        }
    }

    func value(_ sql: String) throws -> String {
        try rows(sql).first?.values.first ?? "none"
    }

    /// `state·reason` of a code's failover.
    func outcome(_ code: String) throws -> String {
        try rows(
            "SELECT state || '·' || coalesce(reason, '') AS outcome FROM failovers WHERE access_code_id = '\(code)'"
        )
        .first?["outcome"] ?? "none"
    }

    /// Kinds of the alerts that are open, in order.
    func openAlerts() throws -> [String] {
        try rows("SELECT kind FROM alerts WHERE closed_at IS NULL ORDER BY kind").compactMap { $0["kind"] }
    }
}

/// The simulated Seam, for whose answers the clock goes on.
private struct SlowTransport: HTTPTransport {
    let sandbox: SandboxTransport
    let clock: ManualWallClock
    let callTime: Duration

    func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
        clock.advance(by: callTime)
        return try await sandbox.send(request)
    }
}

struct Missing: Error {}

/// `#require` outside a test function.
func require<Value>(_ value: Value?) throws -> Value {
    guard let value else { throw Missing() }
    return value
}
