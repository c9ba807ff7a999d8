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

    private struct Place {
        /// What is told, of which nothing else is at the same time: the guest would hear last what was so first.
        var subjectID: String
        /// Sent, with this result, which could not be recorded yet; nil while it is to be sent, or being sent.
        var unrecorded: DeliveryResult?
    }

    package let channel: DeliveryChannel
    private let way: any DeliveryWay
    private let ledger: Ledger
    private let clock: any WallClock
    private let random: RandomSource
    private let retry: Backoff
    private let plan: DeliveryPlan
    private let texts: MessageTexts
    private let log: Logger
    /// What holds a place, by delivery.
    private let taken = Mutex<[String: Place]>([:])

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

    /// What is to be sent now, as far as there are free places. Each must be carried out until it is recorded, which frees its place.
    ///
    /// One caller at a time.
    package func take() async throws(LedgerError) -> [DueDelivery] {
        var busy = busy
        let free = Self.places - busy.count
        guard free > 0 else { return [] }
        let due = try await ledger.dueDeliveries(channel: channel, except: busy, now: clock.now(), limit: free)
        let new = due.filter { busy.insert($0.subjectID).inserted }
        taken.withLock { taken in new.forEach { taken[$0.id] = Place(subjectID: $0.subjectID) } }
        return new
    }

    private var busy: Set<String> { Set(taken.withLock { $0.values.map(\.subjectID) }) }

    /// When there will be something to take; nil where only the end of a delivery or a wake-up can tell.
    package func nextAt() async throws(LedgerError) -> Timestamp? {
        let busy = busy
        guard busy.count < Self.places else { return nil }
        return try await ledger.nextDeliveryAt(channel: channel, except: busy)
    }

    /// Sends a delivery that was taken, and records the result.
    ///
    /// - Throws: where it could not be recorded. It keeps its place then, and carried out again it is only recorded: somebody who was
    ///   told is not told again because the database is away.
    package func carryOut(_ delivery: DueDelivery) async throws(LedgerError) {
        let result: DeliveryResult
        if let former = taken.withLock({ $0[delivery.id]?.unrecorded }) {
            result = former
        } else {
            result = await self.result(of: delivery)
        }
        if Task.isCancelled, case .retry = result {
            // A daemon that stops says nothing about the receiver. The delivery is due at the next start, under the same ID.
            taken.withLock { _ = $0.removeValue(forKey: delivery.id) }
            return
        }
        taken.withLock { $0[delivery.id] = Place(subjectID: delivery.subjectID, unrecorded: result) }
        try await ledger.record(result, of: delivery, plan: plan, now: clock.now())
        taken.withLock { _ = $0.removeValue(forKey: delivery.id) }
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
            log.notice(
                "A delivery is not needed any more", metadata: metadata.merging(["reason": "\(reason.rawValue)"]) { $1 }
            )
        }
    }

    private func result(of delivery: DueDelivery) async -> DeliveryResult {
        if let reason = delivery.reasonToStop(at: clock.now()) { return .notNeeded(reason) }
        switch await way.send(DeliveryMessage(delivery, texts: texts)) {
        case .delivered: return .delivered
        case .refused(let error): return .failed(error: error)
        case .retry(let error, let retryAfter):
            let now = clock.now()
            // Whoever asks for no wait gets the backoff's all the same.
            let next = now + max(retryAfter ?? .zero, random.delay(retry, afterAttempt: delivery.attempts + 1))
            guard let end = delivery.end, next >= end else { return .retry(at: next, error: error) }
            // Whoever asks for more than is left, or fails shortly before the end, is asked in time all the same.
            let left = end.duration(since: now)
            return left > retry.initial * 2 ? .retry(at: now + left / 2, error: error) : .failed(error: error)
        }
    }
}
