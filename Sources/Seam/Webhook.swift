internal import JSON

/// A webhook as registered at Seam (Seam's API reference). Its text does not hold the secret.
package struct Webhook: Sendable, Equatable {
    package var id: String
    package var url: String
    /// Empty where Seam sends none, which means every type.
    package var eventTypes: [String]
    /// `whsec_` and base64; nil where Seam does not show it.
    package var secret: String?

    package init(id: String, url: String, eventTypes: [String] = [], secret: String? = nil) {
        self.id = id
        self.url = url
        self.eventTypes = eventTypes
        self.secret = secret
    }

    init?(_ json: JSONValue) {
        guard let id = json.identifier("webhook_id") else { return nil }
        self.init(
            id: id, url: json["url"]?.string ?? "", eventTypes: (json["event_types"]?.array ?? []).compactMap(\.string),
            secret: json["secret"]?.string)
    }
}

/// What became of a webhook that was to be registered.
package struct WebhookRegistered: Sendable, Equatable {
    package enum Change: String, Sendable { case created, updated, unchanged }

    package var webhook: Webhook
    package var change: Change
    /// The workspace's other webhooks.
    package var others: [Webhook]
}

extension Webhook {
    /// Whether it takes events of this type.
    package func takes(_ eventType: String) -> Bool {
        eventTypes.isEmpty || eventTypes.contains("*") || eventTypes.contains(eventType)
    }
}

extension Webhook: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "webhook \(id) to \(url)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: ["id": id, "url": url, "eventTypes": eventTypes]) }
}
