package import Ledger
package import Logging
internal import Policy
package import Time

/// Tells the guest's side by one way: sends what is due, in the order in which the guests arrive, and records what became of it.
package struct DeliveryWorker: Sendable {
    private static let batch = 64
    private static let concurrent = 8
    /// How long an alert is worth telling.
    private static let alertLifetime = Duration.seconds(86_400)

    package let channel: DeliveryChannel
    private let way: any DeliveryWay
    private let ledger: Ledger
    private let clock: any WallClock
    private let random: RandomSource
    private let retry: Backoff
    private let log: Logger

    package init(
        channel: DeliveryChannel, way: any DeliveryWay, ledger: Ledger, clock: any WallClock, random: RandomSource,
        retry: Backoff, log: Logger
    ) {
        self.channel = channel
        self.way = way
        self.ledger = ledger
        self.clock = clock
        self.random = random
        self.retry = retry
        self.log = log
    }

    /// Sends what is due.
    ///
    /// - Returns: when the next is due; nil when nothing waits.
    package func step() async throws -> Timestamp? {
        while true {
            let due = try await ledger.dueDeliveries(channel: channel, now: clock.now(), limit: Self.batch)
            guard !due.isEmpty else { return try await ledger.nextDeliveryAt(channels: [channel]) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (index, delivery) in due.enumerated() {
                    if index >= Self.concurrent { try await group.next() }
                    group.addTask { try await attempt(delivery) }
                }
                try await group.waitForAll()
            }
        }
    }

    private func attempt(_ delivery: DueDelivery) async throws {
        let result = try await result(of: delivery)
        try await ledger.record(result, of: delivery, now: clock.now())
        let metadata: Logger.Metadata = [
            "delivery_id": "\(delivery.id)", "channel": "\(channel.rawValue)", "kind": "\(delivery.kind.rawValue)",
            "access_code_id": "\(delivery.accessCodeID ?? "-")",
        ]
        switch result {
        case .delivered: log.notice("The guest's side has been told", metadata: metadata)
        case .retry(_, let error):
            log.warning("A delivery will be tried again", metadata: metadata.merging(["error": "\(error)"]) { $1 })
        case .failed(let error):
            log.error("A delivery failed for good", metadata: metadata.merging(["error": "\(error)"]) { $1 })
        }
    }

    private func result(of delivery: DueDelivery) async throws -> DeliveryResult {
        let end: Timestamp?
        switch delivery.subject {
        case .substitution(let facts):
            // A code that no longer opens the door must not be told; what is left of it is history.
            if delivery.kind == .created {
                guard facts.substitutionIsActive else { return .failed(error: "substitution_over") }
                guard facts.pin != nil else { return .failed(error: "pin_purged") }
            }
            end = facts.backupEndsAt ?? facts.originalEndsAt
        case .alert:
            end = delivery.createdAt + Self.alertLifetime
        }
        switch await way.send(DeliveryMessage(delivery)) {
        case .delivered: return .delivered
        case .refused(let error): return .failed(error: error)
        case .retry(let error, let retryAfter):
            let next = clock.now() + (retryAfter ?? random.delay(retry, afterAttempt: delivery.attempts + 1))
            if let end, next >= end { return .failed(error: error) }
            return .retry(at: next, error: error)
        }
    }
}
