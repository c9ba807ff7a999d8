// Sparekey's own server and verification with other ways to store, for comparison only:
//   bench-server none PORT SECRET               verifies, stores nothing: what durability costs
//   bench-server each PORT SECRET DATABASE      one commit for each webhook: what group commit gains

internal import Dispatch
internal import HTTPServer
internal import Ledger
internal import Signatures
internal import Time

let arguments = CommandLine.arguments
guard arguments.count >= 4, let port = Int(arguments[2]) else { fatalError("usage: see the source") }
let verifier = try SignatureVerifier(secrets: [SigningSecret(arguments[3])])
let ledger = arguments[1] == "each" ? try Ledger(path: arguments[4]) : nil
let commits = DispatchQueue(label: "commits")
let clock = SystemWallClock()

let handler: Handler = { @Sendable [verifier, ledger, commits, clock] request, responder in
    var headers = SignatureHeaders()
    for (name, value) in request.headers { headers.add(name: name, value: value) }
    let now = clock.now()
    guard
        let message = try? verifier.verify(headers: headers, body: request.body.span, now: now.secondsSinceEpoch)
    else {
        responder.respond(Response(401))
        return
    }
    guard let ledger else {
        responder.respond(Response(204))
        return
    }
    let body = request.body
    commits.async {
        let stored = InboxMessage(svixID: message.idText, source: .webhook, receivedAt: now, body: body)
        responder.respond(Response(ledger.append([stored]).allSatisfy(\.isCommitted) ? 204 : 503))
    }
}
let server = Server(host: "127.0.0.1", port: port, handler: handler)
try server.start()
dispatchMain()
