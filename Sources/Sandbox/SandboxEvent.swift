package import JSON
package import Time

/// One event, as a webhook carries it and `/events/list` shows it: a flat object (section 7.1 of the API facts).
package struct SandboxEvent: Sendable, Equatable {
    package var id: String
    package var type: String
    package var createdAt: Timestamp
    package var accessCodeID: String?
    package var deviceID: String?
    package var json: JSONValue
}
