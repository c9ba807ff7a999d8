internal import CLinux
internal import Dispatch
internal import Synchronization

/// The sockets of a server, all on one serial queue.
///
/// One Dispatch read source watches an epoll descriptor in which every socket is registered. A turn takes what is ready,
/// feeds it to the connections' states, collects the answers posted meanwhile, and settles every connection touched:
/// so the answers of one turn to one connection leave in one `send`.
///
/// After a turn the queue lingers: it waits a moment in the epoll itself before it gives its thread back. To be told by
/// Dispatch that something is ready takes two more threads' waking and three system calls, which at one or two requests a
/// turn is as much as all else that a request costs. The lingering is bounded, so that what else is on the queue has its turn.
///
/// Safe because everything but `mailbox` and the constants is touched only on `queue`, which `precondition`s check.
final class ServerLoop: @unchecked Sendable {
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
        /// The queue waits in the epoll, where the bell is heard and what Dispatch has for it is not.
        var isLingering = false
        /// What the next connection comes under, where that is new.
        var limits: Limits?
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
    static let bellKey: UInt64 = 3

    /// How long the epoll has to be silent for the queue to be given back, and how long it is lingered at most.
    static let lingeringMilliseconds: Int32 = 1
    static let longestLingering = Duration.milliseconds(5)
    /// How long `drained` may be put off while ever more arrives.
    static let longestGathering = Duration.milliseconds(1)

    let queue = DispatchQueue(label: "sparekey.http")
    /// Of connections that are still to come, once `takeLimits` has been called.
    private(set) var limits: Limits
    let observer: @Sendable (ServerEvent) -> Void
    let makeWire: (@Sendable () -> any Wire)?
    let admission: (@Sendable (RequestHead) -> Response?)?
    let date: DateField?
    let handler: Handler
    let drained: (@Sendable () -> Void)?
    private let mailbox = Mutex(Mailbox())

    var phase = Phase.ready
    var epoll: Int32 = -1
    /// An eventfd in the epoll, written to only under the mailbox's lock and while the queue lingers.
    var bell: Int32 = -1
    var listeners: [Listener] = []
    /// Given up to accept one connection when there are no descriptors left.
    var reserve: Int32 = -1
    /// Accepting has failed for want of descriptors; when that may be taken for over.
    var shortageEnds: Instant?
    var isAcceptPaused = false
    var table = ConnectionTable<Connection>()
    var deadlines = DeadlineHeap()
    var source: (any DispatchSourceRead)?
    var timer: (any DispatchSourceTimer)?
    var shutdownWaiters: [@Sendable () -> Void] = []
    private var armed: Instant?
    var heldBytes = 0
    var dirty: [Connection] = []
    /// When the first request was handed out since `drained` was last called.
    var handledSince: Instant?
    private var isPolling = false
    /// How often the epoll was asked, for tests: a descriptor that nobody serves would have it asked without end.
    private(set) var waits = 0
    private var events = [sparekey_epoll_event](repeating: sparekey_epoll_event(), count: 128)
    var scratch = [UInt8](repeating: 0, count: 65_536)

    init(
        limits: Limits, observer: @escaping @Sendable (ServerEvent) -> Void, wire: (@Sendable () -> any Wire)?,
        admission: (@Sendable (RequestHead) -> Response?)?, date: DateField?, drained: (@Sendable () -> Void)?,
        handler: @escaping Handler
    ) {
        self.limits = limits
        self.observer = observer
        makeWire = wire
        self.admission = admission
        self.date = date
        self.drained = drained
        self.handler = handler
    }

    // MARK: Answers from other threads

    /// Takes answers from any thread; wakes the queue unless it will look by itself.
    func post(_ letters: [Letter]) {
        guard !letters.isEmpty else { return }
        let wakes = mailbox.withLock { mailbox in
            mailbox.letters.append(contentsOf: letters)
            defer { mailbox.isWatched = true }
            if mailbox.isWatched { return false }
            if mailbox.isLingering { SystemCall.ring(bell) }
            return !mailbox.isLingering
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

    // MARK: Limits

    /// For who is accepted after this, also in a turn that is under way; connections that are open keep what they came under.
    func update(_ limits: Limits) {
        mailbox.withLock { $0.limits = limits }
    }

    func takeLimits() {
        let new = mailbox.withLock { mailbox in
            defer { mailbox.limits = nil }
            return mailbox.limits
        }
        if let new { limits = new }
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
        if !isPolling { handOver() }
    }

    /// The epoll descriptor is readable.
    func poll() {
        guard phase == .running || phase == .stopping else { return }
        isPolling = true
        defer {
            isPolling = false
            handOver()
        }
        let end = Instant.now + ServerLoop.longestLingering
        var count = wait(milliseconds: 0)
        while count > 0 {
            take(count)
            // What is ready then has Dispatch call again, behind what else waits for the queue.
            guard phase == .running || phase == .stopping, Instant.now < end else { return }
            count = handledSince == nil ? 0 : wait(milliseconds: 0)
            if let since = handledSince, count == 0 || since.duration(to: .now) > ServerLoop.longestGathering {
                handOver()
            }
            if count == 0 { count = linger() }
        }
    }

    /// Who gathers requests hears of it once no more are there, and not after each turn; but then soon.
    private func handOver() {
        guard handledSince != nil else { return }
        handledSince = nil
        drained?()
    }

    private func wait(milliseconds: Int32) -> Int {
        waits &+= 1
        return SystemCall.epollWait(epoll, into: &events, milliseconds: milliseconds)
    }

    /// Waits a moment for what comes next, from the sockets or from `post`.
    private func linger() -> Int {
        let isWorthIt = mailbox.withLock { mailbox in
            mailbox.isLingering = !mailbox.isWatched
            return mailbox.isLingering
        }
        guard isWorthIt else { return 0 }
        let count = wait(milliseconds: ServerLoop.lingeringMilliseconds)
        mailbox.withLock { mailbox in
            mailbox.isLingering = false
            // The turn that follows looks into it. A ring that came too late for this wait has Dispatch call again.
            if count > 0 { mailbox.isWatched = true }
        }
        return count
    }

    /// A turn for the first `count` of the events.
    private func take(_ count: Int) {
        turn { now in
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
}
