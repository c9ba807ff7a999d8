internal import Delivery
internal import Failover
internal import Ledger
internal import Logging
internal import Time

/// The workers that look at the ledger again and again.
extension Workers {
    private static let followedAtOnce = 4
    private static let recordingBackoff = Backoff(initial: .seconds(1), maximum: .seconds(30))

    func runInbox() async {
        await loop("inbox", wakeup: surroundings.inboxChanged) {
            // Events come in flurries. A moment's wait settles several with one commit, and keeps that commit out of the way of
            // the next acknowledgement's.
            var pause = Self.settlingDelay
            var hasMore = true
            while hasMore {
                if pause > .zero { try await Task.sleep(for: pause) }
                let step = try await inbox.step()
                tell(of: step.settled)
                (hasMore, pause) = (step.hasMore, step.pause)
            }
            if pause > .zero { try await Task.sleep(for: pause) }
            return nil
        }
    }

    private func tell(of settled: SettledEvents) {
        for (disposition, count) in settled.counts where count > 0 {
            surroundings.metrics.add(
                Double(count), to: "sparekey_events_total", [("disposition", disposition)],
                help: "Events settled by disposition.")
        }
        if settled.handled > 0 {
            surroundings.failoversChanged.signal()
            surroundings.substitutionsChanged.signal()
        }
    }

    /// Starts a task for each lock with something to do and waits for none of them: a lock that hangs delays no other.
    func runFailovers() async {
        let busy = BusySet<Lane>()
        await withDiscardingTaskGroup { group in
            await loop("failover", wakeup: surroundings.failoversChanged) {
                try await engine.scout()
                for lane in try await engine.dueLanes(notIn: busy.all) {
                    busy.insert(lane)
                    group.addTask {
                        await watched("lane", within: callPatience) {
                            do {
                                try await engine.work(lane)
                                surroundings.outage.ended("lane")
                            } catch  where Task.isCancelled {
                                // A stop or a reload: the ledger says where to go on.
                            } catch {
                                surroundings.tell(
                                    "A failover could not be recorded", of: "lane", error, names: lane.names)
                                // The ledger is away: asking it again at once would only spin.
                                try? await surroundings.clock.sleep(for: .seconds(1))
                            }
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

    /// Looks at several stays at the same time and waits for none of them: a lock that hangs delays no other.
    func runFollowing() async {
        let busy = BusySet<String>()
        await withDiscardingTaskGroup { group in
            await loop("following", wakeup: surroundings.substitutionsChanged) {
                if let until = governor.pausedUntil { return until }
                let due = try await follower.due(limit: Self.followedAtOnce + busy.all.count)
                for substitution in due where !busy.all.contains(substitution.id) {
                    guard busy.all.count < Self.followedAtOnce else { break }
                    busy.insert(substitution.id)
                    group.addTask {
                        await watched("stay", within: callPatience) {
                            do {
                                try await follower.look(at: substitution)
                                surroundings.outage.ended("stay")
                            } catch {
                                surroundings.tell(
                                    "A stay could not be recorded", of: "stay", error, names: substitution.names)
                                try? await surroundings.clock.sleep(for: .seconds(1))
                            }
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

    func runEndings() async {
        await loop("endings", wakeup: Wakeup()) {
            _ = try await surroundings.ledger.endSubstitutions(
                channels: plan.initial, now: surroundings.clock.now())
            _ = try await surroundings.ledger.releaseClaims(now: surroundings.clock.now())
            try await surroundings.ledger.giveUpManualDeliveries(now: surroundings.clock.now())
            return try await surroundings.ledger.nextSubstitutionEnd(now: surroundings.clock.now())
        }
    }

    /// Tries the next way for what a way did not deliver in time, and tells every way that there may be something: a signal ends
    /// one wait only.
    func runFallbacks() async {
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
            while try await surroundings.ledger.passOnOverdueDeliveries(plan: plan, now: surroundings.clock.now()) {
                Pulse.part?.beat(succeeded: false)
            }
            for (_, wakeup) in deliveries { wakeup.signal() }
            return try await surroundings.ledger.nextOverdueAt(plan: plan)
        }
    }

    /// Starts a task for each delivery that has a place and waits for none of them: one that hangs delays no other.
    func run(_ worker: DeliveryWorker, wakeup: Wakeup) async {
        await withDiscardingTaskGroup { group in
            await loop("deliveries", wakeup: wakeup) {
                for delivery in try await worker.take() {
                    group.addTask {
                        await carryOut(delivery, by: worker)
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

    /// Until it is recorded: what was sent and is not would be sent again.
    private func carryOut(_ delivery: DueDelivery, by worker: DeliveryWorker) async {
        var failures = 0
        while !Task.isCancelled {
            do {
                try await watched("delivery", within: deliveryPatience) { try await worker.carryOut(delivery) }
                surroundings.outage.ended("delivery")
                return
            } catch {
                surroundings.tell("A delivery could not be recorded", of: "delivery", error, names: delivery.names)
                failures += 1
                try? await surroundings.clock.sleep(
                    for: surroundings.random.delay(Self.recordingBackoff, afterAttempt: failures))
            }
        }
    }

    /// Steps until cancelled: again at the time that a step names, at a wake-up, or after the poll interval.
    private func loop(
        _ name: String, wakeup: Wakeup, step: () async throws -> Timestamp?
    ) async {
        await part(name) { part in
            while !Task.isCancelled {
                var pause = Self.pollInterval
                var hasSucceeded = false
                part.beat(within: callPatience, succeeded: false)
                do {
                    if let next = try await step() {
                        pause = min(pause, next.duration(since: surroundings.clock.now()))
                    }
                    hasSucceeded = true
                    surroundings.outage.ended(name)
                } catch {
                    if Task.isCancelled { return }
                    surroundings.tell("A worker failed and goes on", of: name, error)
                    try? await surroundings.clock.sleep(for: .seconds(1))
                    pause = .zero
                }
                part.beat(within: Self.pollInterval + callPatience, succeeded: hasSucceeded)
                await wakeup.wait(atMost: pause, clock: surroundings.clock)
            }
        }
    }

    /// A worker, watched until it ends; nothing is taken for well before it has said so.
    func part(_ name: String, work: (Pulse.Part) async -> Void) async {
        let part = surroundings.pulse.begin(name, within: callPatience)
        defer { part.end() }
        await Pulse.$part.withValue(part) { await work(part) }
    }

    /// A piece of work that is watched until its end.
    private func watched(_ name: String, within limit: Duration, work: () async throws -> Void) async rethrows {
        let part = surroundings.pulse.begin(name, within: limit, isWork: true)
        defer { part.end() }
        try await Pulse.$part.withValue(part) { try await work() }
    }
}

extension SettledEvents {
    /// By disposition.
    var counts: [(String, Int)] {
        [("handled", handled), ("ignored", ignored), ("duplicate", duplicate), ("quarantined", quarantined)]
    }
}
