package import Crypto

/// A message that cannot be signed.
package enum SigningError: Error, Equatable, CustomStringConvertible {
    case badID
    case badTimestamp
    case noSecrets
    case cryptographyFailed(OpenSSLError)

    package var description: String {
        switch self {
        case .badID: "The message id is not 1 to 256 visible ASCII characters without a full stop."
        case .badTimestamp: "The timestamp is not between 1 and 999999999999999 seconds since 1970."
        case .noSecrets: "There is no secret to sign with. Configure delivery.webhook.secret."
        case .cryptographyFailed(let error): "The signature could not be computed: \(error)"
        }
    }
}

/// Signs messages according to Standard Webhooks 1.0.0, version v1 (HMAC-SHA256).
package struct SignatureSigner: Sendable {
    private let secrets: [SigningSecret]

    /// - Parameter secrets: Each adds its signature: the current secret first, then those still being replaced.
    package init(secrets: [SigningSecret]) throws(SigningError) {
        guard !secrets.isEmpty else { throw .noSecrets }
        self.secrets = secrets
    }

    package init(secret: SigningSecret) {
        secrets = [secret]
    }

    /// The value of the signature header: for each secret `v1,` and the base64 of the code, separated by one space.
    ///
    /// - Parameters:
    ///   - id: The same for every attempt to deliver one message.
    ///   - timestamp: When this attempt is made, in seconds since 1970.
    ///   - body: Exactly the bytes that are sent.
    package func sign(id: String, timestamp: Int64, body: Span<UInt8>) throws(SigningError) -> String {
        guard SignedContent.isValidID(id.utf8) else { throw .badID }
        guard (1...SignedContent.maximumTimestamp).contains(timestamp) else { throw .badTimestamp }
        let idBytes = Array(id.utf8)
        let timestampBytes = Array(String(timestamp).utf8)
        var items: [UInt8] = []
        for secret in secrets {
            if !items.isEmpty { items.append(ASCII.space) }
            items += SignedContent.version
            items.append(ASCII.comma)
            do throws(OpenSSLError) {
                items += try SignedContent.encodedCode(
                    id: idBytes.span, timestamp: timestampBytes.span, body: body, secret: secret)
            } catch {
                throw .cryptographyFailed(error)
            }
        }
        return String(decoding: items, as: UTF8.self)
    }

    /// The three headers of a signed request, in lower case.
    package func headers(
        family: HeaderFamily, id: String, timestamp: Int64, body: Span<UInt8>
    ) throws(SigningError) -> [(name: String, value: String)] {
        let signature = try sign(id: id, timestamp: timestamp, body: body)
        return [
            (family.rawValue + "-id", id),
            (family.rawValue + "-timestamp", String(timestamp)),
            (family.rawValue + "-signature", signature),
        ]
    }
}
