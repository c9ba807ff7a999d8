package import HTTPClient
internal import JSON
package import Signatures
package import Time

/// A POST of JSON, signed after Standard Webhooks: the receiver verifies it with any of the published libraries.
/// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
package struct WebhookWay: DeliveryWay {
    private let url: String
    private let signer: SignatureSigner
    private let transport: any HTTPTransport
    private let clock: any WallClock
    private let timeout: Duration

    package init(
        url: String, secret: SigningSecret, transport: any HTTPTransport, clock: any WallClock, timeout: Duration
    ) {
        self.url = url
        self.signer = SignatureSigner(secret: secret)
        self.transport = transport
        self.clock = clock
        self.timeout = timeout
    }

    package func send(_ message: DeliveryMessage) async -> SendOutcome {
        let body = message.json.bytes
        let signature: [(String, String)]
        do {
            signature = try signer.headers(
                family: .webhook, id: message.id, timestamp: clock.now().secondsSinceEpoch, body: body.span)
        } catch {
            return .retry("cannot_sign: \(error)", retryAfter: nil)
        }
        var request = ClientRequest(
            method: "POST", url: url, headers: [("content-type", "application/json")] + signature, body: body,
            timeout: timeout, maxResponseBytes: 4096)
        // The status is the whole answer; what a receiver says besides is not waited for.
        request.cutsResponse = true
        let response: ClientResponse
        do {
            response = try await transport.send(request)
        } catch {
            return .retry("\(error)", retryAfter: nil)
        }
        switch response.status {
        case 200..<300: return .delivered
        // "the endpoint is gone": the specification's word for "never send again".
        case 410: return .refused("http_410")
        default: return .retry("http_\(response.status)", retryAfter: response.retryAfter(now: clock.now()))
        }
    }
}
