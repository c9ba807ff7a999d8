/// In which order and for how long the ways of telling the guest's side are tried.
package struct DeliveryPlan: Sendable, Equatable {
    /// Tried one after the other: the next once one has failed, or its time is up.
    package var order: [DeliveryChannel]
    /// Told at once, each on its own.
    package var beside: [DeliveryChannel]
    /// How long a way has, from the moment it is first due, before the next is tried as well.
    package var fallbackAfter: Duration

    package init(
        order: [DeliveryChannel] = [], beside: [DeliveryChannel] = [], fallbackAfter: Duration = .seconds(120)
    ) {
        self.order = order
        self.beside = beside
        self.fallbackAfter = fallbackAfter
    }

    /// The ways that are told first.
    package var initial: [DeliveryChannel] { order.prefix(1) + beside }

    /// The way to try after `channel`; nil where it is the last, or stands beside the order.
    func next(after channel: DeliveryChannel) -> DeliveryChannel? {
        guard let index = order.firstIndex(of: channel) else { return nil }
        return order.dropFirst(index + 1).first
    }

    func has(_ channel: DeliveryChannel) -> Bool { order.contains(channel) || beside.contains(channel) }
}
