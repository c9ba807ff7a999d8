/// An event of `/events/list`: what it says, and itself for the inbox. Its text does not hold the bytes, which may
/// carry a PIN.
package struct ListedEvent: Sendable {
    package var reading: SeamEvent.Reading
    /// The event as compact JSON in UTF-8, its members ordered by name: the same event as a webhook brings, though not
    /// the same bytes.
    package var bytes: [UInt8]

    /// Nil where it is unreadable.
    package var event: SeamEvent? {
        if case .event(let event) = reading { event } else { nil }
    }
}

extension ListedEvent: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { event.map { "\($0.eventType) \($0.eventID)" } ?? "an unreadable event" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
