internal import Delivery
internal import Failover
internal import HTTPClient
internal import Ledger
internal import Logging
internal import Policy
internal import Seam
internal import Settings
internal import Signatures
internal import Time

/// The workers of one configuration: inbox, failovers, sweeps, deliveries and the end of stays. A reload stops them and starts new
/// ones; since what is to be done stands in the ledger, they may be stopped anywhere.
struct Workers: Sendable {
    /// What outlives a reload.
    struct Surroundings: Sendable {
        var ledger: Ledger
        var clock: any WallClock
        var random: RandomSource
        var metrics: Metrics
        var health: Health
        var pulse: Pulse
        var log: Logger
        var outage: Outage
        var inboxChanged: Wakeup
        var intakeRefused: Wakeup
        var failoversChanged: Wakeup
        var deliveriesChanged: Wakeup
        var substitutionsChanged: Wakeup
        /// Told of each failover's new state and reason.
        var observe: @Sendable (FailoverState, String) -> Void
        /// Whether webhooks wait for a commit.
        var isIntakeBusy: @Sendable () -> Bool = { false }
    }

    /// No worker sleeps longer than this without looking at the ledger, so that a lost wake-up costs one poll.
    static let pollInterval = Duration.seconds(5)
    /// How long events gather before they are settled.
    static let settlingDelay = Duration.milliseconds(10)

    let surroundings: Surroundings
    let inbox: InboxWorker
    let engine: FailoverEngine
    let sweep: EventSweep
    let sweepInterval: Duration
    let stateSweep: StateSweep
    let statePace: Duration
    let follower: SubstitutionFollower
    let governor: SeamGovernor
    let deliveries: [(worker: DeliveryWorker, wakeup: Wakeup)]
    let plan: DeliveryPlan
    let retention: Settings.Retention
    /// Within this a delivery has been sent or given up.
    let deliveryPatience: Duration
    /// Within this a call to Seam has come to its end.
    let callPatience: Duration
    /// Nil: nobody is told that all is well.
    let heartbeat: Heartbeat?

    /// - Throws: what is wrong with a value that only its user can judge: the API key, a URL, a secret.
    init(settings: Settings, surroundings: Surroundings) throws {
        self.surroundings = surroundings
        let clock = surroundings.clock
        let transport = CurlTransport(
            maxConcurrentRequests: settings.seam.maxConcurrentRequests, maxQueued: 1024, userAgent: Release.userAgent)
        let (metrics, health) = (surroundings.metrics, surroundings.health)
        let callPatience = settings.seam.timeout + Pulse.patience
        let governor = SeamGovernor(clock: clock, random: surroundings.random)
        self.governor = governor
        let seam = try SeamClient(
            baseURL: settings.seam.baseURL, apiKey: try APIKey(settings.seam.apiKey?.reveal ?? ""),
            transport: transport,
            timeout: settings.seam.timeout, clock: clock
        ) { call in
            // However many calls a sweep or a lock takes: while they come to an end, it goes on.
            Pulse.part?.beat(within: callPatience, succeeded: false)
            health.noteCall(call)
            governor.note(call)
            metrics.add(
                to: "sparekey_api_calls_total", [("route", call.route), ("outcome", call.outcome.rawValue)],
                help: "Calls to Seam by route and outcome.")
        }
        inbox = InboxWorker(
            ledger: surroundings.ledger, clock: clock,
            triage: EventTriage(triggerEvents: Set(settings.failover.triggerEvents)), log: surroundings.log,
            isIntakeBusy: surroundings.isIntakeBusy, noteProgress: { Pulse.part?.beat() })
        let failover = FailoverSettings(settings)
        engine = FailoverEngine(
            ledger: surroundings.ledger, seam: seam, clock: clock, random: surroundings.random, settings: failover,
            governor: governor, log: surroundings.log
        ) { state, reason in
            metrics.add(
                to: "sparekey_failover_decisions_total", [("state", state.rawValue), ("reason", reason)],
                help: "Looks at failovers by what they came to.")
            surroundings.observe(state, reason)
        }
        sweep = EventSweep(
            ledger: surroundings.ledger, seam: seam, clock: clock, overlap: settings.reconcile.overlap,
            eventTypes: SeamEvent.usedTypes(triggers: settings.failover.triggerEvents))
        sweepInterval = settings.reconcile.interval
        stateSweep = StateSweep(
            ledger: surroundings.ledger, seam: seam, clock: clock, settings: failover, governor: governor,
            interval: settings.reconcile.stateInterval, horizon: settings.reconcile.horizon, log: surroundings.log)
        statePace = .milliseconds(60_000 / settings.reconcile.requestsPerMinute)
        follower = SubstitutionFollower(
            ledger: surroundings.ledger, seam: seam, clock: clock, random: surroundings.random, settings: failover,
            log: surroundings.log)
        plan = settings.delivery.plan
        retention = settings.retention
        self.callPatience = callPatience
        deliveryPatience = settings.delivery.timeout + Pulse.patience
        heartbeat = settings.heartbeat.url.map { url in
            Heartbeat(
                url: url, interval: settings.heartbeat.interval,
                transport: CurlTransport(maxConcurrentRequests: 1, maxQueued: 4, userAgent: Release.userAgent))
        }
        deliveries = try Self.ways(of: settings, clock: clock).map { channel, way in
            let worker = DeliveryWorker(
                channel: channel, way: way, ledger: surroundings.ledger, clock: clock, random: surroundings.random,
                retry: Backoff(initial: settings.delivery.retryInitial, maximum: settings.delivery.retryMax),
                plan: settings.delivery.plan, texts: settings.delivery.texts, log: surroundings.log)
            return (worker, Wakeup())
        }
    }

    /// Runs until cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await runInbox() }
            group.addTask { await runFailovers() }
            group.addTask { await runSweeps() }
            group.addTask { await runDeviceReadings() }
            group.addTask { await runStateSweep() }
            group.addTask { await runFollowing() }
            group.addTask { await runEndings() }
            group.addTask { await runFallbacks() }
            group.addTask { await runPurges() }
            group.addTask { await runHeartbeat() }
            for (worker, wakeup) in deliveries { group.addTask { await run(worker, wakeup: wakeup) } }
        }
    }

    private static func ways(of settings: Settings, clock: any WallClock) throws -> [(DeliveryChannel, any DeliveryWay)]
    {
        var ways: [(DeliveryChannel, any DeliveryWay)] = []
        if let url = settings.delivery.webhook.url, let secret = settings.delivery.webhook.secret {
            let transport = CurlTransport(maxConcurrentRequests: 8, maxQueued: 64, userAgent: Release.userAgent)
            ways.append(
                (
                    .webhook,
                    WebhookWay(
                        url: url, secret: try SigningSecret(secret.reveal), transport: transport, clock: clock,
                        timeout: settings.delivery.timeout)
                ))
        }
        if let command = settings.delivery.command {
            ways.append((.command, CommandWay(arguments: command, timeout: settings.delivery.timeout)))
        }
        return ways
    }
}

extension Workers.Surroundings {
    /// Says what has failed, once for each outage where it is the database.
    ///
    /// - Parameter names: what it is about.
    func tell(
        _ message: Logger.Message, of part: String, _ error: any Error, names: [String: String] = [:],
        level: Logger.Level = .error
    ) {
        if outage.takes(error, of: part) { return }
        log.log(level: level, message, metadata: error.metadata(names.merging(["worker": part]) { $1 }))
    }
}

extension FailoverSettings {
    init(_ settings: Settings) {
        self.init(
            triggerEvents: Set(settings.failover.triggerEvents), leadTime: settings.failover.leadTime,
            retry: Backoff(initial: settings.failover.retryInitial, maximum: settings.failover.retryMax),
            maximumLanes: settings.seam.maxConcurrentRequests, channels: settings.delivery.plan.initial,
            deliverNotBefore: settings.delivery.notBefore, reserve: settings.failover.reserve,
            drawDelay: settings.failover.drawDelay, onCancel: settings.failover.onCancel,
            onRecovery: settings.failover.onRecovery)
    }
}
