internal import HTTPServer

extension FuzzTarget {
    /// A connection through whatever order of events: bytes, answers, time, a slow reader, a stop.
    ///
    /// The first byte of each event says which, and for bytes the second one how many of those that follow.
    static func connection(_ bytes: [UInt8]) -> String? {
        var life = ConnectionLife()
        var rest = bytes[...]
        while let event = rest.popFirst() {
            switch event & 7 {
            case 0, 1, 2:
                let piece = rest.prefix(Int(rest.popFirst() ?? 0))
                rest = rest.dropFirst(piece.count)
                life.receive(piece)
            case 3: life.answer(closing: event & 8 != 0)
            case 4: life.take(Int(event) * 4)
            case 5: life.wait(.milliseconds(100 << Int(event >> 5)))
            case 6: life.waitForDeadline()
            default:
                switch event >> 3 & 3 {
                case 0: life.endInput()
                case 1: life.stop()
                case 2: life.overload()
                default: life.abort()
                }
            }
            if let flaw = life.flaw { return flaw }
        }
        return life.end()
    }
}

/// The part of the sockets and the handlers around one connection's state.
private struct ConnectionLife {
    private(set) var flaw: String?
    private var state: ConnectionState
    private var now = Instant.now
    private var pending = 0
    private var waiting: [UInt64] = []
    private var handled = 0
    private var isClosed = false
    private var limits = Limits()

    init() {
        limits.maxBodyBytes = 512
        limits.maxReadAheadBytes = 256
        limits.maxPipelinedRequests = 4
        state = ConnectionState(limits: limits, peer: "", at: now)
    }

    mutating func receive(_ piece: ArraySlice<UInt8>) {
        guard !isClosed, state.wantsRead, !piece.isEmpty else { return }
        perform(state.received(piece, at: now))
    }

    mutating func answer(closing: Bool) {
        guard !isClosed, let number = waiting.first else { return }
        waiting.removeFirst()
        let headers = closing ? [("Connection", "close")] : []
        perform(
            state.answered(number, Response(200, headers: headers, body: [UInt8](repeating: 1, count: 100)), at: now))
    }

    /// The socket takes some of what is to be sent.
    mutating func take(_ count: Int) {
        guard !isClosed, pending > 0 else { return }
        pending = max(0, pending - count)
        perform(state.output(pending: pending, at: now))
    }

    mutating func wait(_ duration: Duration) {
        now += duration
        if !isClosed { perform(state.timeout(at: now)) }
    }

    mutating func waitForDeadline() {
        guard !isClosed, let deadline = state.deadline else { return }
        now = max(now, deadline)
        perform(state.timeout(at: now))
    }

    mutating func endInput() { if !isClosed { perform(state.peerClosed(at: now)) } }
    mutating func stop() { if !isClosed { perform(state.shutdown(at: now)) } }
    mutating func overload() { if !isClosed { perform(state.overloaded(at: now)) } }

    mutating func abort() {
        guard !isClosed, let number = waiting.last else { return }
        perform(state.aborted(number))
    }

    /// Time passes and nothing else happens: every connection ends.
    mutating func end() -> String? {
        for _ in 0..<64 where !isClosed && flaw == nil {
            guard state.deadline != nil else {
                // Only the handler's answer is waited for without an end, and it has a deadline here.
                return flaw ?? "an open connection without a deadline"
            }
            waitForDeadline()
        }
        return flaw ?? (isClosed ? nil : "a connection that does not end")
    }

    private mutating func perform(_ actions: [ConnectionState.Action]) {
        var actions = actions[...]
        var turns = 0
        while let action = actions.popFirst() {
            turns += 1
            if isClosed { flaw = "something done after the end" }
            if turns > 100 { flaw = "no end of actions" }
            if flaw != nil { return }
            switch action {
            case .handle(_, let number):
                handled += 1
                waiting.append(number)
                if waiting.count > 1, number <= waiting[waiting.count - 2] { flaw = "requests out of order" }
            case .send(let bytes):
                if bytes.isEmpty { flaw = "an empty send" }
                pending += bytes.count
                actions += state.output(pending: pending, at: now)
            case .close, .reset: isClosed = true
            case .shutdownWrite: if pending > 0 { flaw = "shut before all was sent" }
            case .report: break
            }
        }
        let bound = 2 * limits.maxReadAheadBytes + 2 * limits.maxBodyBytes + limits.maxHeadBytes + 4_096
        if !isClosed, state.heldBytes > bound { flaw = "\(state.heldBytes) bytes held" }
    }
}
