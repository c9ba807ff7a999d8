import HTTPServer
import JSON
import Settings
import Signatures
import Synchronization
import Time

/// Whoever the operator has guests told by: takes signed messages and keeps them.
final class Receiver: Sendable {
    let secret: String
    private let inbox: Inbox
    private let server: Server

    /// - Parameters:
    ///   - failures: so many answers are `status` first.
    ///   - port: 0 for any free one.
    init(secret: String = House.newSecret(), failing failures: Int = 0, with status: Int = 500, port: Int = 0) throws {
        self.secret = secret
        let verifier = try SignatureVerifier(secrets: [try SigningSecret(secret)], tolerance: .seconds(86_400))
        let inbox = Inbox(verifier: verifier, failures: failures, status: status)
        self.inbox = inbox
        server = Server(host: "127.0.0.1", port: port) { request, responder in
            responder.respond(Response(inbox.take(request)))
        }
        try server.start()
    }

    var port: Int { server.port }
    /// Those whose signature was good, each as often as it came.
    var messages: [JSONValue] { inbox.state.withLock { $0.messages } }
    /// How many came with a signature that was not.
    var refusals: Int { inbox.state.withLock { $0.refusals } }

    func stop() async { await server.shutdown(deadline: .seconds(1)) }

    func configure(_ settings: inout Settings) {
        settings.delivery.manual = false
        settings.delivery.webhook.url = "http://127.0.0.1:\(server.port)/told"
        settings.delivery.webhook.secret = SecretText(secret)
    }
}

private final class Inbox: Sendable {
    struct State {
        var messages: [JSONValue] = []
        var refusals = 0
        var failures: Int
    }

    let state: Mutex<State>
    private let verifier: SignatureVerifier
    private let status: Int

    init(verifier: SignatureVerifier, failures: Int, status: Int) {
        self.verifier = verifier
        self.status = status
        state = Mutex(State(failures: failures))
    }

    /// - Returns: the status to answer with.
    func take(_ request: Request) -> Int {
        let now = SystemWallClock().now().secondsSinceEpoch
        let isGood = (try? verifier.verify(headers: request.headers, body: request.body.span, now: now)) != nil
        let message = isGood ? try? JSONValue(parsing: request.body) : nil
        return state.withLock { state in
            guard let message else {
                state.refusals += 1
                return 401
            }
            state.messages.append(message)
            if state.failures > 0 {
                state.failures -= 1
                return status
            }
            return 204
        }
    }
}
