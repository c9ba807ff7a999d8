package import Ledger
package import Logging
package import Time

/// Reads the inbox and settles each message together with what follows from it.
///
/// While webhooks arrive faster than they are acknowledged, it gives way: of the time it takes a twentieth, so that a
/// flood is acknowledged first and looked at as it goes.
package struct InboxWorker: Sendable {
    /// Of bodies in one batch, so that a few hundred of the largest messages are not all in memory.
    private static let maximumBytes = 4_194_304

    private let ledger: Ledger
    private let clock: any WallClock
    private let triage: EventTriage
    private let log: Logger
    private let batch: Int
    private let isIntakeBusy: @Sendable () -> Bool
    private let noteProgress: @Sendable () -> Void

    /// - Parameters:
    ///   - isIntakeBusy: whether webhooks wait for a commit.
    ///   - noteProgress: called after each batch.
    package init(
        ledger: Ledger, clock: any WallClock, triage: EventTriage, log: Logger, batch: Int = 64,
        isIntakeBusy: @escaping @Sendable () -> Bool = { false }, noteProgress: @escaping @Sendable () -> Void = {}
    ) {
        self.ledger = ledger
        self.clock = clock
        self.triage = triage
        self.log = log
        self.batch = batch
        self.isIntakeBusy = isIntakeBusy
        self.noteProgress = noteProgress
    }

    /// What one step came to.
    package struct Step: Sendable {
        /// All zero when nothing was pending.
        package var settled = SettledEvents()
        /// More may be pending; otherwise what comes next had better gather for a moment, so that one commit settles several.
        package var hasMore = false
        /// How long to give way to webhooks that wait for a commit.
        package var pause = Duration.zero
    }

    /// Settles a batch of what is pending.
    package func step() async throws(LedgerError) -> Step {
        let began = ContinuousClock.now
        let pending = try await ledger.pendingEvents(limit: batch, maximumBytes: Self.maximumBytes)
        guard !pending.isEmpty else { return Step() }
        let triaged = pending.map { (event: $0, verdict: triage.verdict(on: $0.body)) }
        let settled = try await settle(triaged)
        for (event, verdict) in triaged { report(verdict, on: event) }
        noteProgress()
        let pause = isIntakeBusy() ? min(began.duration(to: .now) * 19, .milliseconds(500)) : .zero
        let isFull = pending.count == batch || pending.reduce(0) { $0 + $1.body.count } > Self.maximumBytes
        return Step(settled: settled, hasMore: isFull, pause: pause)
    }

    /// One transaction for the batch; where that fails, one for each message, so that a poisoned row does not stop the others.
    private func settle(
        _ triaged: [(event: PendingEvent, verdict: EventVerdict)]
    ) async throws(LedgerError) -> SettledEvents {
        do throws(LedgerError) {
            return try await ledger.settle(triaged.map { ($0.event.inboxID, $0.verdict) }, now: clock.now())
        } catch  where triaged.count == 1 || error.code != .database {
            // Where the storage fails no single event is to blame.
            throw error
        } catch {
            log.warning("Settling a batch of events failed, now one by one", metadata: ["error": "\(error)"])
        }
        var total = SettledEvents()
        for (event, verdict) in triaged {
            do throws(LedgerError) {
                total += try await ledger.settle([(event.inboxID, verdict)], now: clock.now())
            } catch {
                guard error.code == .database else { throw error }
                log.error(
                    "An event cannot be settled and was quarantined",
                    metadata: names(of: event, verdict).merging(["error": "\(error)"]) { $1 })
                let aside = EventVerdict.quarantined(reason: "not_settled")
                total += try await ledger.settle([(event.inboxID, aside)], now: clock.now())
            }
        }
        return total
    }

    private func report(_ verdict: EventVerdict, on event: PendingEvent) {
        switch verdict {
        case .quarantined(let reason):
            log.error(
                "An authentic webhook is unreadable and was quarantined; look at its body in webhook_events",
                metadata: names(of: event, verdict).merging(["reason": "\(reason)"]) { $1 })
        case .readable(_, let effect) where effect.contains(.opensFailover):
            log.info("An event tells of an access code to look at", metadata: names(of: event, verdict))
        case .readable:
            log.debug("An event was read", metadata: names(of: event, verdict))
        }
    }

    /// By what an event, its code and its lock are found elsewhere.
    private func names(of event: PendingEvent, _ verdict: EventVerdict) -> Logger.Metadata {
        var names: Logger.Metadata = ["inbox_id": "\(event.inboxID)", "source": "\(event.source.rawValue)"]
        if let svixID = event.svixID { names["svix_id"] = "\(svixID)" }
        guard case .readable(let facts, _) = verdict else { return names }
        names["event_id"] = "\(facts.eventID)"
        names["event_type"] = "\(facts.eventType)"
        if let accessCodeID = facts.accessCodeID { names["access_code_id"] = "\(accessCodeID)" }
        if let deviceID = facts.deviceID { names["device_id"] = "\(deviceID)" }
        return names
    }
}

extension SettledEvents {
    static func += (total: inout SettledEvents, part: SettledEvents) {
        total.handled += part.handled
        total.ignored += part.ignored
        total.duplicate += part.duplicate
        total.quarantined += part.quarantined
        total.openedFailovers += part.openedFailovers
    }
}
