internal import Delivery
internal import Failover
internal import HTTPClient
internal import Ledger
internal import Logging
internal import Policy
internal import Seam
internal import Signatures
internal import Time
internal import Words

/// One life of the daemon, from a start to a crash: the workers as `Workers` wires them, stepped by the world instead of running.
final class Sparekey {
    enum Worker: Int, CaseIterable {
        case inbox, failovers, eventSweep, devices, states, following, endings, delivery
    }

    let ledger: Ledger
    let governor: SeamGovernor
    let verifier: SignatureVerifier
    /// Something was put into the inbox, or may have been before this life.
    var hasMail = true
    /// A write ended since the due times were read.
    var ledgerHasChanged = true
    /// What a worker is in the middle of.
    private(set) var underWay: [Worker] = []

    private let clock: WorldClock
    private let random: RandomSource
    private let settings: WorldSettings
    private let inbox: InboxWorker
    private let engine: FailoverEngine
    private let eventSweep: EventSweep
    private let stateSweep: StateSweep
    private let follower: SubstitutionFollower
    private let delivery: DeliveryWorker
    private var busy: Set<Lane> = []
    private var sweepFailures = 0
    /// In the daemon's own time.
    private var dueFromLedger: [Worker: Timestamp] = [:]
    private var dueByTimer: [Worker: Timestamp] = [:]
    private var notBefore: [Worker: Timestamp] = [:]

    init(
        ledger: Ledger, transport: any HTTPTransport, way: any DeliveryWay, secret: String, clock: WorldClock,
        random: RandomSource, settings: WorldSettings
    ) throws {
        let log = Logger(label: "simulation") { _ in SwiftLogNoOpLogHandler() }
        self.ledger = ledger
        self.clock = clock
        self.random = random
        self.settings = settings
        verifier = try SignatureVerifier(secrets: [SigningSecret(secret)])
        let governor = SeamGovernor(clock: clock, random: random)
        self.governor = governor
        let seam = try SeamClient(
            baseURL: "https://seam.test", apiKey: APIKey("seam_test1"), transport: transport, timeout: .seconds(15),
            clock: clock, observer: governor.note)
        let failover = settings.failover
        inbox = InboxWorker(
            ledger: ledger, clock: clock, triage: EventTriage(triggerEvents: failover.triggerEvents), log: log)
        engine = FailoverEngine(
            ledger: ledger, seam: seam, clock: clock, random: random, settings: failover, governor: governor, log: log)
        eventSweep = EventSweep(
            ledger: ledger, seam: seam, clock: clock, overlap: settings.sweepOverlap,
            eventTypes: Set(SeamEvent.usedTypes).union(failover.triggerEvents).sorted())
        stateSweep = StateSweep(
            ledger: ledger, seam: seam, clock: clock, settings: failover, governor: governor,
            interval: settings.stateInterval, horizon: settings.horizon, log: log)
        follower = SubstitutionFollower(
            ledger: ledger, seam: seam, clock: clock, random: random, settings: failover, log: log)
        delivery = DeliveryWorker(
            channel: .webhook, way: way, ledger: ledger, clock: clock, random: random, retry: settings.deliveryRetry,
            plan: DeliveryPlan(order: [.webhook]), texts: .english, log: log)
        for worker in [Worker.eventSweep, .devices, .states] { dueByTimer[worker] = clock.now() }
    }

    /// When each worker has something to do, in the daemon's own time; those that wait for a message are left out.
    func dueTimes() async throws -> [(worker: Worker, at: Timestamp)] {
        if ledgerHasChanged {
            ledgerHasChanged = false
            dueFromLedger[.failovers] = try await ledger.nextFailoverAt()
            dueFromLedger[.following] = try await ledger.nextSubstitutionLook()
            dueFromLedger[.endings] = try await ledger.nextSubstitutionEnd(now: clock.now())
            dueFromLedger[.delivery] = try await delivery.nextAt()
        }
        let pause = governor.pausedUntil
        return Worker.allCases.compactMap { worker in
            guard !underWay.contains(worker), var at = dueByTimer[worker] ?? dueFromLedger[worker] ?? mail(worker)
            else { return nil }
            if let pause, [.failovers, .following, .states].contains(worker) { at = max(at, pause) }
            if let earliest = notBefore[worker] { at = max(at, earliest) }
            return (worker, at)
        }
    }

    private func mail(_ worker: Worker) -> Timestamp? {
        worker == .inbox && hasMail ? Timestamp(secondsSinceEpoch: 0) : nil
    }

    /// One turn of a worker's loop. An error waits a second, as in the daemon.
    func step(_ worker: Worker) async {
        underWay.append(worker)
        do {
            try await turn(worker)
            notBefore[worker] = nil
        } catch {
            notBefore[worker] = clock.now() + .seconds(1)
        }
        underWay.removeLast()
    }

    /// The daemon's clock was set: timers count on the monotonic clock and keep their distance.
    func clockStepped(by step: Duration) {
        for (worker, at) in dueByTimer { dueByTimer[worker] = at + step }
        for (worker, at) in notBefore { notBefore[worker] = at + step }
    }

    private func turn(_ worker: Worker) async throws {
        switch worker {
        case .inbox:
            hasMail = false
            while try await inbox.step().hasMore {}
        case .failovers:
            try await engine.scout()
            for lane in try await engine.dueLanes(notIn: busy) {
                busy.insert(lane)
                defer { busy.remove(lane) }
                try await engine.work(lane)
            }
        case .eventSweep: await sweepEvents()
        case .devices:
            dueByTimer[.devices] = clock.now() + settings.sweepInterval
            try await stateSweep.readDevices()
        case .states: try await sweepStates()
        case .following:
            for substitution in try await follower.due(limit: 64) { try await follower.look(at: substitution) }
        case .endings:
            _ = try await ledger.endSubstitutions(channels: [.webhook], now: clock.now())
            try await ledger.giveUpManualDeliveries(now: clock.now())
        case .delivery: for message in try await delivery.take() { try await delivery.carryOut(message) }
        }
    }

    private func sweepEvents() async {
        do {
            if try await eventSweep.sweep() > 0 { hasMail = true }
            sweepFailures = 0
            dueByTimer[.eventSweep] = clock.now() + settings.sweepInterval
        } catch {
            sweepFailures += 1
            let backoff = Backoff(initial: .seconds(5), maximum: max(.seconds(5), settings.sweepInterval))
            dueByTimer[.eventSweep] =
                clock.now() + max(.seconds(1), random.delay(backoff, afterAttempt: sweepFailures))
        }
    }

    private func sweepStates() async throws {
        dueByTimer[.states] = clock.now() + settings.statePace
        guard try await stateSweep.sweepNextDevice() == nil else { return }
        // The daemon asks its ledger every few seconds; nothing comes of it before the next lock's turn.
        let pause = max(settings.statePace, .seconds(5))
        let turn = try await stateSweep.nextTurn() ?? clock.now() + .minutes(5)
        dueByTimer[.states] = max(clock.now() + pause, turn + .milliseconds(1))
    }
}
