internal import Failover
internal import Ledger
internal import Logging
internal import Settings
internal import Time

/// The workers with times of their own: the sweeps over Seam, retention, and the word that all is well.
extension Workers {
    func runSweeps() async {
        surroundings.metrics.set(
            "sparekey_sweep_interval_seconds", to: sweepInterval.inSeconds,
            help: "How often Seam's events are swept: reconcile.interval.")
        await part("sweep") { part in
            var failures = 0
            while !Task.isCancelled {
                var pause = sweepInterval
                var hasSucceeded = false
                part.beat(within: callPatience, succeeded: false)
                do {
                    let added = try await sweep.sweep()
                    failures = 0
                    hasSucceeded = true
                    surroundings.outage.ended("sweep")
                    surroundings.metrics.add(
                        to: "sparekey_sweeps_total", [("result", "ok")], help: "Sweeps of Seam's events by result.")
                    if added > 0 {
                        surroundings.log.notice(
                            "A sweep found events without a webhook", metadata: ["events": "\(added)"])
                        surroundings.inboxChanged.signal()
                    }
                } catch {
                    if Task.isCancelled { return }
                    failures += 1
                    surroundings.metrics.add(
                        to: "sparekey_sweeps_total", [("result", "failed")], help: "Sweeps of Seam's events by result.")
                    surroundings.tell("A sweep of Seam's events failed", of: "sweep", error, level: .warning)
                    pause = surroundings.random.delay(sweepBackoff, afterAttempt: failures)
                }
                // A refused webhook comes again by itself only after 5 s, 5 min and 30 min: the sweep may be sooner. Not at once,
                // for the reason of the refusal is still there, and not for each of a thousand.
                part.beat(within: pause + callPatience, succeeded: hasSucceeded)
                let floor = min(pause, .seconds(10))
                try? await surroundings.clock.sleep(for: floor)
                await surroundings.intakeRefused.wait(atMost: pause - floor, clock: surroundings.clock)
            }
        }
    }

    /// After a sweep or a reading of locks that failed: no later than the next would have come anyway.
    private var sweepBackoff: Backoff { Backoff(initial: .seconds(5), maximum: max(.seconds(5), sweepInterval)) }

    /// Locks are read at the start and with every sweep of events.
    func runDeviceReadings() async {
        await part("locks") { part in
            var failures = 0
            while !Task.isCancelled {
                var pause = sweepInterval
                var hasSucceeded = false
                part.beat(within: callPatience, succeeded: false)
                do {
                    try await stateSweep.readDevices()
                    failures = 0
                    hasSucceeded = true
                    surroundings.outage.ended("locks")
                } catch {
                    if Task.isCancelled { return }
                    failures += 1
                    surroundings.tell("The locks could not be read", of: "locks", error, level: .warning)
                    pause = surroundings.random.delay(sweepBackoff, afterAttempt: failures)
                }
                part.beat(within: pause + callPatience, succeeded: hasSucceeded)
                try? await surroundings.clock.sleep(for: pause)
            }
        }
    }

    func runStateSweep() async {
        await part("state_sweep") { part in
            while !Task.isCancelled {
                var pause = statePace
                var hasSucceeded = false
                part.beat(within: callPatience, succeeded: false)
                do {
                    if let findings = try await stateSweep.sweepNextDevice() {
                        if findings.openedFailovers + findings.touched > 0 { surroundings.failoversChanged.signal() }
                        if !findings.openedAlerts.isEmpty { surroundings.deliveriesChanged.signal() }
                    } else {
                        pause = max(statePace, min(Self.pollInterval, sweepInterval))
                    }
                    hasSucceeded = true
                } catch {
                    if Task.isCancelled { return }
                    surroundings.log.debug("A step of the state sweep failed", metadata: error.metadata())
                }
                part.beat(within: pause + callPatience, succeeded: hasSucceeded)
                try? await surroundings.clock.sleep(for: pause)
            }
        }
    }

    /// Applies retention at the start and once a day, and again soon where an old reader kept the WAL from being emptied.
    func runPurges() async {
        await part("retention") { part in
            while !Task.isCancelled {
                var pause = Duration.seconds(86_400)
                // It may have years of history to go through.
                part.beat(within: .seconds(3600), succeeded: false)
                do {
                    let report = try await surroundings.ledger.purge(
                        pins: retention.pins, events: retention.events, now: surroundings.clock.now())
                    surroundings.outage.ended("retention")
                    if !report.isWALEmpty { pause = .seconds(600) }
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
                    surroundings.tell("Retention could not be applied", of: "retention", error)
                    pause = .seconds(60)
                }
                part.beat(within: pause + .seconds(3600))
                try? await surroundings.clock.sleep(for: pause)
            }
        }
    }

    /// Tells the dead man's switch that all is well, for as long as it is: not at the start, when nothing has shown it yet.
    func runHeartbeat() async {
        guard let heartbeat else { return }
        var wasWell = true
        while true {
            try? await surroundings.clock.sleep(for: heartbeat.interval)
            if Task.isCancelled { return }
            let reasons = surroundings.pulse.failing + (surroundings.health.commitsFail ? ["database"] : [])
            var problem: String?
            let result: Heartbeat.Result
            if reasons.isEmpty {
                problem = await heartbeat.send()
                result = problem == nil ? .ok : .failed
            } else {
                problem = "not working: " + reasons.joined(separator: ", ")
                result = .withheld
            }
            if Task.isCancelled { return }
            surroundings.metrics.add(
                to: "sparekey_heartbeats_total", [("result", result.rawValue)],
                help: "Calls of the heartbeat URL that were made, failed, or were withheld since not all is well.")
            if let problem, wasWell {
                surroundings.log.error("No heartbeat", metadata: ["result": "\(result)", "reason": "\(problem)"])
            } else if problem == nil, !wasWell {
                surroundings.log.notice("There is a heartbeat again")
            }
            wasWell = problem == nil
        }
    }
}
