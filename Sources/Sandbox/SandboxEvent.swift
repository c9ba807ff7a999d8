package import JSON
package import Time

/// One event, as a webhook carries it and `/events/list` shows it: a flat object (Seam's API reference).
package struct SandboxEvent: Sendable, Equatable, CustomStringConvertible {
    package var id: String
    package var type: String
    package var createdAt: Timestamp
    package var accessCodeID: String?
    package var deviceID: String?
    /// As it is sent; some types carry a PIN.
    package var json: JSONValue

    package var description: String { "event \(id), \(type)" }
}
