package import JSON
package import Policy

/// What is known of one access code, substitution, failover, delivery or event.
package struct Explanation: Sendable, Equatable {
    /// The failovers concerned, as the failover log has them; none for an event that concerned none.
    package var failovers: [LogRow]
    /// Oldest first.
    package var timeline: [TimelineEntry]
}

/// One line of a timeline: something received, decided, asked of Seam or told to the guest's side.
package struct TimelineEntry: Sendable, Equatable {
    /// UTC text, as the tables have it.
    package var at: String
    package var accessCodeID: String?
    package var deviceID: String?
    /// The journal's words, and `event.received`, `pull.finished` and `delivery.created` for what the other tables say.
    package var kind: String
    /// Why, in the log's words: a decision's reason, an event's disposition, the last error of what failed.
    package var reason: String?
    /// The PIN of a substitution that was recorded.
    package var pin: PIN?
    /// All that is known of it; never a PIN.
    package var detail: JSONValue

    package static let columns = ["at", "kind", "reason", "access_code_id", "device_id", "backup_code", "detail"]

    package func json(showingPINs: Bool) -> JSONValue {
        [
            "at": .string(at), "kind": .string(kind), "reason": JSONValue(reason),
            "access_code_id": JSONValue(accessCodeID), "device_id": JSONValue(deviceID),
            "backup_code": JSONValue(pin.map { showingPINs ? $0.digits : PIN.mask }), "detail": detail,
        ]
    }
}
