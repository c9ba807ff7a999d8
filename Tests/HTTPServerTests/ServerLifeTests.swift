import Dispatch
import Glibc
import Synchronization
import Testing

@testable import HTTPServer

private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/// Starting, stopping, and running out of things.
@Suite(.timeLimit(.minutes(5))) struct ServerLifeTests {
    @Test func aTakenPortIsNamed() throws {
        let first = try answeringServer { _ in Response(204) }
        let second = Server(host: "127.0.0.1", port: first.port) { _, _ in }
        let error = #expect(throws: ServerError.self) { try second.start() }
        #expect(error?.what == .bind)
        #expect(error?.errno == EADDRINUSE)
        #expect(error?.location == "127.0.0.1:\(first.port)")
        #expect(error?.hint.contains("another port") == true)
    }

    @Test func anUnknownHostIsNamed() {
        let server = Server(host: "no.such.host.invalid", port: 0) { _, _ in }
        let error = #expect(throws: ServerError.self) { try server.start() }
        #expect(error?.what == .resolve)
    }

    @Test func startsOnce() throws {
        let server = try answeringServer { _ in Response(204) }
        let error = #expect(throws: ServerError.self) { try server.start() }
        #expect(error?.what == .state)
    }

    @Test(arguments: ["127.0.0.1", "localhost", "::1", "::", "*", "0.0.0.0"])
    func listensOn(host: String) async throws {
        let server = Server(host: host, port: 0) { $1.respond(Response(200, body: Array($0.peer.utf8))) }
        do {
            try server.start()
        } catch {
            // A machine without IPv6 has no ::1.
            #expect(host.contains(":") || host == "*")
            #expect(error.errno == EAFNOSUPPORT || error.errno == EADDRNOTAVAIL)
            return
        }
        let port = server.port
        let peer = try await blocking {
            let client = try TestClient(port: port, family: host == "::1" ? AF_INET6 : AF_INET)
            try client.send(get)
            return String(decoding: try client.answer().body, as: UTF8.self)
        }
        #expect(peer.hasPrefix(host == "::1" ? "[::1]:" : "127.0.0.1:"))
        await server.shutdown(deadline: .seconds(5))
    }

    /// The queue may be at work for a while yet, and accept more before it comes to what waits for it.
    @Test func newLimitsHoldForWhoeverConnectsNext() async throws {
        var limits = Limits()
        limits.maxBodyBytes = 4
        let changed = limits
        let post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
        let running = Mutex<Server?>(nil)
        let next = Mutex<Kept?>(nil)
        let server = try answeringServer { request in
            // This is on the server's queue, in the midst of a turn.
            if let server = running.withLock({ $0 }), request.method == .get {
                server.update(changed)
                next.withLock { $0 = try? Kept(port: server.port, post) }
            }
            return Response(204)
        }
        running.withLock { $0 = server }
        let port = server.port
        let first = try await blocking { try Kept(port: port, get) }
        #expect(try await first.answer().status == 204)
        let second = try #require(next.withLock { $0 })
        #expect(try await second.answer().status == 413)
        running.withLock { $0 = nil }
        await server.shutdown(deadline: .seconds(5))
    }

    @Test func shutdownClosesWhatIsIdleAndFreesThePort() async throws {
        let server = try answeringServer { _ in Response(204) }
        let port = server.port
        let kept = try await blocking { try Kept(port: port, get) }
        #expect(try await kept.answer().status == 204)
        await server.shutdown(deadline: .seconds(30))
        #expect(try await kept.isAtEnd())
        let next = Server(host: "127.0.0.1", port: port) { $1.respond(Response(204)) }
        try next.start()
        await server.shutdown(deadline: .seconds(1))
    }

    /// Who connects between two servers on a socket that somebody else holds is answered by the second.
    @Test func aHandedOverSocketOutlivesItsServer() async throws {
        let held = try #require(try Listener.open(host: "127.0.0.1", port: 0).first)
        func server(_ status: Int) throws -> Server {
            let server = Server(host: "127.0.0.1", port: held.port, sockets: [dup(held.descriptor)]) {
                $1.respond(Response(status))
            }
            try server.start()
            #expect(server.port == held.port)
            #expect(!server.hasOwnSockets)
            #expect(server.addresses == ["127.0.0.1:\(held.port)"])
            return server
        }
        let first = try server(200)
        let before = try await blocking { try Kept(port: held.port, get) }
        #expect(try await before.answer().status == 200)
        await first.shutdown(deadline: .seconds(5))
        let between = try await blocking { try Kept(port: held.port, get) }
        let second = try server(204)
        #expect(try await between.answer().status == 204)
        await second.shutdown(deadline: .seconds(5))
        SystemCall.close(held.descriptor)
    }

    /// The socket is another process's as well, so that closing it here does not take it out of the epoll: who waits at it must
    /// not have the queue spin until the last connection is gone.
    @Test func whoWaitsAtAHandedOverSocketIsLeftWaiting() async throws {
        let held = try #require(try Listener.open(host: "127.0.0.1", port: 0).first)
        defer { SystemCall.close(held.descriptor) }
        let exchanges = Collector<Harness.Exchange>()
        let ends = Collector<ServerEvent>()
        let server = Server(
            host: "127.0.0.1", port: held.port, sockets: [dup(held.descriptor)], limits: .patient,
            observer: { if $0 == .connectionClosed { ends.append($0) } }, handler: { exchanges.append(($0, $1)) })
        try server.start()
        let loop = server.loop
        let first = try await blocking { try Kept(port: held.port, get) }
        let firstExchange = await exchanges.first(1)[0]
        let second = try await blocking { try Kept(port: held.port, get) }
        let secondExchange = await exchanges.first(2)[1]
        async let stopped: Void = server.shutdown(deadline: .seconds(50))
        while loop.queue.sync(execute: { loop.phase }) != .stopping { await Task.yield() }
        let waiting = try await blocking { try Kept(port: held.port, get) }
        let waits = loop.queue.sync { loop.waits }
        firstExchange.responder.respond(Response(204))
        #expect(try await first.answer().status == 204)
        // Its end is an event, which has the epoll asked.
        first.client.finishSending()
        _ = await ends.first(1)
        await server.probe()
        #expect(loop.queue.sync { loop.waits } - waits < 20)
        secondExchange.responder.respond(Response(204))
        #expect(try await second.answer().status == 204)
        await stopped
        // And whoever takes the socket over finds who waited.
        let next = Server(host: "127.0.0.1", port: held.port, sockets: [dup(held.descriptor)]) {
            $1.respond(Response(200))
        }
        try next.start()
        #expect(try await waiting.answer().status == 200)
    }

    /// As a child does between its fork and its exec: a connection that it holds must not have the queue spin once it is closed.
    @Test func aClosedConnectionThatIsHeldElsewhereIsForgotten() async throws {
        let ends = Collector<ServerEvent>()
        let server = Server(
            host: "127.0.0.1", port: 0, observer: { if $0 == .connectionClosed { ends.append($0) } },
            handler: { $1.respond(Response(204)) })
        try server.start()
        let (port, loop) = (server.port, server.loop)
        let kept = try await blocking { try Kept(port: port, get) }
        #expect(try await kept.answer().status == 204)
        let copies = loop.queue.sync { loop.table.keys.compactMap { loop.table[$0] }.map { dup($0.descriptor) } }
        let waits = loop.queue.sync { loop.waits }
        kept.client.finishSending()
        _ = await ends.first(1)
        await server.probe()
        #expect(loop.queue.sync { loop.waits } - waits < 20)
        #expect(copies.count == 1)
        for copy in copies { close(copy) }
        await server.shutdown(deadline: .seconds(5))
    }

    @Test func whatIsNoListeningSocketIsRefused() {
        for descriptor in [open("/dev/null", O_RDONLY), socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)] {
            let server = Server(host: "127.0.0.1", port: 0, sockets: [descriptor]) { _, _ in }
            let error = #expect(throws: ServerError.self) { try server.start() }
            #expect(error?.what == .adopt)
            close(descriptor)
        }
    }

    /// A server that is stopped, or merely let go of, leaves nothing behind: neither sockets nor memory.
    @Test(arguments: [true, false]) func aServerIsLetGoOf(isShutDown: Bool) async throws {
        let gone = Collector<String>()
        var server: Server? = try {
            let token = Token(gone)
            return try answeringServer { _ in
                _ = token
                return Response(204)
            }
        }()
        let port = try #require(server?.port)
        let kept = try await blocking { try Kept(port: port, get) }
        #expect(try await kept.answer().status == 204)
        if isShutDown { await server?.shutdown(deadline: .seconds(5)) }
        server = nil
        #expect(await gone.first(1) == ["gone"])
        #expect(try await kept.isAtEnd())
    }

    @Test func shutdownWaitsForTheHandlerButNotForEver() async throws {
        var limits = Limits()
        limits.responseTimeout = nil
        let harness = try Harness(limits)
        let port = harness.server.port
        let answered = try await blocking { try Kept(port: port, get) }
        let exchange = await harness.exchanges.first(1)[0]
        let unanswered = try await blocking { try Kept(port: port, get) }
        _ = await harness.exchanges.first(2)
        async let stopped: Void = harness.server.shutdown(deadline: .milliseconds(500))
        exchange.responder.respond(Response(204))
        try await blocking {
            let answer = try answered.client.answer()
            #expect(answer.status == 204)
            #expect(try answered.client.isAtEnd())
            #expect(try unanswered.client.isAtEnd())
        }
        await stopped
    }

    /// Every request that a handler got is answered, and the answer arrives, however busy the server is when it stops.
    @Test func shutdownUnderLoadLosesNoAnswer() async throws {
        let commits = Commits()
        let server = Server(host: "127.0.0.1", port: 0) { commits.take($1) }
        try server.start()
        let port = server.port
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<24 {
                group.addTask {
                    try await blocking {
                        // Ends when the server is gone.
                        while let client = try? TestClient(port: port) {
                            do {
                                while true {
                                    try client.send(lane.isMultiple(of: 2) ? get : get + get)
                                    for _ in 0..<(lane.isMultiple(of: 2) ? 1 : 2) {
                                        #expect(try client.answer().status == 204)
                                        commits.countAnswer()
                                    }
                                }
                            } catch {}
                        }
                    }
                }
            }
            group.addTask {
                try await blocking { commits.warm.wait() }
                await server.shutdown(deadline: .seconds(10))
            }
            try await group.waitForAll()
        }
        #expect(commits.answered.load(ordering: .relaxed) == commits.handled.load(ordering: .relaxed))
    }

    /// In a process of its own: descriptors are the whole process's.
    @Test func survivesRunningOutOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            var limit = rlimit(rlim_cur: 128, rlim_max: 128)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var limits = Limits.patient
            limits.shortageCalm = .zero
            let harness = try Harness(limits)
            let port = harness.server.port
            // A connection at work does not give way.
            let busy = try Kept(port: port, get)
            let exchange = await harness.exchanges.first(1)[0]
            // One descriptor is left for the client, none for the server.
            let last = dup(0)
            var hoard: [Int32] = []
            while true {
                let descriptor = dup(0)
                if descriptor < 0 { break }
                hoard.append(descriptor)
            }
            close(last)
            let refused = try TestClient(port: port)
            #expect((try? refused.isAtEnd()) ?? true)
            #expect(harness.events.elements.contains(.acceptPaused(errno: EMFILE)))
            for descriptor in hoard { close(descriptor) }
            // It resumes by itself.
            let next = try Kept(port: port, get)
            await harness.exchanges.first(2)[1].responder.respond(Response(204))
            #expect(try await next.answer().status == 204)
            #expect(harness.events.elements.contains(.acceptResumed))
            exchange.responder.respond(Response(204))
            #expect(try await busy.answer().status == 204)
        }
    }
}

extension ServerLifeTests {
    /// More requests than one connection may have waiting: the later ones are handed out while answers are being taken, and
    /// those, too, are handed over to who gathers.
    @Test func whatIsGatheredIsHandedOver() async throws {
        let gathering = Gathering()
        let server = Server(host: "127.0.0.1", port: 0, drained: { gathering.answerAll() }) { gathering.take($1) }
        try server.start()
        let port = server.port
        let answers = try await blocking {
            let client = try TestClient(port: port)
            try client.send(String(repeating: get, count: 100))
            return try (0..<100).map { _ in try client.answer().status }
        }
        #expect(answers == Array(repeating: 204, count: 100))
        await server.shutdown(deadline: .seconds(5))
    }
}

/// Answers as a group commit does: whatever has gathered meanwhile is answered together.
private final class Commits: Sendable {
    let handled = Atomic(0)
    let answered = Atomic(0)
    private let queue = DispatchQueue(label: "commit")
    private let waiting = Mutex<[Responder]>([])

    /// Signalled once a good number of answers has arrived.
    let warm = DispatchSemaphore(value: 0)

    func countAnswer() {
        if answered.add(1, ordering: .relaxed).newValue == 2_000 { warm.signal() }
    }

    func take(_ responder: Responder) {
        handled.add(1, ordering: .relaxed)
        waiting.withLock { $0.append(responder) }
        queue.async { [self] in
            let batch = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            Responder.respond(batch, batch.map { _ in Response(204) })
        }
    }
}

/// Answers when it is told that no more have come, and never else.
private final class Gathering: Sendable {
    private let waiting = Mutex<[Responder]>([])

    func take(_ responder: Responder) {
        waiting.withLock { $0.append(responder) }
    }

    func answerAll() {
        let batch = waiting.withLock { waiting in
            defer { waiting = [] }
            return waiting
        }
        Responder.respond(batch, batch.map { _ in Response(204) })
    }
}

private final class Token: Sendable {
    private let gone: Collector<String>

    init(_ gone: Collector<String>) { self.gone = gone }

    deinit { gone.append("gone") }
}
