// Sparekey's own server and verification with other ways to store, for comparison only:
//   bench-server none PORT SECRET               verifies, stores nothing: what durability costs
//   bench-server each PORT SECRET DATABASE      one commit for each webhook: what group commit gains
//   bench-server inbox PORT SECRET DATABASE     group commit, but nobody looks at what is stored: what settling costs

internal import Dispatch
internal import HTTPServer
internal import Ledger
internal import Signatures
internal import Time

let arguments = CommandLine.arguments
guard arguments.count >= 4, let port = Int(arguments[2]) else { fatalError("usage: see the source") }
let verifier = try SignatureVerifier(secrets: [SigningSecret(arguments[3])])
let clock = SystemWallClock()

func receiver(_ store: @escaping @Sendable (InboxMessage, Responder) -> Void) -> Handler {
    { @Sendable [verifier, clock] request, responder in
        var headers = SignatureHeaders()
        for (name, value) in request.headers { headers.add(name: name, value: value) }
        let now = clock.now()
        guard
            let message = try? verifier.verify(headers: headers, body: request.body.span, now: now.secondsSinceEpoch)
        else {
            responder.respond(Response(401))
            return
        }
        store(
            InboxMessage(svixID: message.idText, source: .webhook, receivedAt: now, body: request.body), responder)
    }
}

let handler: Handler
var drained: (@Sendable () -> Void)?
switch arguments[1] {
case "each":
    let ledger = try Ledger(path: arguments[4])
    let commits = DispatchQueue(label: "commits")
    handler = receiver { message, responder in
        commits.async { responder.respond(Response(ledger.append([message]).allSatisfy(\.isCommitted) ? 204 : 503)) }
    }
case "inbox":
    let writer = InboxWriter<Responder>(ledger: try Ledger(path: arguments[4])) { responders, outcomes in
        Responder.respond(responders, outcomes.map { Response($0.isCommitted ? 204 : 503) })
    }
    handler = receiver { message, responder in
        if !writer.submit(message, ticket: responder, isGathering: true) { responder.respond(Response(503)) }
    }
    drained = { writer.flush() }
default:
    handler = receiver { _, responder in responder.respond(Response(204)) }
}
let server = Server(host: "127.0.0.1", port: port, drained: drained, handler: handler)
try server.start()
dispatchMain()
