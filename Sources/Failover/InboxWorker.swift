package import Ledger
package import Logging
package import Time

/// Reads the inbox and settles each message together with what follows from it.
///
/// While webhooks arrive faster than they are acknowledged, it gives way: of the time it takes a fifth, so that a flood is
/// acknowledged first and looked at as it goes.
package struct InboxWorker: Sendable {
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

    /// Settles what is pending.
    ///
    /// - Returns: what was settled; all zero when nothing was pending.
    package func step() async throws(LedgerError) -> SettledEvents {
        var total = SettledEvents()
        while true {
            let began = ContinuousClock.now
            let pending = try await ledger.pendingEvents(limit: batch)
            let verdicts = pending.map { (inboxID: $0.inboxID, verdict: triage.verdict(on: $0.body)) }
            guard !verdicts.isEmpty else { return total }
            for (inboxID, verdict) in verdicts {
                if case .quarantined(let reason) = verdict {
                    log.error(
                        "An authentic webhook is unreadable and was put aside; look at its body in webhook_events",
                        metadata: ["inbox_id": "\(inboxID)", "reason": "\(reason)"])
                }
            }
            total += try await settle(verdicts)
            noteProgress()
            if isIntakeBusy() {
                try? await Task.sleep(for: min(began.duration(to: .now) * 4, .milliseconds(250)))
            }
        }
    }

    /// One transaction for the batch; where that fails, one for each message, so that a poisoned row does not stop the others.
    private func settle(
        _ verdicts: [(inboxID: Int64, verdict: EventVerdict)]
    ) async throws(LedgerError) -> SettledEvents {
        do throws(LedgerError) {
            return try await ledger.settle(verdicts, now: clock.now())
        } catch  where verdicts.count == 1 {
            throw error
        } catch {
            log.warning("Settling a batch of events failed, now one by one", metadata: ["error": "\(error)"])
        }
        var total = SettledEvents()
        for verdict in verdicts {
            do throws(LedgerError) {
                total += try await ledger.settle([verdict], now: clock.now())
            } catch {
                guard error.code == .database else { throw error }
                log.error(
                    "An event cannot be settled and was put aside",
                    metadata: ["inbox_id": "\(verdict.inboxID)", "error": "\(error)"])
                let aside = EventVerdict.quarantined(reason: "not_settled")
                total += try await ledger.settle([(verdict.inboxID, aside)], now: clock.now())
            }
        }
        return total
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
