import Dispatch
import Glibc
import Synchronization
import Testing

@testable import HTTPServer

private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite(.timeLimit(.minutes(5))) struct ServerTests {
    @Test func requestArrivesWhole() async throws {
        let harness = try Harness()
        let port = harness.server.port
        async let answer = blocking {
            let client = try TestClient(port: port)
            try client.send(
                "POST /webhooks/seam?a=%20b HTTP/1.1\r\nHost: a.example:8080\r\nX-Two: 1\r\nContent-Length: 5\r\nx-two:\t 2 \r\n\r\nhello"
            )
            let answer = try client.answer()
            try client.send(get)
            return (answer, try client.answer())
        }
        let (request, responder) = try #require(await harness.exchanges.first(1).first)
        #expect(request.method == .post)
        #expect(request.path == Array("/webhooks/seam".utf8))
        #expect(request.query == Array("a=%20b".utf8))
        #expect(request.headers.values("x-two").map { Array($0) } == [Array("1".utf8), Array("2".utf8)])
        #expect(request.headers.first("host").map { Array($0) } == Array("a.example:8080".utf8))
        #expect(
            request.headers.map { String(decoding: $0.name, as: UTF8.self) } == [
                "host", "x-two", "content-length", "x-two",
            ])
        #expect(request.body == Array("hello".utf8))
        #expect(request.peer.hasPrefix("127.0.0.1:"))
        responder.respond(Response(200, headers: [("X-A", "b"), ("X-Bad", "a\r\nb")], body: Array("there".utf8)))
        await harness.exchanges.first(2)[1].responder.respond(Response(204))
        let (first, second) = try await answer
        #expect(first.head == "HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 5")
        #expect(first.body == Array("there".utf8))
        #expect(second.head == "HTTP/1.1 204 No Content")
        await harness.server.shutdown(deadline: .seconds(5))
    }

    @Test func everyAnswerSaysWhen() async throws {
        let asked = Atomic(0)
        let server = Server(
            host: "127.0.0.1", port: 0,
            date: { "Sun, 06 Nov 1994 08:49:3\(asked.add(1, ordering: .relaxed).newValue) GMT" }
        ) { request, responder in responder.respond(Response(request.method == .post ? 204 : 200)) }
        try server.start()
        let port = server.port
        try await blocking {
            let client = try TestClient(port: port)
            // Within a second it is asked for once.
            let date = "Date: Sun, 06 Nov 1994 08:49:31 GMT"
            try client.send(get + "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" + "refused\r\n\r\n")
            #expect(try client.answer().head == "HTTP/1.1 200 OK\r\n\(date)\r\nContent-Length: 0")
            #expect(try client.answer().head == "HTTP/1.1 204 No Content\r\n\(date)")
            let refusal = try client.answer()
            #expect(refusal.status == 400 && refusal.has(date))
        }
    }

    @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
        let harness = try Harness()
        let port = harness.server.port
        async let statuses = blocking {
            let client = try TestClient(port: port)
            try client.send(get + get + get)
            return [try client.answer().status, try client.answer().status, try client.answer().status]
        }
        let exchanges = await harness.exchanges.first(3)
        Responder.respond([exchanges[2].responder, exchanges[1].responder], [Response(203), Response(202)])
        exchanges[0].responder.respond(Response(201))
        exchanges[0].responder.respond(Response(500))
        #expect(try await statuses == [201, 202, 203])
    }

    @Test func chunkedContentComesWithoutItsCoding() async throws {
        let server = try answeringServer { Response(200, body: $0.body) }
        let port = server.port
        let answer = try await blocking {
            let client = try TestClient(port: port)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n")
            try client.send("0006\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n")
            return try client.answer()
        }
        #expect(answer.body == Array("hello world".utf8))
    }

    @Test func headIsAnsweredWithoutContent() async throws {
        let server = try answeringServer { _ in Response(200, body: Array("hello".utf8)) }
        let port = server.port
        try await blocking {
            let client = try TestClient(port: port)
            try client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get)
            #expect(try client.answer(withoutBody: true).has("Content-Length: 5"))
            #expect(try client.answer().body == Array("hello".utf8))
        }
    }

    @Test func continueIsSentAndTheContentRead() async throws {
        let server = try answeringServer(admission: { $0.path == Array("/no".utf8) ? Response(404) : nil }) {
            Response(200, body: $0.body)
        }
        let port = server.port
        try await blocking {
            let client = try TestClient(port: port)
            let fields = "HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            try client.send("POST / " + fields)
            #expect(try client.answer().status == 100)
            try client.send("ok")
            #expect(try client.answer().body == Array("ok".utf8))
            try client.send("POST /no " + fields)
            let refusal = try client.answer()
            #expect(refusal.status == 404)
            #expect(refusal.has("Connection: close"))
            #expect(try client.isAtEnd())
        }
    }

    @Test func refusalOfALargeBodyIsReadable() async throws {
        let harness = try Harness()
        let port = harness.server.port
        try await blocking {
            let client = try TestClient(port: port)
            // All of it is sent before anything is read, as simple clients do.
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6000000\r\n\r\n")
            try client.send([UInt8](repeating: 0x78, count: 6_000_000))
            let answer = try client.answer()
            #expect(answer.status == 413)
            #expect(answer.has("Connection: close"))
            #expect(answer.has("Content-Length: 0"))
            #expect(try client.isAtEnd())
        }
        #expect(harness.events.elements.contains(.refused(status: 413, reason: "body_too_large")))
        #expect(harness.exchanges.elements.isEmpty)
    }

    @Test func bodyAtTheLimitIsTakenAndALargeAnswerSent() async throws {
        let server = try answeringServer { Response(200, body: $0.body + $0.body) }
        let port = server.port
        let body = (0..<1_572_864).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        let answer = try await blocking {
            let client = try TestClient(port: port, receiveBuffer: 4_096)
            try client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.count)\r\n\r\n")
            try client.send(body)
            return try client.answer()
        }
        #expect(answer.body == body + body)
    }

    @Test func slowClientsAreToldSo() async throws {
        var limits = Limits()
        limits.headerTimeout = .milliseconds(500)
        limits.bodyTimeout = .milliseconds(500)
        limits.idleTimeout = .milliseconds(500)
        let server = try answeringServer(limits) { _ in Response(204) }
        let port = server.port
        try await blocking {
            for beginning in ["GET / HTTP/1.1\r\nHos", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"] {
                let client = try TestClient(port: port)
                try client.send(beginning)
                #expect(try client.answer().status == 408)
                #expect(try client.isAtEnd())
            }
            let silent = try TestClient(port: port)
            #expect(try silent.isAtEnd())
            let idle = try TestClient(port: port)
            try idle.send(get)
            #expect(try idle.answer().status == 204)
            #expect(try idle.isAtEnd())
        }
    }

    @Test func theLongestIdleGivesWay() async throws {
        var limits = Limits.patient
        limits.maxConnections = 2
        let harness = try Harness(limits)
        let port = harness.server.port
        let idle = try await blocking { try Kept(port: port, get) }
        await harness.exchanges.first(1)[0].responder.respond(Response(204))
        #expect(try await idle.answer().status == 204)
        let busy = try await blocking { try Kept(port: port, get) }
        let held = await harness.exchanges.first(2)[1]
        // The third takes the place of the first, the fourth finds none to take.
        let third = try await blocking { try Kept(port: port, get) }
        let other = await harness.exchanges.first(3)[2]
        #expect(try await idle.isAtEnd())
        let fourth = try await blocking { try Kept(port: port, "") }
        #expect((try? await fourth.isAtEnd()) ?? true)
        #expect(harness.events.elements.filter { $0 == .evictedIdle }.count == 1)
        #expect(harness.events.elements.contains(.connectionRefused))
        held.responder.respond(Response(204))
        other.responder.respond(Response(204))
        #expect(try await busy.answer().status == 204)
        #expect(try await third.answer().status == 204)
    }

    /// A request that was read in the same turn in which somebody else connects keeps its connection.
    @Test func whoWasJustReadDoesNotGiveWay() async throws {
        var limits = Limits.patient
        limits.maxConnections = 2
        let exchanges = Collector<Harness.Exchange>()
        let events = Collector<ServerEvent>()
        let gate = DispatchSemaphore(value: 0)
        let server = Server(host: "127.0.0.1", port: 0, limits: limits, observer: { events.append($0) }) {
            exchanges.append(($0, $1))
            // The queue stands still, so that all that comes meanwhile is found at once.
            if $0.path == Array("/stop".utf8) { gate.wait() }
        }
        try server.start()
        let port = server.port
        let idle = try await blocking { try Kept(port: port, get) }
        await exchanges.first(1)[0].responder.respond(Response(204))
        #expect(try await idle.answer().status == 204)
        let stopping = try await blocking { try Kept(port: port, "GET /stop HTTP/1.1\r\nHost: a\r\n\r\n") }
        let stopped = await exchanges.first(2)[1]
        let other = try await blocking {
            try idle.client.send(get)
            idle.client.waitUntilTaken()
            return try Kept(port: port, "")
        }
        gate.signal()
        await exchanges.first(3)[2].responder.respond(Response(201))
        #expect(try await idle.answer().status == 201)
        #expect((try? await other.isAtEnd()) ?? true)
        #expect(events.elements.contains(.connectionRefused))
        #expect(!events.elements.contains(.evictedIdle))
        stopped.responder.respond(Response(204))
        #expect(try await stopping.answer().status == 204)
    }

    @Test func halfClosedClientIsAnswered() async throws {
        let harness = try Harness()
        let port = harness.server.port
        let kept = try await blocking {
            let kept = try Kept(port: port, get)
            kept.client.finishSending()
            return kept
        }
        let exchange = await harness.exchanges.first(1)[0]
        exchange.responder.respond(Response(200, body: Array("late".utf8)))
        try await blocking {
            let answer = try kept.client.answer()
            #expect(answer.body == Array("late".utf8))
            #expect(answer.has("Connection: close"))
            #expect(try kept.client.isAtEnd())
        }
    }

    @Test func abortResets() async throws {
        let harness = try Harness()
        let port = harness.server.port
        let kept = try await blocking { try Kept(port: port, get) }
        await harness.exchanges.first(1)[0].responder.abort()
        let failure = await #expect(throws: TestClient.Failure.self) { try await kept.answer() }
        #expect(failure?.errno == ECONNRESET)
    }

    @Test func dripArrives() async throws {
        let server = try answeringServer { _ in
            var response = Response(200, body: Array("slow".utf8))
            response.dripInterval = .milliseconds(20)
            return response
        }
        let port = server.port
        let clock = ContinuousClock()
        let start = clock.now
        let answer = try await blocking {
            let client = try TestClient(port: port)
            try client.send(get)
            return try client.answer()
        }
        #expect(answer.body == Array("slow".utf8))
        #expect(start.duration(to: clock.now) >= .milliseconds(80))
    }

    @Test func theServerAnswersForASilentHandler() async throws {
        var limits = Limits()
        limits.responseTimeout = .milliseconds(100)
        let silent = Collector<Responder>()
        let server = Server(host: "127.0.0.1", port: 0, limits: limits) { _, responder in
            guard let late = silent.elements.first else { return silent.append(responder) }
            late.respond(Response(500))
            responder.respond(Response(201))
        }
        try server.start()
        let port = server.port
        try await blocking {
            let client = try TestClient(port: port)
            try client.send(get)
            let answer = try client.answer()
            #expect(answer.status == 503)
            #expect(answer.has("Retry-After: 1"))
            try client.send(get)
            #expect(try client.answer().status == 201)
        }
    }

    /// One answer each, and whoever asks is told whose it was.
    @Test func onlyOneAnswerCounts() async throws {
        var limits = Limits()
        limits.responseTimeout = .milliseconds(100)
        let harness = try Harness(limits)
        let port = harness.server.port
        let late = try await blocking { try Kept(port: port, get) }
        let lateExchange = await harness.exchanges.first(1)[0]
        #expect(try await late.answer().status == 503)
        let other = try Harness()
        let otherPort = other.server.port
        let inTime = try await blocking { try Kept(port: otherPort, get + get) }
        let responders = await other.exchanges.first(2).map(\.responder)
        let answered = Responder.respond(
            [lateExchange.responder, responders[0], responders[1], responders[0]],
            [Response(204), Response(201), Response(202), Response(500)])
        #expect(answered == [false, true, true, false])
        #expect(try await inTime.answer().status == 201)
        #expect(try await inTime.answer().status == 202)
        #expect(!responders[1].respond(Response(500)))
        #expect(Responder.respond([], []) == [])
    }

    @Test func memoryOfAllConnectionsIsBounded() async throws {
        var limits = Limits.patient
        limits.maxBufferedBytes = 200_000
        let harness = try Harness(limits)
        let port = harness.server.port
        let body = String(repeating: "x", count: 150_000)
        let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n" + body
        let first = try await blocking { try Kept(port: port, request) }
        let exchange = await harness.exchanges.first(1)[0]
        let second = try await blocking {
            let kept = try Kept(port: port, request)
            #expect(try kept.client.answer().status == 503)
            return kept
        }
        exchange.responder.respond(Response(204))
        #expect(try await first.answer().status == 204)
        #expect(try await second.isAtEnd())
        let third = try await blocking { try Kept(port: port, request) }
        await harness.exchanges.first(2)[1].responder.respond(Response(204))
        #expect(try await third.answer().status == 204)
    }

    @Test func wireStandsBetweenSocketAndHTTP() async throws {
        let harness = try Harness(wire: { MaskingWire() })
        let port = harness.server.port
        let kept = try await blocking { try Kept(port: port, masked: get) }
        await harness.exchanges.first(1)[0].responder.respond(Response(204))
        async let stopped: Void = harness.server.shutdown(deadline: .seconds(5))
        let bytes = try await blocking { try kept.client.readToEnd() }
        await stopped
        let text = String(decoding: bytes.map { $0 ^ 0x55 }, as: UTF8.self)
        #expect(text.hasPrefix("HTTP/1.1 204 No Content\r\n"))
        #expect(text.hasSuffix("\r\n\r\nbye"))
    }
}

/// A client that outlives one blocking call.
///
/// Safe because one test uses it, a call at a time.
final class Kept: @unchecked Sendable {
    let client: TestClient

    init(port: Int, _ text: String, receiveBuffer: Int32? = nil, from source: String? = nil) throws {
        client = try TestClient(port: port, receiveBuffer: receiveBuffer, source: source)
        try client.send(text)
    }

    func answer() async throws -> TestClient.Answer { try await blocking { try self.client.answer() } }

    func isAtEnd() async throws -> Bool { try await blocking { try self.client.isAtEnd() } }

    init(port: Int, masked text: String) throws {
        client = try TestClient(port: port)
        try client.send(text.utf8.map { $0 ^ 0x55 })
    }
}

/// The simplest thing that is not plain: every byte is masked, and the end is announced.
private final class MaskingWire: Wire {
    let heldBytes = 0
    func receive(_ bytes: ArraySlice<UInt8>) -> WireOutput { WireOutput(plaintext: bytes.map { $0 ^ 0x55 }) }
    func send(_ bytes: [UInt8]) -> WireOutput { WireOutput(outgoing: bytes.map { $0 ^ 0x55 }) }
    func finish() -> [UInt8] { "bye".utf8.map { $0 ^ 0x55 } }
}
