/// One connection without its socket: what comes in, what is owed, what is due. IO only executes its actions, in order.
///
/// Not a value, so that it is never copied: it holds all that a connection has.
///
/// Life: requests are read and handed out, answers are sent in the order of their requests, and at the end (a close
/// asked for by either side, a refusal) the sending side is shut down and what still comes is thrown away for a bounded
/// time, so that no reset eats the last answer (RFC 9112 9.6).
package final class ConnectionState {
    package typealias Admission = @Sendable (RequestHead) -> Response?

    package enum Action: Sendable {
        /// Hand the request out; `answered` is to be called with this number.
        case handle(Request, number: UInt64)
        case send([UInt8])
        /// Everything is sent: say so to the peer, and go on reading.
        case shutdownWrite
        case close
        /// Close at once, with a reset.
        case reset
        case report(ServerEvent)
    }

    enum Reading: Sendable, Equatable {
        /// Between two requests.
        case boundary(since: Instant)
        case head(since: Instant)
        case body(since: Instant)
        /// Whatever comes is thrown away.
        case discarding
        /// The peer has said that nothing more comes.
        case ended
    }

    /// A request that waits for its answer, or an answer that waits for its turn.
    struct Slot: Sendable {
        var number: UInt64
        var isHead: Bool
        var closes: Bool
        var bodyBytes: Int
        var deadline: Instant?
        /// Decides who answers, when the deadline comes at the moment at which the handler answers on another thread.
        var responder: Responder?
        var response: Response?
    }

    /// An answer whose body goes out byte by byte.
    struct Drip: Sendable {
        var body: [UInt8]
        var offset = 0
        var interval: Duration
        var next: Instant
        var closes: Bool
    }

    let limits: Limits
    let admission: Admission?
    private let date: DateField?

    var parser: RequestParser
    var reading: Reading
    var slots: [Slot] = []
    var drip: Drip?
    private var nextNumber: UInt64 = 0
    /// The client waits for `100 Continue` and has not got it.
    private var owesContinue = false
    private var peerHasClosed = false
    private var isShuttingDown = false
    /// The last answer has been handed to the socket.
    private(set) var isClosing = false
    private(set) var isClosed = false
    private var lingeringSince: Instant?
    private var discardedBytes = 0
    /// Bytes that the socket has not taken, since when there are some, and how many there were to be sent since all had
    /// been taken.
    private var unsentBytes = 0
    private var writeStart: Instant?
    private var writeBytes = 0

    package init(
        limits: Limits, peer: String, admission: Admission? = nil, date: DateField? = nil, at now: Instant
    ) {
        self.limits = limits
        self.admission = admission
        self.date = date
        parser = RequestParser(limits: limits, peer: peer)
        reading = .boundary(since: now)
    }

    // MARK: Events

    /// Bytes have come.
    package func received(_ bytes: ArraySlice<UInt8>, at now: Instant) -> [Action] {
        var actions: [Action] = []
        switch reading {
        case .ended: break
        case .discarding:
            discardedBytes += bytes.count
            if lingeringSince != nil, discardedBytes > limits.drainBytes { close(&actions) }
        case .boundary, .head, .body:
            parser.append(bytes)
            advance(&actions, now)
        }
        return actions
    }

    /// The peer will send nothing more; it may still read (RFC 9112 9.6), so what is owed is sent.
    package func peerClosed(at now: Instant) -> [Action] {
        guard !peerHasClosed else { return [] }
        var actions: [Action] = []
        peerHasClosed = true
        switch reading {
        case .discarding: reading = .ended
        default: advance(&actions, now)
        }
        settle(&actions, now)
        return actions
    }

    /// The request has been given to the handler, with this for its answer.
    func handedOut(_ number: UInt64, with responder: Responder) {
        guard let index = slots.lastIndex(where: { $0.number == number }) else { return }
        slots[index].responder = responder
    }

    /// The handler has answered. Answers to requests that have got one already are ignored.
    package func answered(_ number: UInt64, _ response: Response, at now: Instant) -> [Action] {
        var actions: [Action] = []
        guard let index = slots.firstIndex(where: { $0.number == number }), slots[index].response == nil else {
            return actions
        }
        slots[index].response = response
        emit(&actions, now)
        return actions
    }

    /// The handler wants this connection reset instead of answered.
    package func aborted(_ number: UInt64) -> [Action] {
        guard !isClosed, slots.contains(where: { $0.number == number && $0.response == nil }) else { return [] }
        isClosed = true
        return [.report(.connectionReset), .reset]
    }

    /// How many bytes of what was to be sent the socket has not taken yet; called after every batch with a `send`, and
    /// whenever that number changes.
    package func output(pending: Int, at now: Instant) -> [Action] {
        var actions: [Action] = []
        // What a wire sends of its own, for its handshake, is nobody's answer and buys no time.
        let hasAnswered = writeBytes > 0
        if pending == 0 {
            writeStart = nil
            writeBytes = 0
        } else if writeStart == nil {
            writeStart = now
        }
        unsentBytes = pending
        if case .boundary = reading { advance(&actions, now) }
        payContinue(&actions)
        settle(&actions, now, hasAnswered: hasAnswered)
        return actions
    }

    /// The server stops: what is under way is finished, nothing new is begun.
    package func shutdown(at now: Instant) -> [Action] {
        var actions: [Action] = []
        isShuttingDown = true
        if case .boundary = reading {
            advance(&actions, now)
            if case .discarding = reading, slots.isEmpty, drip == nil, unsentBytes == 0 { close(&actions) }
        }
        return actions
    }

    /// Memory is short: the request being read is refused.
    package func overloaded(at now: Instant) -> [Action] {
        var actions: [Action] = []
        switch reading {
        case .head, .body: refuse(.overloaded, &actions, now)
        default: break
        }
        return actions
    }

    /// The deadline may have passed.
    package func timeout(at now: Instant) -> [Action] {
        var actions: [Action] = []
        guard !isClosed else { return actions }
        if let writeDeadline, now >= writeDeadline {
            isClosed = true
            return [.report(.writeTimedOut), .reset]
        }
        if let lingerDeadline, now >= lingerDeadline {
            close(&actions)
            return actions
        }
        for index in slots.indices where slots[index].response == nil {
            guard let deadline = slots[index].deadline, now >= deadline else { continue }
            if let responder = slots[index].responder, !responder.claim() {
                // The handler's answer is on its way.
                slots[index].deadline = nil
                continue
            }
            slots[index].response = Response(503, headers: [("Retry-After", "1")])
            actions.append(.report(.responseTimedOut))
        }
        dripNext(&actions, now)
        emit(&actions, now)
        if let readDeadline, now >= readDeadline {
            switch reading {
            case .boundary: close(&actions)
            case .head: refuse(.headerTimeout, &actions, now)
            case .body: refuse(.bodyTimeout, &actions, now)
            case .discarding, .ended: break
            }
        }
        return actions
    }

    // MARK: What IO asks

    /// When `timeout` is to be called; nil when nothing is due.
    package var deadline: Instant? {
        guard !isClosed else { return nil }
        var earliest = readDeadline
        for candidate in [writeDeadline, lingerDeadline, drip?.next] {
            guard let candidate else { continue }
            earliest = min(earliest ?? candidate, candidate)
        }
        // All slots have the same allowance, so the first that waits is due first.
        for index in slots.indices where slots[index].response == nil {
            guard let waiting = slots[index].deadline else { continue }
            earliest = min(earliest ?? waiting, waiting)
            break
        }
        return earliest
    }

    /// Whether there is a reason to read from the socket now.
    package var wantsRead: Bool {
        guard !isClosed, !peerHasClosed else { return false }
        return switch reading {
        case .boundary: canBegin
        case .head, .body: true
        case .discarding: discardedBytes <= limits.drainBytes
        case .ended: false
        }
    }

    /// Since when nothing is owed to this connection, which may then give way to a new one; nil while something is.
    package var idleSince: Instant? {
        guard slots.isEmpty, drip == nil, unsentBytes == 0 else { return nil }
        if let lingeringSince { return lingeringSince }
        guard case .boundary(let since) = reading, parser.isEmpty else { return nil }
        return since
    }

    /// Memory held for this connection, in bytes.
    package var heldBytes: Int {
        parser.heldBytes + waitingBodyBytes + unsentBytes
    }

    private var readDeadline: Instant? {
        switch reading {
        case .boundary(let since):
            guard slots.isEmpty, drip == nil, unsentBytes == 0 else { return nil }
            // A new connection has the header's time, which includes any handshake.
            let limit = isUnheard ? limits.headerTimeout : limits.idleTimeout
            return since + (isShuttingDown ? min(limit, .seconds(1)) : limit)
        case .head(let since): return since + limits.headerTimeout
        case .body(let since): return since + limits.allowance(least: limits.bodyTimeout, bytes: parser.bodyBytes)
        case .discarding, .ended: return nil
        }
    }

    /// No request has come on it yet. One that was accepted just before the server stops is not told off with a reset: its first
    /// request is on its way, and is waited for a second.
    private var isUnheard: Bool { nextNumber == 0 }

    private var writeDeadline: Instant? {
        guard let writeStart else { return nil }
        return writeStart + limits.allowance(least: limits.writeTimeout, bytes: writeBytes)
    }

    private var lingerDeadline: Instant? {
        lingeringSince.map { $0 + (isShuttingDown ? min(limits.drainTime, .seconds(1)) : limits.drainTime) }
    }

    // MARK: Reading

    /// Whether the next request may be begun: not while too much is owed already.
    private var canBegin: Bool {
        slots.count < limits.maxPipelinedRequests && unsentBytes <= limits.maxReadAheadBytes
            && waitingBodyBytes <= limits.maxReadAheadBytes
    }

    /// Content of the requests that wait for their answers.
    private var waitingBodyBytes: Int {
        var total = 0
        for index in slots.indices { total += slots[index].bodyBytes }
        return total
    }

    private func advance(_ actions: inout [Action], _ now: Instant) {
        while true {
            switch reading {
            case .discarding, .ended: return
            case .boundary:
                if parser.isEmpty {
                    if peerHasClosed { reading = .ended } else if isShuttingDown, !isUnheard { reading = .discarding }
                    return
                }
                guard canBegin else { return }
                // What waited in the buffer waited for us: its time begins now.
                reading = .head(since: now)
            case .head, .body: break
            }
            switch parser.step() {
            case .needMore:
                if peerHasClosed { refuse(.truncated, &actions, now) } else { payContinue(&actions) }
                return
            case .head(let head):
                if let response = admission?(head) {
                    actions.append(.report(.refused(status: response.status, reason: "admission")))
                    refuse(with: response, isHead: head.method == .head, &actions, now)
                    return
                }
                owesContinue = head.expectsContinue
                reading = .body(since: now)
            case .request(let request, let closes):
                owesContinue = false
                slots.append(
                    Slot(
                        number: nextNumber, isHead: request.method == .head, closes: closes,
                        bodyBytes: request.body.count, deadline: limits.responseTimeout.map { now + $0 }))
                actions.append(.handle(request, number: nextNumber))
                nextNumber += 1
                if closes { stopReading() } else { reading = .boundary(since: now) }
            case .reject(let rejection):
                refuse(rejection, &actions, now)
                return
            }
        }
    }

    /// Sends `100 Continue` when the content is awaited and nothing else is owed before it (RFC 9110 10.1.1).
    private func payContinue(_ actions: inout [Action]) {
        guard owesContinue, slots.isEmpty, drip == nil, case .body = reading else { return }
        owesContinue = false
        if parser.awaitsContent { send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8), &actions) }
    }

    private func stopReading() {
        discardedBytes += parser.heldBytes
        parser.discard()
        reading = peerHasClosed ? .ended : .discarding
    }

    private func refuse(_ rejection: Rejection, _ actions: inout [Action], _ now: Instant) {
        actions.append(.report(.refused(status: rejection.status, reason: rejection.reason)))
        let headers = rejection.status == 503 ? [("Retry-After", "1")] : []
        refuse(with: Response(rejection.status, headers: headers), isHead: false, &actions, now)
    }

    /// Every refused request closes the connection: where the next one would begin is no longer certain.
    private func refuse(with response: Response, isHead: Bool, _ actions: inout [Action], _ now: Instant) {
        slots.append(Slot(number: nextNumber, isHead: isHead, closes: true, bodyBytes: 0, response: response))
        nextNumber += 1
        owesContinue = false
        stopReading()
        emit(&actions, now)
    }

    // MARK: Answering

    /// Sends the answers whose turn has come.
    private func emit(_ actions: inout [Action], _ now: Instant) {
        while drip == nil, !isClosing, let slot = slots.first, let response = slot.response {
            let isLast = slots.count == 1
            var closes = slot.closes || response.closesConnection
            if isLast {
                switch reading {
                case .discarding, .ended: closes = true
                case .boundary: closes = closes || (isShuttingDown && parser.isEmpty)
                case .head, .body: break
                }
            }
            slots.removeFirst()
            var bytes = response.head(closing: closes, date: date?.line(at: now) ?? [])
            let hasBody = response.hasContent && !slot.isHead && !response.body.isEmpty
            if hasBody, let interval = response.dripInterval, interval > .zero {
                drip = Drip(body: response.body, interval: interval, next: now + interval, closes: closes)
            } else if hasBody {
                bytes.append(contentsOf: response.body)
            }
            send(bytes, &actions)
            if closes { lastAnswerBegun() }
        }
    }

    /// Bytes count as unsent until the socket's side says otherwise: nothing may be closed in between.
    private func send(_ bytes: [UInt8], _ actions: inout [Action]) {
        unsentBytes += bytes.count
        writeBytes += bytes.count
        actions.append(.send(bytes))
    }

    /// Nothing is sent after an answer that closes: later requests of the same connection stay unanswered.
    private func lastAnswerBegun() {
        if drip == nil { isClosing = true }
        slots.removeAll()
        switch reading {
        case .discarding, .ended: break
        case .boundary, .head, .body: stopReading()
        }
    }

    private func dripNext(_ actions: inout [Action], _ now: Instant) {
        guard var current = drip, now >= current.next else { return }
        send(Array(current.body[current.offset...].prefix(1)), &actions)
        current.offset += 1
        current.next += current.interval
        if current.offset < current.body.count {
            drip = current
        } else {
            drip = nil
            if current.closes { isClosing = true }
        }
    }

    /// Once everything owed has been taken by the socket: the end of the connection, or of its business.
    private func settle(_ actions: inout [Action], _ now: Instant, hasAnswered: Bool = false) {
        guard !isClosed, slots.isEmpty, drip == nil, unsentBytes == 0 else { return }
        switch reading {
        case .boundary: if parser.isEmpty, hasAnswered { reading = .boundary(since: now) }
        case .head, .body: break
        case .ended: close(&actions)
        case .discarding:
            guard lingeringSince == nil else { return }
            isClosing = true
            lingeringSince = now
            actions.append(.shutdownWrite)
            if discardedBytes > limits.drainBytes { close(&actions) }
        }
    }

    private func close(_ actions: inout [Action]) {
        guard !isClosed else { return }
        isClosed = true
        actions.append(.close)
    }
}
