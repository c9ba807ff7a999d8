import Foundation
import HTTPClient
import HTTPServer
import JSON
import ScriptedServer
import Signatures
import Synchronization
import Testing
import Time

@testable import Delivery

@Suite(.timeLimit(.minutes(5)))
struct WebhookWayTests {
    private static let secret = "whsec_Y2FuYXJ5LWRlbGl2ZXJ5LXNlY3JldC0y"

    private func way(_ url: String, timeout: Duration = .seconds(20)) throws -> WebhookWay {
        WebhookWay(
            url: url, secret: try SigningSecret(Self.secret),
            transport: CurlTransport(maxConcurrentRequests: 4, maxQueued: 16, userAgent: "sparekey-test"),
            clock: ManualWallClock(DeliveryBench.start), timeout: timeout)
    }

    private let message = DeliveryMessage(id: "dlv_1", json: ["data": ["backup_code": .string(DeliveryBench.pin)]])

    private func outcome(
        of reply: ScriptedServer.Reply, timeout: Duration = .seconds(20)
    ) async throws -> (SendOutcome, requests: Int) {
        let server = ScriptedServer { _ in reply }
        defer { server.stop() }
        let outcome = try await way(server.url + "/in", timeout: timeout).send(message)
        return (outcome, server.requests.count)
    }

    @Test func theReceiverVerifiesWhatItGets() async throws {
        let seen = Mutex<[(Request)]>([])
        let server = Server(host: "127.0.0.1", port: 0) { request, responder in
            seen.withLock { $0.append(request) }
            responder.respond(Response(204))
        }
        try server.start()
        let outcome = try await way("http://127.0.0.1:\(server.port)/in").send(message)
        await server.shutdown(deadline: .seconds(1))
        #expect(outcome == .delivered)
        let request = try #require(seen.withLock { $0.first })
        func header(_ name: StaticString) -> [UInt8] { request.headers.values(name).first.map { Array($0) } ?? [] }
        #expect(header("webhook-id") == Array("dlv_1".utf8))
        #expect(header("content-type") == Array("application/json".utf8))
        #expect(Array(request.body) == message.json.bytes)
        let signature = try SignatureSigner(secret: try SigningSecret(Self.secret)).headers(
            family: .webhook, id: "dlv_1", timestamp: DeliveryBench.start.secondsSinceEpoch,
            body: message.json.bytes.span)
        for (name, value) in signature {
            switch name {
            case "webhook-id": #expect(header("webhook-id") == Array(value.utf8))
            case "webhook-timestamp": #expect(header("webhook-timestamp") == Array(value.utf8))
            default: #expect(header("webhook-signature") == Array(value.utf8))
            }
        }
    }

    @Test(arguments: [200, 201, 202, 204])
    func anAnswerOfSuccessIsDelivered(_ status: Int) async throws {
        #expect(try await outcome(of: .response(status)).0 == .delivered)
    }

    @Test(arguments: [400, 401, 404, 408, 429, 500, 502, 503])
    func otherAnswersAreTriedAgain(_ status: Int) async throws {
        #expect(try await outcome(of: .response(status)).0 == .retry("http_\(status)", retryAfter: nil))
    }

    @Test func anEndpointThatIsGoneIsAskedNoMore() async throws {
        #expect(try await outcome(of: .response(410)).0 == .refused("http_410"))
    }

    @Test func retryAfterIsObeyed() async throws {
        let (outcome, _) = try await outcome(of: .response(503, headers: [("Retry-After", "77")]))
        #expect(outcome == .retry("http_503", retryAfter: .seconds(77)))
    }

    @Test func aRedirectIsNotFollowed() async throws {
        let other = ScriptedServer { _ in .response(204) }
        defer { other.stop() }
        let (outcome, requests) = try await outcome(of: .response(301, headers: [("Location", other.url)]))
        #expect(outcome == .retry("http_301", retryAfter: nil))
        #expect(requests == 1 && other.requests.isEmpty)
    }

    @Test func aReceiverThatHangsIsGivenUpInTime() async throws {
        let (outcome, _) = try await outcome(of: .raw("", .hang), timeout: .milliseconds(300))
        guard case .retry(let text, nil) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(text.contains("timed out"))
    }

    @Test func aResetIsTriedAgainAndSaysNothingOfTheMessage() async throws {
        let (outcome, _) = try await outcome(of: .raw("", .reset))
        guard case .retry(let text, nil) = outcome else { return #expect(Bool(false), "\(outcome)") }
        #expect(!text.contains(DeliveryBench.pin) && !text.contains("/in"))
    }

    /// What the receiver took it has taken, however much it says about it; the rest is not read.
    @Test func aHundredMegabytesAreNotRead() async throws {
        let chunk = [UInt8](repeating: 0x78, count: 1 << 20)
        let server = ScriptedServer { _ in
            let head = Array("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n".utf8)
            return .init(bytes: head + (0..<100).flatMap { _ in chunk }, ending: .close)
        }
        defer { server.stop() }
        #expect(try await way(server.url).send(message) == .delivered)
        let broken = ScriptedServer { _ in .init(bytes: Array("HTTP/1.1 500 No\r\n\r\n".utf8) + chunk, ending: .close) }
        defer { broken.stop() }
        #expect(try await way(broken.url).send(message) == .retry("http_500", retryAfter: nil))
    }

    @Test func nobodyListening() async throws {
        let server = ScriptedServer { _ in .response(204) }
        let url = server.url
        server.stop()
        #expect(await eventually { (try? await way(url).send(message)) != .delivered })
    }
}
