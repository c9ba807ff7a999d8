internal import CLinux
internal import Dispatch
internal import Synchronization

/// The sockets of a server, all on one serial queue.
///
/// One Dispatch read source watches an epoll descriptor in which every socket is registered. A turn takes what is ready,
/// feeds it to the connections' states, collects the answers posted meanwhile, and settles every connection touched:
/// so the answers of one turn to one connection leave in one `send`.
///
/// Safe because everything but `mailbox` and the constants is touched only on `queue`, which `precondition`s check.
final class ServerLoop: @unchecked Sendable {
    typealias Instant = ContinuousClock.Instant

    /// An answer on its way to the queue; no response means a reset.
    struct Letter: Sendable {
        var connection: UInt64
        var number: UInt64
        var response: Response?
    }

    private struct Mailbox {
        var letters: [Letter] = []
        /// The queue will look into it by itself: a turn is under way, or has been asked for.
        var isWatched = false
    }

    enum Phase {
        case ready
        case running
        case stopping
        case stopped
    }

    // Keys that no connection has: a key's upper half is how often a place has been taken.
    static let listenerKey: UInt64 = 0
    static let resumeKey: UInt64 = 1
    static let shutdownKey: UInt64 = 2

    let queue = DispatchQueue(label: "sparekey.http")
    let limits: Limits
    let observer: @Sendable (ServerEvent) -> Void
    let makeWire: (@Sendable () -> any Wire)?
    let admission: (@Sendable (RequestHead) -> Response?)?
    let handler: Handler
    private let mailbox = Mutex(Mailbox())

    var phase = Phase.ready
    var epoll: Int32 = -1
    var listeners: [Listener] = []
    /// Given up to accept one connection when there are no descriptors left.
    var reserve: Int32 = -1
    /// Accepting has failed for want of descriptors, and not succeeded since.
    var isStarved = false
    var isAcceptPaused = false
    var table = ConnectionTable<Connection>()
    var deadlines = DeadlineHeap()
    var source: (any DispatchSourceRead)?
    var timer: (any DispatchSourceTimer)?
    var shutdownWaiters: [@Sendable () -> Void] = []
    private var armed: Instant?
    private var heldBytes = 0
    private var dirty: [Connection] = []
    private var events = [sparekey_epoll_event](repeating: sparekey_epoll_event(), count: 128)
    private var scratch = [UInt8](repeating: 0, count: 65_536)

    init(
        limits: Limits, observer: @escaping @Sendable (ServerEvent) -> Void, wire: (@Sendable () -> any Wire)?,
        admission: (@Sendable (RequestHead) -> Response?)?, handler: @escaping Handler
    ) {
        self.limits = limits
        self.observer = observer
        makeWire = wire
        self.admission = admission
        self.handler = handler
    }

    // MARK: Answers from other threads

    /// Takes answers from any thread; wakes the queue unless it will look by itself.
    func post(_ letters: [Letter]) {
        guard !letters.isEmpty else { return }
        let wakes = mailbox.withLock { mailbox in
            mailbox.letters.append(contentsOf: letters)
            defer { mailbox.isWatched = true }
            return !mailbox.isWatched
        }
        if wakes { queue.async { @Sendable [self] in turn { _ in } } }
    }

    private func takeLetters(endingTurn: Bool) -> [Letter] {
        mailbox.withLock { mailbox in
            let letters = mailbox.letters
            mailbox.letters = []
            // Unwatched only under the lock that saw it empty, else an answer posted in between would lie there.
            mailbox.isWatched = !(endingTurn && letters.isEmpty)
            return letters
        }
    }

    // MARK: Turns

    /// Does something on the queue, then everything that follows from it.
    func turn(_ body: (Instant) -> Void) {
        dispatchPrecondition(condition: .onQueue(queue))
        mailbox.withLock { $0.isWatched = true }
        let now = Instant.now
        body(now)
        while true {
            let letters = takeLetters(endingTurn: dirty.isEmpty)
            if letters.isEmpty, dirty.isEmpty { break }
            for letter in letters { deliver(letter, now) }
            let touched = dirty
            dirty = []
            for connection in touched {
                connection.isDirty = false
                settle(connection, now)
            }
        }
        if phase == .stopping, table.count == 0 { finish() }
        arm(now)
    }

    /// The epoll descriptor is readable.
    func poll() {
        guard phase == .running || phase == .stopping else { return }
        turn { now in
            let count = SystemCall.epollPoll(epoll, into: &events)
            var accepts = false
            for index in 0..<count {
                let event = events[index]
                if event.key == ServerLoop.listenerKey {
                    accepts = true
                } else if let connection = table[event.key] {
                    ready(connection, event.events, now)
                }
            }
            // Last, so that connections that end in this turn make room first.
            if accepts { acceptAll(now) }
        }
    }

    /// The timer has fired.
    func timeout() {
        guard phase == .running || phase == .stopping else { return }
        armed = nil
        turn { now in
            while let due = deadlines.popDue(now) {
                switch due.key {
                case ServerLoop.resumeKey: resumeAccepting()
                case ServerLoop.shutdownKey: closeAll()
                default:
                    guard let connection = table[due.key], connection.scheduled == due.instant else { continue }
                    connection.scheduled = nil
                    perform(connection.state.timeout(at: now), connection, now)
                    touch(connection)
                }
            }
        }
    }

    /// Sets the timer to the earliest deadline, unless it will fire before it anyway.
    private func arm(_ now: Instant) {
        guard let timer, let earliest = deadlines.earliest else { return }
        if let armed, armed <= earliest { return }
        armed = earliest
        let wait = max(.zero, now.duration(to: earliest)).components
        let nanoseconds = min(wait.seconds, 86_400) * 1_000_000_000 + wait.attoseconds / 1_000_000_000
        timer.schedule(deadline: .now() + .nanoseconds(Int(nanoseconds)), leeway: .milliseconds(1))
    }

    // MARK: Connections

    /// Registers a connection that has just been accepted.
    func add(_ descriptor: Int32, _ address: SocketAddress, _ now: Instant) {
        SystemCall.setNoDelay(descriptor)
        let state = ConnectionState(limits: limits, peer: address.text, admission: admission, at: now)
        let connection = table.insert { key in
            Connection(
                descriptor: descriptor, key: key, wire: makeWire?(), state: state, interest: sparekey_epollin)
        }
        observer(.connectionOpened)
        if case .failed = SystemCall.epollAdd(epoll, descriptor, sparekey_epollin, key: connection.key) {
            close(connection)
        } else {
            touch(connection)
        }
    }

    /// Closes the socket and forgets the connection; answers that come later find nothing.
    func close(_ connection: Connection, resetting: Bool = false) {
        guard !connection.isClosed else { return }
        connection.isClosed = true
        if resetting {
            SystemCall.reset(connection.descriptor)
        } else {
            if connection.pendingBytes == 0 { farewell(connection) }
            SystemCall.close(connection.descriptor)
        }
        heldBytes -= connection.heldBytes
        table.remove(connection.key)
        observer(.connectionClosed)
        // A descriptor is free again, which may be what accepting waits for.
        if isAcceptPaused { resumeAccepting() }
    }

    /// What epoll says of a connection.
    private func ready(_ connection: Connection, _ events: UInt32, _ now: Instant) {
        if events & (sparekey_epollerr | sparekey_epollhup) != 0 {
            // Reset by the peer, or both sides have said their farewell: nothing can be sent or comes any more.
            if events & sparekey_epollerr != 0 { observer(.connectionReset) }
            close(connection)
            return
        }
        if events & sparekey_epollin != 0 { read(connection, now) }
        if events & sparekey_epollout != 0 {
            connection.hasSent = true
            touch(connection)
        }
    }

    /// Reads once: epoll reports what is left, after the others have had their turn.
    func read(_ connection: Connection, _ now: Instant) {
        guard !connection.isClosed, connection.state.wantsRead else { return }
        let outcome = scratch.withUnsafeMutableBytes { SystemCall.receive(connection.descriptor, into: $0) }
        touch(connection)
        switch outcome {
        case .value(0): perform(connection.state.peerClosed(at: now), connection, now)
        case .value(let count): receive(scratch[..<count], connection, now)
        case .wouldBlock: break
        case .failed:
            observer(.connectionReset)
            close(connection)
        }
    }

    private func receive(_ bytes: ArraySlice<UInt8>, _ connection: Connection, _ now: Instant) {
        guard let wire = connection.wire else {
            perform(connection.state.received(bytes, at: now), connection, now)
            return
        }
        let output = wire.receive(bytes)
        if !output.outgoing.isEmpty { connection.enqueue(output.outgoing) }
        if !output.plaintext.isEmpty {
            perform(connection.state.received(output.plaintext[...], at: now), connection, now)
        }
        switch output.end {
        case nil: break
        case .closed?: perform(connection.state.peerClosed(at: now), connection, now)
        case .failed?: connection.closesWhenSent = true
        }
    }

    private func deliver(_ letter: Letter, _ now: Instant) {
        guard let connection = table[letter.connection] else { return }
        if let response = letter.response {
            perform(connection.state.answered(letter.number, response, at: now), connection, now)
        } else {
            perform(connection.state.aborted(letter.number), connection, now)
        }
        touch(connection)
    }

    func perform(_ actions: [ConnectionState.Action], _ connection: Connection, _ now: Instant) {
        for action in actions {
            guard !connection.isClosed else { return }
            switch action {
            case .handle(let request, let number):
                handler(request, Responder(loop: self, connection: connection.key, number: number))
            case .send(let bytes):
                if let wire = connection.wire {
                    connection.enqueue(wire.send(bytes).outgoing)
                } else {
                    connection.enqueue(bytes)
                }
                touch(connection)
            case .shutdownWrite:
                farewell(connection)
                SystemCall.shutdownWrite(connection.descriptor)
            case .close: close(connection)
            case .reset: close(connection, resetting: true)
            case .report(let event): observer(event)
            }
        }
    }

    /// Says the wire's goodbye, as far as the socket takes it: it is never waited for.
    private func farewell(_ connection: Connection) {
        guard let bytes = connection.wire?.finish(), !bytes.isEmpty else { return }
        connection.enqueue(bytes)
        _ = connection.flush()
    }

    /// Has the connection settled at the end of this turn.
    func touch(_ connection: Connection) {
        guard !connection.isDirty, !connection.isClosed else { return }
        connection.isDirty = true
        dirty.append(connection)
    }

    /// Sends what is pending, tells the state, and adjusts everything that depends on it.
    private func settle(_ connection: Connection, _ now: Instant) {
        guard !connection.isClosed else { return }
        if connection.hasSent {
            connection.hasSent = false
            guard connection.flush() else {
                observer(.connectionReset)
                close(connection)
                return
            }
            if connection.closesWhenSent, connection.pendingBytes == 0 {
                close(connection)
                return
            }
            perform(connection.state.output(pending: connection.pendingBytes, at: now), connection, now)
        }
        guard !connection.isClosed else { return }
        if connection.closesWhenSent, connection.pendingBytes == 0 {
            close(connection)
            return
        }
        account(connection, now)
        let interest =
            (connection.state.wantsRead && !connection.closesWhenSent ? sparekey_epollin : 0)
            | (connection.pendingBytes > 0 ? sparekey_epollout : 0)
        if interest != connection.interest {
            connection.interest = interest
            SystemCall.epollModify(epoll, connection.descriptor, interest, key: connection.key)
        }
        let idleSince = connection.state.idleSince
        if idleSince != connection.idleSince {
            connection.idleSince = idleSince
            if idleSince == nil { table.setBusy(connection.key) } else { table.setIdle(connection.key) }
        }
        // A deadline that moved to later costs nothing: the entry at hand fires, and finds the new one.
        if let deadline = connection.state.deadline, connection.scheduled.map({ deadline < $0 }) ?? true {
            connection.scheduled = deadline
            deadlines.insert(deadline, key: connection.key)
        }
    }

    /// Counts the connection's memory; a request that takes it beyond the bound of all is refused.
    private func account(_ connection: Connection, _ now: Instant) {
        let held = connection.state.heldBytes
        heldBytes += held - connection.heldBytes
        connection.heldBytes = held
        if heldBytes > limits.maxBufferedBytes, held > limits.maxHeadBytes {
            perform(connection.state.overloaded(at: now), connection, now)
        }
    }
}
