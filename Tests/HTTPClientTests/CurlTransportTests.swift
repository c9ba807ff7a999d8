import Dispatch
import Glibc
import ScriptedServer
import Synchronization
import Testing

@testable import HTTPClient

@Suite(.timeLimit(.minutes(5))) struct CurlTransportTests {
    private let transport = CurlTransport(maxConcurrentRequests: 2, maxQueued: 8, userAgent: "sparekey/test")

    private func post(
        _ url: String, _ body: String = "{}", timeout: Duration = .seconds(20), limit: Int = 1000,
        isRepeatable: Bool = true
    ) -> ClientRequest {
        ClientRequest(
            method: "POST", url: url, headers: [("Content-Type", "application/json"), ("Authorization", "Bearer k")],
            body: Array(body.utf8), timeout: timeout, maxResponseBytes: limit, isRepeatable: isRepeatable)
    }

    /// The error, where there is one.
    private func failure(_ request: ClientRequest, transport: CurlTransport? = nil) async -> ClientError? {
        do {
            _ = try await (transport ?? self.transport).send(request)
            return nil
        } catch {
            return error
        }
    }

    @Test func sendsWhatWasAskedAndNoMore() async throws {
        let server = ScriptedServer { _ in .response(201, headers: [("X-Answer", "yes")], body: "hello") }
        defer { server.stop() }
        let response = try await transport.send(post(server.url + "/a/b?c=d", #"{"e":1}"#))
        #expect(response.status == 201 && response.body == Array("hello".utf8) && response.header("x-answer") == "yes")
        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.target == "/a/b?c=d" && request.body == Array(#"{"e":1}"#.utf8))
        #expect(request.header("authorization") == "Bearer k" && request.header("content-type") == "application/json")
        #expect(request.header("user-agent") == "sparekey/test" && request.header("accept-encoding") == "identity")
        #expect(request.header("expect") == nil)
    }

    @Test func otherMethodsAndBodies() async throws {
        let server = ScriptedServer {
            $0.method == "HEAD" ? .raw("HTTP/1.1 204 No\r\n\r\n", .keepOpen) : .response(200)
        }
        defer { server.stop() }
        for (method, body) in [("GET", nil), ("POST", []), ("PUT", [0, 1, 255]), ("DELETE", nil), ("HEAD", nil)]
            as [(String, [UInt8]?)]
        {
            _ = try await transport.send(
                ClientRequest(
                    method: method, url: server.url, headers: [("X-Empty", "")], body: body, timeout: .seconds(20)))
        }
        #expect(server.requests.map(\.method) == ["GET", "POST", "PUT", "DELETE", "HEAD"])
        #expect(server.requests.map(\.body) == [[], [], [0, 1, 255], [], []])
        #expect(server.requests.allSatisfy { $0.header("content-type") == nil && $0.header("x-empty") == "" })
        let large = String(repeating: "x", count: 300_000)
        _ = try await transport.send(post(server.url, large))
        #expect(server.requests.last?.body.count == 300_000 && server.requests.last?.header("expect") == nil)
    }

    @Test func keepsTheConnection() async throws {
        let server = ScriptedServer { _ in .response(200) }
        defer { server.stop() }
        for _ in 0..<3 { _ = try await transport.send(post(server.url)) }
        #expect(server.requests.map(\.connection) == [0, 0, 0])
        _ = try await transport.send(post(server.url, isRepeatable: false))
        #expect(server.requests.map(\.connection) == [0, 0, 0, 1])
    }

    /// The kept-alive connection dies under the second request: libcurl repeats a repeatable one and no other.
    @Test func repeatsOnlyWhatMayBeRepeated() async throws {
        let served = Atomic(0)
        let server = ScriptedServer { _ in
            served.add(1, ordering: .relaxed).oldValue % 2 == 0 ? .response(200) : Reply(ending: .reset)
        }
        defer { server.stop() }
        _ = try await transport.send(post(server.url))
        #expect(try await transport.send(post(server.url)).status == 200)
        #expect(server.requests.count == 3)
        let error = await failure(post(server.url, isRepeatable: false))
        #expect(error?.word == "connection_broken")
        #expect(server.requests.count == 4)
    }

    @Test func doesNotFollowRedirects() async throws {
        let server = ScriptedServer { .response(302, headers: [("Location", "\($0.target)/elsewhere")]) }
        defer { server.stop() }
        #expect(try await transport.send(post(server.url)).status == 302)
        #expect(server.requests.count == 1)
    }

    @Test func refusesWhatIsTooLarge() async {
        let server = ScriptedServer { request in
            switch request.target {
            case "/length": .response(200, body: String(repeating: "x", count: 1001))
            case "/exact": .response(200, body: String(repeating: "x", count: 1000))
            case "/close": .raw("HTTP/1.1 200 OK\r\n\r\n" + String(repeating: "x", count: 100_000))
            case "/chunks":
                .raw(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + String(repeating: "3E8\r\n\(String(repeating: "x", count: 1000))\r\n", count: 50))
            default: .response(200, headers: (0..<100).map { ("X-\($0)", String(repeating: "y", count: 1000)) })
            }
        }
        defer { server.stop() }
        for (path, limit) in [("/length", 1000), ("/close", 1000), ("/chunks", 1000), ("/head", Exchange.maxHeadBytes)]
        {
            let error = await failure(post(server.url + path))
            #expect(error == .tooLarge(endpoint: "127.0.0.1:\(server.port)", limitBytes: limit), "\(path)")
        }
        #expect(await failure(post(server.url + "/exact")) == nil)
    }

    @Test func dropsTrailers() async throws {
        let server = ScriptedServer { _ in
            .raw(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nRetry-After: 9\r\n\r\n", .keepOpen
            )
        }
        defer { server.stop() }
        let response = try await transport.send(post(server.url))
        #expect(response.body == Array("ok".utf8) && response.header("retry-after") == nil)
    }

    @Test func namesBrokenConnections() async {
        let server = ScriptedServer { request in
            switch request.target {
            case "/reset": Reply(ending: .reset)
            case "/empty": Reply(ending: .close)
            case "/short": .raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            case "/chunk": .raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nsecret\r\n")
            case "/http09": .raw("secret, no HTTP at all")
            default: .raw("HTTP/9.9 secret\r\n\r\n")
            }
        }
        defer { server.stop() }
        for path in ["/reset", "/empty", "/short", "/chunk", "/http09", "/version"] {
            let error = await failure(post(server.url + path))
            #expect(error?.word == "connection_broken", "\(path)")
            #expect(error.map { !"\($0)".contains("secret") && !"\($0)".contains(path) } == true)
            #expect(error.map { "\($0)".contains("127.0.0.1:\(server.port)") } == true)
        }
    }

    @Test func timesOutOnSilenceAndOnSlowness() async {
        let server = ScriptedServer { request in
            request.target == "/silent"
                ? Reply(ending: .hang) : .raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", .hang)
        }
        defer { server.stop() }
        for path in ["/silent", "/slow"] {
            let error = await failure(post(server.url + path, timeout: .milliseconds(150)))
            #expect(error == .timeout(endpoint: "127.0.0.1:\(server.port)", reason: "no complete answer"))
        }
        #expect(await failure(post(server.url, timeout: .zero))?.word == "timeout")
        #expect(await failure(post(server.url, timeout: .seconds(-5)))?.word == "timeout")
    }

    /// A receiver's word is its status, whatever becomes of what it says besides.
    @Test(arguments: [ScriptedServer.Ending.hang, .close])
    func whoCutsTheBodyTakesTheStatusOfAnUnfinishedOne(ending: ScriptedServer.Ending) async throws {
        let server = ScriptedServer { _ in .raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", ending) }
        defer { server.stop() }
        var request = post(server.url, timeout: .milliseconds(500))
        request.cutsResponse = true
        #expect(try await transport.send(request).status == 200)
        request.cutsResponse = false
        #expect(await failure(request) != nil)
    }

    @Test func cannotConnect() async {
        let server = ScriptedServer { _ in .response(200) }
        server.stop()
        // The port was just given back; nobody listens there.
        let error = await failure(post(server.url))
        #expect(error?.word == "connection_failed" || error?.word == "connection_broken")
        let unknown = await failure(post("https://sparekey.invalid/x", timeout: .seconds(5)))
        #expect(unknown?.word == "connection_failed" || unknown?.word == "timeout")
    }

    @Test func refusesPlainHTTPElsewhere() async {
        #expect(await failure(post("http://connect.getseam.com/"))?.word == "invalid_url")
    }

    @Test func boundsConcurrencyAndQueue() async throws {
        let gate = DispatchSemaphore(value: 0)
        let arrived = Mutex((now: 0, most: 0))
        let arrivals = AsyncStream<Void>.makeStream()
        let server = ScriptedServer { _ in
            arrivals.continuation.yield()
            arrived.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            gate.wait()
            arrived.withLock { $0.now -= 1 }
            return .response(200)
        }
        defer { server.stop() }
        let transport = CurlTransport(maxConcurrentRequests: 2, maxQueued: 3, userAgent: "t")
        let request = post(server.url)
        let errors = await withTaskGroup(of: ClientError?.self) { group in
            for _ in 0..<9 { group.addTask { await self.failure(request, transport: transport) } }
            // Four of nine find two working and three waiting: those answers come while the others still hang.
            var errors: [ClientError?] = []
            while errors.count < 4, let error = await group.next() { errors.append(error) }
            #expect(errors.allSatisfy { $0 == .busy(limit: 3) })
            var arrival = arrivals.stream.makeAsyncIterator()
            for _ in 0..<2 { await arrival.next() }
            for _ in 0..<5 { gate.signal() }
            for await error in group { errors.append(error) }
            return errors
        }
        #expect(errors.filter { $0 == nil }.count == 5)
        #expect(arrived.withLock { $0.most } == 2)
        #expect(server.requests.count == 5)
    }

    @Test func cancelsWhatRunsAndWhatWaits() async throws {
        let started = AsyncStream<Void>.makeStream()
        let server = ScriptedServer { _ in
            started.continuation.yield()
            return Reply(ending: .hang)
        }
        defer { server.stop() }
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 1, userAgent: "t")
        let request = post(server.url, timeout: .seconds(50))
        let running = Task { await failure(request, transport: transport) }
        var arrivals = started.stream.makeAsyncIterator()
        await arrivals.next()
        let waiting = Task { await failure(request, transport: transport) }
        waiting.cancel()
        #expect(await waiting.value == .cancelled)
        let begun = ContinuousClock.now
        running.cancel()
        #expect(await running.value == .cancelled)
        #expect(begun.duration(to: .now) < .seconds(10))
        // A task that is cancelled already sends nothing, and the worker is free again.
        let early = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await failure(request, transport: transport)
        }
        #expect(await early.value == .cancelled)
        #expect(server.requests.count == 1)
    }

    @Test func aQueuedRequestExpires() async {
        let server = ScriptedServer { _ in Reply(ending: .hang) }
        defer { server.stop() }
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 5, userAgent: "t")
        let request = post(server.url, timeout: .milliseconds(200))
        let words = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<4 { group.addTask { await self.failure(request, transport: transport)?.word } }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(words == Array(repeating: "timeout", count: 4))
        #expect(server.requests.count <= 2)
    }

    @Test func aBrokenPipeDoesNotEndTheProcess() async {
        let isAlive = await withCheckedContinuation { continuation in
            DispatchQueue(label: "t").async { @Sendable in
                continuation.resume(returning: withoutBrokenPipeSignal { pthread_kill(pthread_self(), SIGPIPE) == 0 })
            }
        }
        #expect(isAlive)
    }

    private typealias Reply = ScriptedServer.Reply
}
