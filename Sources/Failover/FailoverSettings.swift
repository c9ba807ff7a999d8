package import Ledger
package import Policy
package import Time

/// What an operator may set about the engine; the defaults are those of the configuration.
package struct FailoverSettings: Sendable, Equatable {
    /// Events that open a failover.
    package var triggerEvents: Set<String>
    /// A code whose stay starts later than this from now waits; nil pulls at once.
    package var leadTime: Duration?
    package var retry: Backoff
    /// How many locks are worked on at the same time.
    package var maximumLanes: Int
    /// The ways in which a guest is told of a new code.
    package var channels: [DeliveryChannel]
    /// A guest is told at most this long before the stay starts; nil tells at once.
    package var deliverNotBefore: Duration?
    /// So many backup codes of a lock are kept for stays that start within `reserveHorizon`.
    package var reserve: Int
    /// How long a failure is watched before a backup is drawn for it, unless its stay is near.
    package var drawDelay: Duration
    package var onCancel: CancelPolicy
    package var onRecovery: RecoveryPolicy

    package init(
        triggerEvents: Set<String> = ["access_code.failed_to_set_on_device", "access_code.failed_to_issue"],
        leadTime: Duration? = nil, retry: Backoff = Backoff(initial: .seconds(2), maximum: .seconds(300)),
        maximumLanes: Int = 8, channels: [DeliveryChannel] = [.manual], deliverNotBefore: Duration? = nil,
        reserve: Int = 0, drawDelay: Duration = .zero, onCancel: CancelPolicy = .endBackup,
        onRecovery: RecoveryPolicy = .keepBackup
    ) {
        self.triggerEvents = triggerEvents
        self.leadTime = leadTime
        self.retry = retry
        self.maximumLanes = maximumLanes
        self.channels = channels
        self.deliverNotBefore = deliverNotBefore
        self.reserve = reserve
        self.drawDelay = drawDelay
        self.onCancel = onCancel
        self.onRecovery = onRecovery
    }

    /// When a guest whose stay starts then is told of a new code.
    func firstDelivery(startsAt: Timestamp?, now: Timestamp) -> Timestamp {
        guard let deliverNotBefore, let startsAt else { return now }
        return max(now, startsAt - deliverNotBefore)
    }
}
