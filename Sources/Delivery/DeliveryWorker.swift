package import Ledger
package import Logging
internal import Synchronization
package import Time
package import Words

/// Tells the guest's side by one way, in the order in which the guests arrive, and records what became of it.
///
/// It has a number of places. Whoever takes a delivery holds one until it is carried out, so that one that hangs holds up no more than
/// its own place, and memory is bounded whatever waits in the ledger.
package final class DeliveryWorker: Sendable {
    package static let places = 8
    /// How long an alert is worth telling.
    private static let alertLifetime = Duration.seconds(86_400)

    package let channel: DeliveryChannel
    private let way: any DeliveryWay
    private let ledger: Ledger
    private let clock: any WallClock
    private let random: RandomSource
    private let retry: Backoff
    private let plan: DeliveryPlan
    private let texts: MessageTexts
    private let log: Logger
    private let taken = Mutex<Set<String>>([])

    package init(
        channel: DeliveryChannel, way: any DeliveryWay, ledger: Ledger, clock: any WallClock, random: RandomSource,
        retry: Backoff, plan: DeliveryPlan, texts: MessageTexts, log: Logger
    ) {
        self.channel = channel
        self.way = way
        self.ledger = ledger
        self.clock = clock
        self.random = random
        self.retry = retry
        self.plan = plan
        self.texts = texts
        self.log = log
    }

    /// What is to be sent now, as far as there are free places. Each must be carried out, which frees its place.
    ///
    /// One caller at a time.
    package func take() async throws(LedgerError) -> [DueDelivery] {
        let busy = taken.withLock { $0 }
        guard busy.count < Self.places else { return [] }
        // Those that are being sent are still due, and may come first.
        let due = try await ledger.dueDeliveries(channel: channel, now: clock.now(), limit: Self.places + busy.count)
        let new = due.filter { !busy.contains($0.id) }.prefix(Self.places - busy.count)
        taken.withLock { $0.formUnion(new.map(\.id)) }
        return Array(new)
    }

    /// When there will be something to take; nil where only the end of a delivery or a wake-up can tell.
    package func nextAt() async throws(LedgerError) -> Timestamp? {
        let busy = taken.withLock { $0 }
        guard busy.count < Self.places else { return nil }
        return try await ledger.nextDeliveryAt(channel: channel, except: busy)
    }

    /// Sends a delivery that was taken, and records the result.
    package func carryOut(_ delivery: DueDelivery) async throws {
        defer { taken.withLock { _ = $0.remove(delivery.id) } }
        let result = await result(of: delivery)
        if Task.isCancelled, case .retry = result {
            // A daemon that stops says nothing about the receiver. The delivery is due at the next start, under the same ID.
            return
        }
        try await ledger.record(result, of: delivery, plan: plan, now: clock.now())
        report(result, of: delivery)
    }

    private func report(_ result: DeliveryResult, of delivery: DueDelivery) {
        let metadata = delivery.names.mapValues(Logger.MetadataValue.string)
        switch result {
        case .delivered: log.notice("The guest's side has been told", metadata: metadata)
        case .retry(_, let error):
            log.warning("A delivery will be tried again", metadata: metadata.merging(["error": "\(error)"]) { $1 })
        case .failed(let error):
            log.error("A delivery failed for good", metadata: metadata.merging(["error": "\(error)"]) { $1 })
        case .notNeeded(let reason):
            log.notice("A delivery is not needed any more", metadata: metadata.merging(["reason": "\(reason)"]) { $1 })
        }
    }

    private func result(of delivery: DueDelivery) async -> DeliveryResult {
        let end: Timestamp?
        switch delivery.subject {
        case .substitution(let facts):
            // A code that no longer opens the door must not be told; what is left of it is history.
            if [.created, .updated, .recovered].contains(delivery.kind) {
                guard facts.substitutionIsActive else { return .notNeeded("substitution_over") }
                guard facts.pin != nil else { return .notNeeded("pin_purged") }
            }
            end = facts.backupEndsAt ?? facts.originalEndsAt
        case .alert:
            end = delivery.createdAt + Self.alertLifetime
        }
        if let end, end <= clock.now(), delivery.kind != .revoked { return .notNeeded("stay_over") }
        switch await way.send(DeliveryMessage(delivery, texts: texts)) {
        case .delivered: return .delivered
        case .refused(let error): return .failed(error: error)
        case .retry(let error, let retryAfter):
            let next = clock.now() + (retryAfter ?? random.delay(retry, afterAttempt: delivery.attempts + 1))
            // A revocation is news after the stay, too: it is tried for as long as an alert.
            let last = delivery.kind == .revoked ? delivery.createdAt + Self.alertLifetime : end
            if let last, next >= last { return .failed(error: error) }
            return .retry(at: next, error: error)
        }
    }
}
