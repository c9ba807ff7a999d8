import Testing

@testable import HTTPServer

private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

/// What one peer can take, on real sockets: connections, time and memory.
@Suite(.timeLimit(.minutes(2))) struct BoundsTests {
    /// A connection that has been answered, and is idle.
    private func idle(_ harness: Harness, from source: String) async throws -> Kept {
        let port = harness.server.port
        let before = harness.exchanges.elements.count
        let kept = try await blocking { try Kept(port: port, get, from: source) }
        await harness.exchanges.first(before + 1)[before].responder.respond(Response(204))
        #expect(try await kept.answer().status == 204)
        return kept
    }

    private func isRefused(_ harness: Harness, from source: String) async throws -> Bool {
        let port = harness.server.port
        let kept = try await blocking { try Kept(port: port, "", from: source) }
        return (try? await kept.isAtEnd()) ?? true
    }

    @Test func anAddressHasABoundOfItsOwn() async throws {
        var limits = Limits.patient
        limits.maxConnectionsPerAddress = 2
        limits.countsLoopback = true
        let harness = try Harness(limits)
        let port = harness.server.port
        let first = try await blocking { try Kept(port: port, get, from: "127.0.0.1") }
        let second = try await blocking { try Kept(port: port, get, from: "127.0.0.1") }
        let exchanges = await harness.exchanges.first(2)
        #expect(try await isRefused(harness, from: "127.0.0.1"))
        #expect(harness.events.elements.filter { $0 == .addressRefused }.count == 1)
        // Another address is none the worse for it.
        let other = try await idle(harness, from: "127.0.0.2")
        // Once one is idle, it gives way to the next of its own address.
        exchanges[0].responder.respond(Response(204))
        exchanges[1].responder.respond(Response(204))
        #expect(try await first.answer().status == 204)
        #expect(try await second.answer().status == 204)
        let third = try await idle(harness, from: "127.0.0.1")
        #expect(harness.events.elements.filter { $0 == .evictedIdle }.count == 1)
        // Neither the third nor the other address's has ended.
        for kept in [other, third] {
            try await blocking { try kept.client.send(get) }
        }
        #expect(await harness.exchanges.first(6).count == 6)
    }

    @Test func thisMachineIsNotCounted() async throws {
        var limits = Limits.patient
        limits.maxConnectionsPerAddress = 1
        let harness = try Harness(limits)
        var kept: [Kept] = []
        for _ in 0..<4 { kept.append(try await idle(harness, from: "127.0.0.1")) }
        for (number, kept) in kept.enumerated() {
            try await blocking { try kept.client.send(get) }
            await harness.exchanges.first(5 + number)[4 + number].responder.respond(Response(204))
            #expect(try await kept.answer().status == 204)
        }
    }

    @Test func whoConnectsOftenPushesNobodyOut() async throws {
        var limits = Limits.patient
        limits.maxConnections = 4
        let harness = try Harness(limits)
        let quiet = try await idle(harness, from: "127.0.0.2")
        var crowd: [Kept] = []
        for _ in 0..<12 { crowd.append(try await idle(harness, from: "127.0.0.1")) }
        // The quiet one has been idle for longer than any of the crowd, and is still there.
        try await blocking { try quiet.client.send(get) }
        await harness.exchanges.first(14)[13].responder.respond(Response(204))
        #expect(try await quiet.answer().status == 204)
        #expect(try await crowd[0].isAtEnd())
    }

    /// An answer of eight megabytes to a client that does not read: it is let go of in time, and by a reset.
    @Test func whoDoesNotReadIsReset() async throws {
        var limits = Limits.patient
        limits.writeTimeout = .milliseconds(300)
        limits.minimumRate = .max
        let harness = try Harness(limits)
        let port = harness.server.port
        let kept = try await blocking { try Kept(port: port, get, receiveBuffer: 4_096) }
        let body = [UInt8](repeating: 0x78, count: 8_388_608)
        await harness.exchanges.first(1)[0].responder.respond(Response(200, body: body))
        #expect(await harness.events.first(3) == [.connectionOpened, .writeTimedOut, .connectionClosed])
        await #expect(throws: TestClient.Failure.self) { try await blocking { _ = try kept.client.readToEnd() } }
    }

    /// However requests come and however little is answered, one connection holds no more than this.
    @Test func memoryOfOneConnectionIsBounded() throws {
        var limits = Limits()
        limits.maxBodyBytes = 100_000
        limits.maxReadAheadBytes = 50_000
        let bound = 2 * limits.maxReadAheadBytes + limits.maxBodyBytes + limits.maxHeadBytes + 65_536
        let field = "X: " + String(repeating: "x", count: 8_000) + "\r\n"
        let chunk = "4e20\r\n" + String(repeating: "c", count: 20_000) + "\r\n"
        let streams = [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + String(repeating: "b", count: 100_000),
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                + String(repeating: chunk, count: 5) + "0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n" + field + "\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        ]
        for stream in streams {
            let now = Instant.now
            let state = ConnectionState(limits: limits, peer: "", at: now)
            var pending = 0
            var largest = 0
            let bytes = Array(String(repeating: stream, count: 1_000_000 / stream.utf8.count + 2).utf8)
            var rest = bytes[...]
            var turns = 0
            while state.wantsRead, let _ = rest.first {
                let piece = rest.prefix(65_536)
                rest = rest.dropFirst(piece.count)
                var actions = state.received(piece, at: now)
                turns += 1
                // Every other answer is given at once, and none is taken by the client.
                while let action = actions.first {
                    actions.removeFirst()
                    switch action {
                    case .handle(_, let number) where number.isMultiple(of: 2):
                        actions += state.answered(number, Response(200, body: [1]), at: now)
                    case .send(let bytes):
                        pending += bytes.count
                        actions += state.output(pending: pending, at: now)
                    default: break
                    }
                }
                largest = max(largest, state.heldBytes)
            }
            #expect(largest <= bound)
            #expect(largest > 0)
            // It stopped reading, with most of the stream still to come.
            #expect(!state.wantsRead && rest.count > 400_000, "\(stream.prefix(80)) \(rest.count)")
        }
    }
}
