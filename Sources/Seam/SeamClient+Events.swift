internal import JSON
package import Time

/// Which events by the time they were created; both ends are exclusive (Seam's API reference).
package enum EventWindow: Sendable, Equatable {
    case since(Timestamp)
    case between(Timestamp, Timestamp)
}

extension SeamClient {
    /// One page of events, oldest first. There is no cursor: fewer than `limit` means that these were all, otherwise
    /// ask again with a narrower window or an `offset`.
    ///
    /// - Parameters:
    ///   - types: empty asks for every type.
    ///   - offset: `unstable_offset`, in Seam's own order, which is not documented.
    package func events(
        _ window: EventWindow, types: [String] = SeamEvent.usedTypes, limit: Int = 500, offset: Int? = nil
    ) async throws(SeamError) -> [ListedEvent] {
        var body: JSONValue = ["limit": .integer(Int64(max(1, limit)))]
        switch window {
        case .since(let start): body["since"] = .string("\(start)")
        case .between(let start, let end): body["between"] = .array([.string("\(start)"), .string("\(end)")])
        }
        if !types.isEmpty { body["event_types"] = .array(types.map { .string($0) }) }
        if let offset { body["unstable_offset"] = .integer(Int64(max(0, offset))) }
        return try await call("/events/list", body, missing: "missing_events") { json in
            json["events"]?.array.map { events in
                events.map { ListedEvent(reading: SeamEvent.decode($0), bytes: $0.bytes) }
                    .sorted { left, right in
                        // Those without a time come last.
                        guard let leftTime = left.event?.createdAt else { return false }
                        return right.event?.createdAt.map { leftTime < $0 } ?? true
                    }
            }
        }
    }
}
