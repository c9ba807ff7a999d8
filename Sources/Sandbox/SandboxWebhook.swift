internal import JSON

/// A registered endpoint. A second secret is there while the first is being rotated out.
package struct SandboxWebhook: Sendable, Equatable, CustomStringConvertible {
    package var id: String
    package var url: String
    /// `*` is every type.
    package var eventTypes: [String]
    /// `whsec_` and base64, the newest first.
    package var secrets: [String]
    /// The receiver answered 410, or asked for it with `webhook-delivery: disable`.
    package var isDisabled = false

    package var description: String { "webhook \(id)" }

    func takes(_ eventType: String) -> Bool {
        eventTypes.contains("*") || eventTypes.contains(eventType)
    }

    var json: JSONValue {
        var json: JSONValue = [
            "webhook_id": .string(id), "url": .string(url), "event_types": .array(eventTypes.map(JSONValue.string)),
        ]
        if let secret = secrets.first { json["secret"] = .string(secret) }
        return json
    }
}
