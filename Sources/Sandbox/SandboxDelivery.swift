internal import Signatures
internal import Time

/// One attempt to deliver a webhook message: what goes over the wire, as a value.
package struct SandboxDelivery: Sendable, CustomStringConvertible {
    /// `svix-id`: the same for every attempt of a message.
    package var messageID: String
    package var webhookID: String
    package var eventID: String
    package var eventType: String
    package var url: String
    /// From 1.
    package var attempt: Int
    /// `svix-timestamp`: the time of this attempt, in seconds since 1970 (or earlier, where a fault says so).
    package var timestamp: Int64
    package var body: [UInt8]
    var key: Int
    var secrets: [String]
    var hasBadSignature: Bool

    package static let userAgent = "Svix-Webhooks/1.84.0 (sparekey-sandbox)"

    package var description: String { "message \(messageID) of \(eventType), attempt \(attempt)" }

    /// Names in lower case; one signature for each secret of the webhook.
    ///
    /// - Throws: `SecretError` or `SigningError` where the webhook's secret is none.
    package func headers() throws -> [(name: String, value: String)] {
        let signer = try SignatureSigner(secrets: secrets.map { text in try SigningSecret(text) })
        // A signature over another body is one that does not fit this one.
        let signed = hasBadSignature ? body + [0x20] : body
        return [("content-type", "application/json"), ("user-agent", Self.userAgent)]
            + (try signer.headers(family: .svix, id: messageID, timestamp: timestamp, body: signed.span))
    }
}

/// What came of an attempt.
package enum SandboxDeliveryOutcome: Sendable, Equatable {
    /// `directive` is the value of a `webhook-delivery` response header.
    case response(status: Int, directive: String?)
    /// No response within 15 s, or none at all.
    case failure(String)

    var isSuccess: Bool {
        if case .response(let status, _) = self { (200..<300).contains(status) } else { false }
    }

    var disablesWebhook: Bool {
        if case .response(let status, let directive) = self { status == 410 || directive == "disable" } else { false }
    }
}

/// What a message went through: for tests that ask what was sent.
package struct SandboxMessageRecord: Sendable, Equatable {
    package enum State: String, Sendable {
        case pending, delivered, failed, dropped
    }

    package var messageID: String
    package var webhookID: String
    package var eventID: String
    package var eventType: String
    package var state: State
    package var outcomes: [SandboxDeliveryOutcome]
}

/// Something done to webhook messages on demand.
package struct SandboxWebhookFault: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// Twice with the same `svix-id`.
        case duplicateMessage
        /// Twice, the second time under a `svix-id` of its own.
        case duplicateEvent
        /// Never sent: only `/events/list` knows of it.
        case drop
        /// So many messages are held back, then sent in reverse.
        case reorder(Int)
        /// The first attempt carries a timestamp that much too old, properly signed.
        case staleTimestamp(by: Duration)
        /// The first attempt carries a signature that does not fit.
        case badSignature
        case delay(Duration)
    }

    package var kind: Kind
    /// Nil: every type.
    package var eventType: String?
    /// So many messages are concerned; nil: all, until cleared.
    package var count: Int?

    package init(_ kind: Kind, eventType: String? = nil, count: Int? = 1) {
        self.kind = kind
        self.eventType = eventType
        self.count = count
    }
}
