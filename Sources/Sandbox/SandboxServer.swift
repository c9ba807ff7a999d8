package import Crypto
package import HTTPClient
package import HTTPServer
package import Time

/// The simulated Seam on a port, with its webhook sender. On loopback unless told otherwise; `/sandbox/…` is only there for
/// requests from this machine.
package final class SandboxServer: Sendable {
    /// How long a request that is never answered keeps its connection. Nobody waits that long; without an end, those of clients
    /// that have gone would stay until the sandbox does.
    static let silence: Duration = .seconds(120)

    private let host: String
    private let scheme: String
    private let server: Server
    private let sender: WebhookSender

    /// - Parameters:
    ///   - port: 0 for any free one.
    ///   - tls: serves HTTPS with this certificate; nil for plain HTTP.
    ///   - transport: what webhooks are sent through.
    ///   - clock: the model's clock.
    ///   - onAnswer: told of each request's method and path (never its query, which may hold a PIN) and the answer to it, on the
    ///     server's thread; must not block.
    package init(
        model: SandboxModel, host: String = "127.0.0.1", port: Int = 0, tls: TLSContext? = nil,
        transport: any HTTPTransport,
        clock: any WallClock = SystemWallClock(),
        onAnswer: (@Sendable (_ method: String, _ path: String, _ answer: SandboxAnswer) -> Void)? = nil
    ) {
        let api = SandboxAPI(model: model)
        var limits = Limits()
        // A fault may be that no answer ever comes.
        limits.responseTimeout = nil
        limits.writeTimeout = .seconds(600)
        self.host = host
        let scheme = tls == nil ? "http" : "https"
        self.scheme = scheme
        sender = WebhookSender(model: model, transport: transport, clock: clock)
        let wire = tls.map { tls in { @Sendable () -> any Wire in TLSWire(tls) } }
        server = Server(host: host, port: port, limits: limits, wire: wire) { @Sendable request, responder in
            let request = SandboxRequest(request, scheme: scheme)
            let answer = api.handle(request)
            onAnswer?(request.method, request.path, answer)
            SandboxServer.carryOut(answer, with: responder, clock: clock)
        }
    }

    /// Listens, and sends webhooks until `stop`.
    package func start() throws(ServerError) {
        try server.start()
        sender.start()
    }

    /// Ends deliveries under way, whose messages stay unsettled, and closes every connection within a second.
    package func stop() async {
        await sender.stop()
        await server.shutdown(deadline: .seconds(1))
    }

    /// The bound port; 0 before `start`.
    package var port: Int { server.port }

    /// What to set as `seam.base_url`.
    package var url: String { "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    private static func carryOut(_ answer: SandboxAnswer, with responder: Responder, clock: any WallClock) {
        var response = Response(answer.status, headers: answer.headers.map { ($0.name, $0.value) }, body: answer.body)
        switch answer.effect {
        case .answer: responder.respond(response)
        case .drop:
            Task {
                try? await clock.sleep(for: silence)
                responder.abort()
            }
        case .reset: responder.abort()
        case .drip(let interval):
            response.dripInterval = interval
            responder.respond(response)
        case .delay(let delay):
            let late = response
            // Ends by itself when the delay has passed; where the connection is gone by then, nothing happens.
            Task {
                try? await Task.sleep(for: delay)
                responder.respond(late)
            }
        }
    }
}

extension SandboxRequest {
    fileprivate init(_ request: Request, scheme: String) {
        self.init(
            method: String(decoding: request.method.bytes, as: UTF8.self),
            path: String(decoding: request.path, as: UTF8.self),
            query: request.query.map { String(decoding: $0, as: UTF8.self) },
            headers: request.headers.map {
                (name: String(decoding: $0.name, as: UTF8.self), value: String(decoding: $0.value, as: UTF8.self))
            }, body: request.body, isLocal: request.peer.hasPrefix("127.") || request.peer.hasPrefix("[::1]:"),
            scheme: scheme)
    }
}
