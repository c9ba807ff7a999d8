import Testing

@testable import HTTPServer

/// A state with a clock moved by hand, and what it did in short words.
private struct Bench {
    var state: ConnectionState
    var now: Instant
    var handled: [UInt64] = []

    init(_ limits: Limits = Limits(), admission: ConnectionState.Admission? = nil) {
        now = .now
        state = ConnectionState(limits: limits, peer: "test", admission: admission, at: now)
    }

    private mutating func words(_ actions: [ConnectionState.Action]) -> [String] {
        var words: [String] = []
        for action in actions {
            switch action {
            case .handle(let request, let number):
                handled.append(number)
                words.append("handle \(String(decoding: request.path, as: UTF8.self)) \(request.body.count)")
            case .send(let bytes):
                let text = String(decoding: bytes, as: UTF8.self)
                let closes = text.contains("Connection: close") ? " close" : ""
                words.append(
                    text.hasPrefix("HTTP/1.1 ") ? "send \(text.dropFirst(9).prefix(3))\(closes)" : "send \(text)")
            case .shutdownWrite: words.append("shutdownWrite")
            case .close: words.append("close")
            case .reset: words.append("reset")
            case .report(.refused(_, let reason)): words.append("refused \(reason)")
            case .report(let event): words.append("\(event)")
            }
        }
        return words
    }

    /// The words of these actions, and of what follows when the socket takes all.
    private mutating func flushed(_ actions: [ConnectionState.Action]) -> [String] {
        var all = words(actions)
        while all.contains(where: { $0.hasPrefix("send") }), !state.isClosed {
            let more = words(state.output(pending: 0, at: now))
            all += more
            if !more.contains(where: { $0.hasPrefix("send") }) { break }
        }
        return all
    }

    mutating func receive(_ text: String) -> [String] { flushed(state.received(Array(text.utf8)[...], at: now)) }
    mutating func answer(_ number: UInt64, _ response: Response) -> [String] {
        flushed(state.answered(number, response, at: now))
    }
    mutating func answer(_ number: UInt64, _ status: Int = 204) -> [String] { answer(number, Response(status)) }
    mutating func end() -> [String] { flushed(state.peerClosed(at: now)) }
    mutating func shutdown() -> [String] { flushed(state.shutdown(at: now)) }
    mutating func overloaded() -> [String] { flushed(state.overloaded(at: now)) }
    mutating func abort(_ number: UInt64) -> [String] { words(state.aborted(number)) }

    /// Bytes come, are answered, and the socket takes none of it.
    mutating func receiveStuck(_ text: String, pending: Int) -> [String] {
        words(state.received(Array(text.utf8)[...], at: now)) + words(state.output(pending: pending, at: now))
    }
    mutating func drained(_ pending: Int) -> [String] { words(state.output(pending: pending, at: now)) }

    mutating func wait(_ duration: Duration) -> [String] {
        now += duration
        return flushed(state.timeout(at: now))
    }

    /// Moves to the next deadline and lets it pass; nil when there is none.
    mutating func waitForDeadline() -> [String]? {
        guard let deadline = state.deadline else { return nil }
        now = deadline
        return flushed(state.timeout(at: now))
    }
}

private let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

@Suite struct ConnectionStateTests {
    @Test func answersAndStaysOpen() {
        var bench = Bench()
        #expect(bench.receive(get) == ["handle / 0"])
        #expect(bench.state.idleSince == nil)
        #expect(bench.answer(0) == ["send 204"])
        #expect(bench.state.idleSince == bench.now)
        #expect(bench.receive(get) == ["handle / 0"])
        #expect(bench.answer(1) == ["send 204"])
        #expect(bench.answer(1) == [], "only one answer counts")
    }

    @Test func pipelinedAnswersKeepTheirOrder() {
        var bench = Bench()
        #expect(bench.receive(get + get + get).count == 3)
        #expect(bench.answer(2) == [])
        #expect(bench.answer(1, 200) == [])
        #expect(bench.answer(0, 404) == ["send 404", "send 200", "send 204"])
    }

    @Test func pipeliningIsBounded() {
        var limits = Limits()
        limits.maxPipelinedRequests = 2
        var bench = Bench(limits)
        #expect(bench.receive(get + get + get + get).count == 2)
        #expect(!bench.state.wantsRead)
        #expect(bench.answer(0) == ["send 204", "handle / 0"])
        #expect(bench.answer(1) == ["send 204", "handle / 0"])
        #expect(bench.answer(2) == ["send 204"])
        #expect(bench.state.wantsRead)
    }

    @Test func nothingIsBegunWhileAnswersAreNotTaken() {
        var limits = Limits()
        limits.maxReadAheadBytes = 100
        var bench = Bench(limits)
        #expect(bench.receiveStuck("GET HTTP\r\n", pending: 0).first == "refused request_line")
        bench = Bench(limits)
        #expect(bench.receiveStuck(get, pending: 101) == ["handle / 0"])
        #expect(bench.receive(get) == [])
        #expect(!bench.state.wantsRead)
        #expect(bench.drained(100) == ["handle / 0"])
    }

    @Test func headerDeadlineCountsFromTheFirstByte() {
        var bench = Bench()
        #expect(bench.wait(.seconds(9)) == [])
        #expect(bench.receive("GET / HT") == [])
        #expect(bench.wait(.seconds(9)) == [])
        #expect(bench.receive("TP/1.1\r\n") == [])
        #expect(bench.wait(.milliseconds(999)) == [])
        #expect(bench.wait(.milliseconds(1)) == ["refused header_timeout", "send 408 close", "shutdownWrite"])
        #expect(bench.receive("Host: a\r\n\r\n") == [])
        #expect(bench.end() == ["close"])
    }

    @Test func silentConnectionIsClosedWithoutAWord() {
        var bench = Bench()
        #expect(bench.wait(.milliseconds(9_999)) == [])
        #expect(bench.wait(.milliseconds(1)) == ["close"])
    }

    @Test func idleConnectionIsClosed() {
        var bench = Bench()
        _ = bench.receive(get)
        _ = bench.answer(0)
        #expect(bench.wait(.milliseconds(59_999)) == [])
        #expect(bench.wait(.milliseconds(1)) == ["close"])
    }

    @Test func bodyMustComeInTimeOrFastEnough() {
        var bench = Bench()
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
        #expect(bench.receive(head) == [])
        // 20 s whatever the rate; beyond, 1,000 bytes a second on average.
        #expect(bench.wait(.seconds(19)) == [])
        #expect(bench.receive(String(repeating: "x", count: 30_000)) == [])
        #expect(bench.wait(.milliseconds(10_999)) == [])
        #expect(bench.wait(.milliseconds(1)) == ["refused body_timeout", "send 408 close", "shutdownWrite"])
    }

    @Test func continueIsSentOnceTheContentIsAwaited() {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n"
        var bench = Bench()
        #expect(bench.receive(head) == ["send 100"])
        #expect(bench.receive("ok") == ["handle / 2"])
        // Content that is there already needs no asking.
        bench = Bench()
        #expect(bench.receive(head + "ok") == ["handle / 2"])
        // Not before the answers to earlier requests.
        bench = Bench()
        #expect(bench.receive(get + head) == ["handle / 0"])
        #expect(bench.answer(0) == ["send 204", "send 100"])
        // Not when refused, and not to HTTP/1.0.
        bench = Bench(admission: { _ in Response(404) })
        #expect(bench.receive(head) == ["refused admission", "send 404 close", "shutdownWrite"])
        bench = Bench()
        #expect(bench.receive("POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n") == [])
    }

    @Test func refusalWaitsForEarlierAnswers() {
        var bench = Bench()
        #expect(bench.receive(get + "bad\r\n") == ["handle / 0", "refused request_line"])
        #expect(bench.receive("more and more") == [])
        #expect(bench.answer(0) == ["send 204", "send 400 close", "shutdownWrite"])
    }

    @Test func afterTheLastAnswerTheRestIsDrainedWithinBounds() {
        var limits = Limits()
        limits.drainBytes = 100
        var bench = Bench(limits)
        #expect(bench.receive("bad\r\n").last == "shutdownWrite")
        #expect(bench.receive(String(repeating: "x", count: 90)) == [])
        #expect(bench.receive(String(repeating: "x", count: 20)) == ["close"])
        bench = Bench(limits)
        _ = bench.receive("bad\r\n")
        #expect(bench.wait(.milliseconds(4_999)) == [])
        #expect(bench.wait(.milliseconds(1)) == ["close"])
        #expect(bench.state.deadline == nil)
    }

    @Test func closeIsHonoured() {
        var bench = Bench()
        #expect(bench.receive("GET / HTTP/1.1\r\nHost: a\r\nConnection: te, Close\r\n\r\n" + get) == ["handle / 0"])
        #expect(bench.answer(0) == ["send 204 close", "shutdownWrite"])
        #expect(bench.end() == ["close"])
        bench = Bench()
        #expect(bench.receive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == ["handle / 0"])
        #expect(bench.answer(0) == ["send 204 close", "shutdownWrite"])
        // The handler may close, too: what comes after it is not answered.
        bench = Bench()
        #expect(bench.receive(get + get).count == 2)
        var response = Response(200)
        response.closesConnection = true
        #expect(bench.answer(0, response) == ["send 200 close", "shutdownWrite"])
        #expect(bench.answer(1) == [])
    }

    @Test func halfClosedClientGetsItsAnswers() {
        var bench = Bench()
        #expect(bench.receive(get + get).count == 2)
        #expect(bench.end() == [])
        #expect(!bench.state.wantsRead)
        #expect(bench.answer(0) == ["send 204"])
        #expect(bench.answer(1) == ["send 204 close", "close"])
        bench = Bench()
        #expect(bench.receive("GET / HT") == [])
        #expect(bench.end() == ["refused truncated", "send 400 close", "close"])
        bench = Bench()
        #expect(bench.end() == ["close"])
    }

    @Test func theServerAnswersForASilentHandler() {
        var bench = Bench()
        _ = bench.receive(get)
        #expect(bench.wait(.milliseconds(4_999)) == [])
        #expect(bench.wait(.milliseconds(1)) == ["responseTimedOut", "send 503"])
        #expect(bench.answer(0) == [])
        var limits = Limits()
        limits.responseTimeout = nil
        bench = Bench(limits)
        _ = bench.receive(get)
        #expect(bench.state.deadline == nil)
    }

    /// The handler has answered just before the deadline, and the answer comes just behind it.
    @Test func anAnswerOnItsWayIsNotOvertaken() {
        var bench = Bench()
        _ = bench.receive(get)
        let loop = ServerLoop(limits: Limits(), observer: { _ in }, wire: nil, admission: nil, date: nil, drained: nil)
        { _, _ in }
        let responder = Responder(loop: loop, connection: 1, number: 0)
        bench.state.handedOut(0, with: responder)
        _ = bench.wait(.seconds(1))
        _ = bench.receive(get)
        #expect(responder.claim())
        #expect(bench.wait(.seconds(4)) == [])
        // It waits for the second request's, and not for what is past.
        #expect(bench.state.deadline == bench.now + .seconds(1))
        #expect(bench.answer(0) == ["send 204"])
        #expect(bench.wait(.seconds(1)) == ["responseTimedOut", "send 503"])
    }

    @Test func aClientThatDoesNotReadIsReset() {
        var bench = Bench()
        _ = bench.receive(get)
        _ = bench.state.answered(0, Response(200, body: Array(repeating: 0, count: 30_000)), at: bench.now)
        #expect(bench.drained(29_000) == [])
        // 30,000 bytes and their head may take a little more than 30 s.
        #expect(bench.wait(.seconds(30)) == [])
        #expect(bench.wait(.seconds(1)) == ["writeTimedOut", "reset"])
    }

    @Test func dripSendsAByteAtATime() {
        var bench = Bench()
        _ = bench.receive(get + get)
        var response = Response(200, body: Array("abc".utf8))
        response.dripInterval = .milliseconds(100)
        #expect(bench.answer(1) == [])
        #expect(bench.answer(0, response) == ["send 200"])
        #expect(bench.waitForDeadline() == ["send a"])
        #expect(bench.waitForDeadline() == ["send b"])
        #expect(bench.waitForDeadline() == ["send c", "send 204"])
    }

    @Test func shutdownFinishesWhatIsUnderWay() {
        var bench = Bench()
        _ = bench.receive(get)
        #expect(bench.answer(0) == ["send 204"])
        #expect(bench.shutdown() == ["close"], "idle between two requests")

        bench = Bench()
        _ = bench.receive(get + get)
        #expect(bench.shutdown() == [])
        #expect(bench.answer(0) == ["send 204"])
        #expect(bench.answer(1) == ["send 204 close", "shutdownWrite"])

        bench = Bench()
        _ = bench.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\no")
        #expect(bench.shutdown() == [])
        #expect(bench.receive("k") == ["handle / 2"])
        #expect(bench.receive(get) == [], "nothing new is begun")
        #expect(bench.answer(0) == ["send 204 close", "shutdownWrite"])
    }

    @Test func shutdownWaitsASecondForAFirstRequest() {
        var bench = Bench()
        #expect(bench.shutdown() == [])
        #expect(bench.receive(get) == ["handle / 0"])
        #expect(bench.answer(0) == ["send 204 close", "shutdownWrite"])

        bench = Bench()
        #expect(bench.shutdown() == [])
        #expect(bench.wait(.milliseconds(999)) == [])
        #expect(bench.wait(.milliseconds(1)) == ["close"])

        bench = Bench()
        #expect(bench.wait(.seconds(2)) == [])
        #expect(bench.shutdown() == [])
        #expect(bench.wait(.zero) == ["close"], "its second has passed")
    }

    @Test func whatWasReadAheadIsAnsweredAtShutdown() {
        var limits = Limits()
        limits.maxPipelinedRequests = 1
        var bench = Bench(limits)
        #expect(bench.receive(get + get) == ["handle / 0"])
        #expect(bench.shutdown() == [])
        #expect(bench.answer(0) == ["send 204", "handle / 0"])
        #expect(bench.answer(1) == ["send 204 close", "shutdownWrite"])
    }

    @Test func abortResets() {
        var bench = Bench()
        _ = bench.receive(get)
        #expect(bench.abort(0) == ["connectionReset", "reset"])
        #expect(bench.abort(0) == [])
    }

    @Test func overloadRefusesTheRequestBeingRead() {
        var bench = Bench()
        #expect(bench.overloaded() == [])
        _ = bench.receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\no")
        #expect(bench.state.heldBytes == 1)
        #expect(bench.overloaded() == ["refused overloaded", "send 503 close", "shutdownWrite"])
    }

    /// The bytes of a handshake pass by the state; only that the socket has taken them is told.
    @Test func whatAWireSendsBuysNoTime() {
        let start = Instant.now
        let limits = Limits()
        let state = ConnectionState(limits: limits, peer: "test", at: start)
        _ = state.output(pending: 4_000, at: start + .seconds(5))
        _ = state.output(pending: 0, at: start + .seconds(6))
        #expect(state.deadline == start + limits.headerTimeout)
    }
}
