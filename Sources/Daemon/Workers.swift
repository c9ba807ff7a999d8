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
        var log: Logger
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

    private static let followedAtOnce = 4

    private let surroundings: Surroundings
    private let inbox: InboxWorker
    private let engine: FailoverEngine
    private let sweep: EventSweep
    private let sweepInterval: Duration
    private let stateSweep: StateSweep
    private let statePace: Duration
    private let follower: SubstitutionFollower
    private let governor: SeamGovernor
    private let deliveries: [(worker: DeliveryWorker, wakeup: Wakeup)]
    private let plan: DeliveryPlan
    private let retention: Settings.Retention

    /// - Throws: what is wrong with a value that only its user can judge: the API key, a URL, a secret.
    init(settings: Settings, surroundings: Surroundings) throws {
        self.surroundings = surroundings
        let clock = surroundings.clock
        let transport = CurlTransport(
            maxConcurrentRequests: settings.seam.maxConcurrentRequests, maxQueued: 1024, userAgent: Release.userAgent)
        let (metrics, health) = (surroundings.metrics, surroundings.health)
        let governor = SeamGovernor(clock: clock, random: surroundings.random)
        self.governor = governor
        let seam = try SeamClient(
            baseURL: settings.seam.baseURL, apiKey: try APIKey(settings.seam.apiKey?.reveal ?? ""),
            transport: transport,
            timeout: settings.seam.timeout, clock: clock
        ) { call in
            health.noteCall(call)
            governor.note(call)
            metrics.add(
                to: "sparekey_api_calls_total", [("route", call.route), ("outcome", call.outcome.rawValue)],
                help: "Calls to Seam by route and outcome.")
        }
        inbox = InboxWorker(
            ledger: surroundings.ledger, clock: clock,
            triage: EventTriage(triggerEvents: Set(settings.failover.triggerEvents)), log: surroundings.log,
            isIntakeBusy: surroundings.isIntakeBusy)
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
            eventTypes: Array(Set(SeamEvent.usedTypes).union(settings.failover.triggerEvents)).sorted())
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

    // MARK: Loops

    private func runInbox() async {
        await loop("inbox", wakeup: surroundings.inboxChanged) {
            let settled = try await inbox.step()
            for (disposition, count) in settled.counts where count > 0 {
                surroundings.metrics.add(
                    Double(count), to: "sparekey_events_total", [("disposition", disposition)],
                    help: "Events settled by disposition.")
            }
            if settled.handled > 0 {
                surroundings.failoversChanged.signal()
                surroundings.substitutionsChanged.signal()
            }
            return nil
        }
    }

    /// Starts a task for each lock with something to do and waits for none of them: a lock that hangs delays no other.
    private func runFailovers() async {
        let busy = BusySet<Lane>()
        await withDiscardingTaskGroup { group in
            await loop("failover", wakeup: surroundings.failoversChanged) {
                try await engine.scout()
                for lane in try await engine.dueLanes(notIn: busy.all) {
                    busy.insert(lane)
                    group.addTask {
                        do {
                            try await engine.work(lane)
                        } catch  where Task.isCancelled {
                            // A stop or a reload: the ledger says where to go on.
                        } catch {
                            surroundings.log.error("A failover could not be recorded", metadata: ["error": "\(error)"])
                            // The ledger is away: asking it again at once would only spin.
                            try? await surroundings.clock.sleep(for: .seconds(1))
                        }
                        busy.remove(lane)
                        surroundings.failoversChanged.signal()
                        surroundings.deliveriesChanged.signal()
                    }
                }
                // With every place taken, or the lane of what is due next busy, the end of a lane wakes this loop.
                if let until = governor.pausedUntil { return until }
                let next = try await surroundings.ledger.nextFailoverAt()
                return busy.all.isEmpty ? next : next.map { max($0, surroundings.clock.now() + .seconds(1)) }
            }
            group.cancelAll()
        }
    }

    private func runSweeps() async {
        var failures = 0
        while !Task.isCancelled {
            var pause = sweepInterval
            do {
                let added = try await sweep.sweep()
                failures = 0
                surroundings.metrics.add(
                    to: "sparekey_sweeps_total", [("result", "ok")], help: "Sweeps of Seam's events by result.")
                if added > 0 {
                    surroundings.log.notice("A sweep found events without a webhook", metadata: ["events": "\(added)"])
                    surroundings.inboxChanged.signal()
                }
            } catch {
                if Task.isCancelled { return }
                failures += 1
                surroundings.metrics.add(
                    to: "sparekey_sweeps_total", [("result", "failed")], help: "Sweeps of Seam's events by result.")
                surroundings.log.warning("A sweep of Seam's events failed", metadata: ["error": "\(error)"])
                let backoff = Backoff(initial: .seconds(5), maximum: max(.seconds(5), sweepInterval))
                pause = surroundings.random.delay(backoff, afterAttempt: failures)
            }
            // A refused webhook comes again by itself only after 5 s, 5 min and 30 min: the sweep may be sooner. Not at once,
            // for the reason of the refusal is still there, and not for each of a thousand.
            let floor = min(pause, .seconds(10))
            try? await surroundings.clock.sleep(for: floor)
            await surroundings.intakeRefused.wait(atMost: pause - floor, clock: surroundings.clock)
        }
    }

    /// Locks are read at the start and with every sweep of events.
    private func runDeviceReadings() async {
        while !Task.isCancelled {
            do {
                try await stateSweep.readDevices()
            } catch {
                if Task.isCancelled { return }
                surroundings.log.warning("The locks could not be read", metadata: ["error": "\(error)"])
            }
            try? await surroundings.clock.sleep(for: sweepInterval)
        }
    }

    private func runStateSweep() async {
        while !Task.isCancelled {
            var pause = statePace
            do {
                if let findings = try await stateSweep.sweepNextDevice() {
                    if findings.openedFailovers + findings.touched > 0 { surroundings.failoversChanged.signal() }
                } else {
                    pause = max(statePace, min(Self.pollInterval, sweepInterval))
                }
            } catch {
                if Task.isCancelled { return }
                surroundings.log.debug("A lock's access codes could not be read", metadata: ["error": "\(error)"])
            }
            try? await surroundings.clock.sleep(for: pause)
        }
    }

    /// Looks at several stays at the same time and waits for none of them: a lock that hangs delays no other.
    private func runFollowing() async {
        let busy = BusySet<String>()
        await withDiscardingTaskGroup { group in
            await loop("following", wakeup: surroundings.substitutionsChanged) {
                if let until = governor.pausedUntil { return until }
                let due = try await follower.due(limit: Self.followedAtOnce + busy.all.count)
                for substitution in due where !busy.all.contains(substitution.id) {
                    guard busy.all.count < Self.followedAtOnce else { break }
                    busy.insert(substitution.id)
                    group.addTask {
                        do {
                            try await follower.look(at: substitution)
                        } catch {
                            surroundings.log.error("A stay could not be recorded", metadata: ["error": "\(error)"])
                            try? await surroundings.clock.sleep(for: .seconds(1))
                        }
                        busy.remove(substitution.id)
                        surroundings.substitutionsChanged.signal()
                        surroundings.deliveriesChanged.signal()
                    }
                }
                let next = try await surroundings.ledger.nextSubstitutionLook()
                return busy.all.isEmpty ? next : next.map { max($0, surroundings.clock.now() + .seconds(1)) }
            }
            group.cancelAll()
        }
    }

    private func runEndings() async {
        await loop("endings", wakeup: Wakeup()) {
            _ = try await surroundings.ledger.endSubstitutions(now: surroundings.clock.now())
            _ = try await surroundings.ledger.releaseClaims(now: surroundings.clock.now())
            return try await surroundings.ledger.nextSubstitutionEnd()
        }
    }

    /// Tries the next way for what a way did not deliver in time, and tells every way that there may be something: a signal ends
    /// one wait only.
    private func runFallbacks() async {
        do {
            let count = try await surroundings.ledger.giveUpRemovedWays(plan: plan, now: surroundings.clock.now())
            if count > 0 {
                surroundings.log.warning(
                    "Deliveries waited for a way that is not configured any more", metadata: ["count": "\(count)"])
            }
        } catch {
            surroundings.log.error("Deliveries of removed ways stay", metadata: ["error": "\(error)"])
        }
        await loop("fallback", wakeup: surroundings.deliveriesChanged) {
            while try await surroundings.ledger.passOnOverdueDeliveries(plan: plan, now: surroundings.clock.now()) {}
            for (_, wakeup) in deliveries { wakeup.signal() }
            return try await surroundings.ledger.nextOverdueAt(plan: plan)
        }
    }

    /// Applies retention at the start and once a day, and again soon where an old reader kept the WAL from being emptied.
    private func runPurges() async {
        while !Task.isCancelled {
            var pause = Duration.seconds(86_400)
            do {
                let report = try await surroundings.ledger.purge(
                    pins: retention.pins, events: retention.events, now: surroundings.clock.now())
                if !report.isWALEmpty { pause = .seconds(60) }
                if report.pins + report.maskedEvents + report.removedBodies > 0 {
                    surroundings.log.notice(
                        "Retention was applied",
                        metadata: [
                            "pins": "\(report.pins)", "masked_events": "\(report.maskedEvents)",
                            "removed_bodies": "\(report.removedBodies)",
                        ])
                }
            } catch {
                if Task.isCancelled { return }
                surroundings.log.error("Retention could not be applied", metadata: ["error": "\(error)"])
                pause = .seconds(60)
            }
            try? await surroundings.clock.sleep(for: pause)
        }
    }

    /// Starts a task for each delivery that has a place and waits for none of them: one that hangs delays no other.
    private func run(_ worker: DeliveryWorker, wakeup: Wakeup) async {
        await withDiscardingTaskGroup { group in
            await loop("delivery", wakeup: wakeup) {
                for delivery in try await worker.take() {
                    group.addTask {
                        do {
                            try await worker.carryOut(delivery)
                        } catch {
                            surroundings.log.error("A delivery could not be recorded", metadata: ["error": "\(error)"])
                            // The ledger is away: asking it again at once would only spin.
                            try? await surroundings.clock.sleep(for: .seconds(1))
                        }
                        wakeup.signal()
                        // Where it failed, another way may have to try.
                        surroundings.deliveriesChanged.signal()
                    }
                }
                return try await worker.nextAt()
            }
            group.cancelAll()
        }
    }

    /// Steps until cancelled: again at the time that a step names, at a wake-up, or after the poll interval.
    private func loop(
        _ name: String, wakeup: Wakeup, step: () async throws -> Timestamp?
    ) async {
        while !Task.isCancelled {
            var pause = Self.pollInterval
            do {
                if let next = try await step() {
                    pause = min(pause, next.duration(since: surroundings.clock.now()))
                }
            } catch {
                if Task.isCancelled { return }
                surroundings.log.error(
                    "A worker failed and goes on", metadata: ["worker": "\(name)", "error": "\(error)"])
                try? await surroundings.clock.sleep(for: .seconds(1))
                pause = .zero
            }
            await wakeup.wait(atMost: pause, clock: surroundings.clock)
        }
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

extension SettledEvents {
    /// By disposition.
    var counts: [(String, Int)] {
        [("handled", handled), ("ignored", ignored), ("duplicate", duplicate), ("quarantined", quarantined)]
    }
}
