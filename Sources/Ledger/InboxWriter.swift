internal import Dispatch
internal import GRDB
internal import Synchronization
package import Time

/// An authentic message as it came off the wire, or an event that a sweep found.
package struct InboxMessage: Sendable {
    package enum Source: String, Sendable {
        case webhook, sweep
    }

    /// The sender's message ID; nil for an event found by a sweep.
    package var svixID: String?
    package var source: Source
    package var receivedAt: Timestamp
    package var body: [UInt8]

    package init(svixID: String?, source: Source, receivedAt: Timestamp, body: [UInt8]) {
        self.svixID = svixID
        self.source = source
        self.receivedAt = receivedAt
        self.body = body
    }
}

package enum AppendOutcome: Sendable, Equatable {
    /// Committed and synced.
    case stored
    /// A message with this `svix_id` had been committed before.
    case repeated
    /// Not committed: the sender has to try again.
    case failed(LedgerError)

    /// Whether the promise of a 204 may be given.
    package var isCommitted: Bool {
        self == .stored || self == .repeated
    }
}

/// Appends messages to the inbox in group commits: what arrives while a commit is under way goes into the next one, so the cost of
/// a sync is shared by all that wait for it.
///
/// `Ticket` is whatever the caller needs to answer one message with.
package final class InboxWriter<Ticket: Sendable>: Sendable {
    private struct State {
        var messages: [InboxMessage] = []
        /// One for each message.
        var tickets: [Ticket] = []
        var queuedBytes = 0
        var isCommitting = false
        var drainers: [CheckedContinuation<Void, Never>] = []
    }

    private let ledger: Ledger
    private let maximumMessages: Int
    private let maximumBytes: Int
    private let settled: @Sendable (_ tickets: [Ticket], _ outcomes: [AppendOutcome]) -> Void
    private let state = Mutex(State())
    /// Commits block this queue's thread, never one of Swift's cooperative pool.
    private let commits = DispatchQueue(label: "sparekey.inbox.commits")

    /// - Parameters:
    ///   - maximumMessages: how many may wait for the next commit, and how many one commit takes.
    ///   - maximumBytes: how many bytes of bodies may wait.
    ///   - settled: called once for each commit, on the writer's own queue, with the tickets of all its messages and an
    ///     outcome for each.
    package init(
        ledger: Ledger, maximumMessages: Int = 4096, maximumBytes: Int = 67_108_864,
        settled: @escaping @Sendable (_ tickets: [Ticket], _ outcomes: [AppendOutcome]) -> Void
    ) {
        self.ledger = ledger
        self.maximumMessages = maximumMessages
        self.maximumBytes = maximumBytes
        self.settled = settled
    }

    /// How many messages wait for a commit to begin.
    package var queuedMessages: Int { state.withLock { $0.messages.count } }

    /// Whether nothing waits for a commit, and none is under way.
    package var isIdle: Bool { state.withLock { !$0.isCommitting && $0.messages.isEmpty } }

    /// Puts the message into the next commit.
    ///
    /// - Parameter isGathering: the caller has more at hand and says `flush` when it has not, so no commit is begun for this one.
    /// - Returns: false when the queue is full: the message is not taken, and the sender has to try again.
    package func submit(_ message: InboxMessage, ticket: Ticket, isGathering: Bool = false) -> Bool {
        let (accepted, mustStart) = state.withLock { state in
            guard state.messages.count < maximumMessages, state.queuedBytes + message.body.count <= maximumBytes else {
                return (false, false)
            }
            state.messages.append(message)
            state.tickets.append(ticket)
            state.queuedBytes += message.body.count
            if isGathering { return (true, false) }
            defer { state.isCommitting = true }
            return (true, !state.isCommitting)
        }
        if mustStart { start() }
        return accepted
    }

    /// Begins the commit of what was gathered, unless one is under way: then it is the next.
    package func flush() {
        let mustStart = state.withLock { state in
            guard !state.isCommitting, !state.messages.isEmpty else { return false }
            state.isCommitting = true
            return true
        }
        if mustStart { start() }
    }

    private func start() {
        commits.async { [self] in commitUntilEmpty() }
    }

    /// Returns once everything submitted before is settled.
    package func drain() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isIdle = state.withLock { state in
                // What was gathered only is not left lying.
                if state.isCommitting || !state.messages.isEmpty { state.drainers.append(continuation) }
                return !state.isCommitting && state.messages.isEmpty
            }
            if isIdle { continuation.resume() } else { flush() }
        }
    }

    private func commitUntilEmpty() {
        var messages: [InboxMessage] = []
        var tickets: [Ticket] = []
        while true {
            // Two arrays of each kind in turn, while there is more: one that begins empty is moved eight times until it holds 256.
            state.withLock { state in
                swap(&state.messages, &messages)
                swap(&state.tickets, &tickets)
                state.queuedBytes = 0
            }
            if !messages.isEmpty {
                settled(tickets, ledger.append(messages))
                messages.removeAll(keepingCapacity: true)
                tickets.removeAll(keepingCapacity: true)
                continue
            }
            // Whether the queue is empty and whether a commit is under way are looked at together: otherwise a message submitted
            // in between would wait for the next one to start a commit.
            let drainers: [CheckedContinuation<Void, Never>]? = state.withLock { state in
                guard state.messages.isEmpty else { return nil }
                state.isCommitting = false
                state.messages = []
                state.tickets = []
                defer { state.drainers = [] }
                return state.drainers
            }
            guard let drainers else { continue }
            for drainer in drainers { drainer.resume() }
            return
        }
    }
}

extension Ledger {
    /// Appends the messages in one transaction and returns when it is synced. Blocks: call it from a queue of your own.
    package func append(_ messages: [InboxMessage]) -> [AppendOutcome] {
        let pool: DatabasePool
        do {
            pool = try self.pool()
        } catch {
            return messages.map { _ in .failed(error) }
        }
        do {
            return try pool.writeWithoutTransaction { database in
                var outcomes: [AppendOutcome] = []
                try database.inTransaction(.immediate) {
                    try assertInPlace(pool)
                    var insertion = InboxInsertion(database)
                    outcomes = try insertion.insert(messages)
                    try interruption(.beforeCommit)
                    return .commit
                }
                try interruption(.afterCommit)
                return outcomes
            }
        } catch {
            let failure = LedgerError(error, path: path)
            // Nothing that the failed connection says from here on counts. Where another program holds the lock, nothing was tried.
            if failure.code != .locked { replace(pool) }
            return messages.map { _ in .failed(failure) }
        }
    }
}
