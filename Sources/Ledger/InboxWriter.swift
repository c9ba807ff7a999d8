internal import Dispatch
internal import FoundationEssentials
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
    private struct Pending: Sendable {
        var message: InboxMessage
        var ticket: Ticket
    }

    private struct State {
        var queue: [Pending] = []
        var queuedBytes = 0
        var isCommitting = false
        var drainers: [CheckedContinuation<Void, Never>] = []
    }

    private let ledger: Ledger
    private let maximumMessages: Int
    private let maximumBytes: Int
    private let settled: @Sendable ([(ticket: Ticket, outcome: AppendOutcome)]) -> Void
    private let state = Mutex(State())
    /// Commits block this queue's thread, never one of Swift's cooperative pool.
    private let commits = DispatchQueue(label: "sparekey.inbox.commits")

    /// - Parameters:
    ///   - maximumMessages: how many may wait for the next commit, and how many one commit takes.
    ///   - maximumBytes: how many bytes of bodies may wait.
    ///   - settled: called once for each commit, on the writer's own queue, with all of its messages.
    package init(
        ledger: Ledger, maximumMessages: Int = 4096, maximumBytes: Int = 67_108_864,
        settled: @escaping @Sendable ([(ticket: Ticket, outcome: AppendOutcome)]) -> Void
    ) {
        self.ledger = ledger
        self.maximumMessages = maximumMessages
        self.maximumBytes = maximumBytes
        self.settled = settled
    }

    /// How many messages wait for a commit to begin.
    package var queuedMessages: Int { state.withLock { $0.queue.count } }

    /// Whether nothing waits for a commit, and none is under way.
    package var isIdle: Bool { state.withLock { !$0.isCommitting } }

    /// Puts the message into the next commit.
    ///
    /// - Returns: false when the queue is full: the message is not taken, and the sender has to try again.
    package func submit(_ message: InboxMessage, ticket: Ticket) -> Bool {
        let (accepted, mustStart) = state.withLock { state in
            guard state.queue.count < maximumMessages, state.queuedBytes + message.body.count <= maximumBytes else {
                return (false, false)
            }
            state.queue.append(Pending(message: message, ticket: ticket))
            state.queuedBytes += message.body.count
            defer { state.isCommitting = true }
            return (true, !state.isCommitting)
        }
        if mustStart { commits.async { [self] in commitUntilEmpty() } }
        return accepted
    }

    /// Returns once everything submitted before is settled.
    package func drain() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isIdle = state.withLock { state in
                if state.isCommitting { state.drainers.append(continuation) }
                return !state.isCommitting
            }
            if isIdle { continuation.resume() }
        }
    }

    private func commitUntilEmpty() {
        while true {
            let batch = state.withLock { state in
                defer {
                    state.queue.removeAll(keepingCapacity: true)
                    state.queuedBytes = 0
                }
                return state.queue
            }
            if !batch.isEmpty {
                let outcomes = ledger.append(batch.map(\.message))
                settled(zip(batch, outcomes).map { (ticket: $0.ticket, outcome: $1) })
                continue
            }
            // Whether the queue is empty and whether a commit is under way are looked at together: otherwise a message submitted
            // in between would wait for the next one to start a commit.
            let drainers: [CheckedContinuation<Void, Never>]? = state.withLock { state in
                guard state.queue.isEmpty else { return nil }
                state.isCommitting = false
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
                    var insertion = InboxInsertion(database: database)
                    var rest = messages[...]
                    while !rest.isEmpty {
                        let rows = InboxInsertion.rowCounts.first { $0 <= rest.count } ?? 1
                        outcomes += try insertion.insert(rest.prefix(rows))
                        rest = rest.dropFirst(rows)
                    }
                    try interruption(.beforeCommit)
                    return .commit
                }
                try interruption(.afterCommit)
                return outcomes
            }
        } catch {
            let failure = LedgerError(error, path: path)
            // Nothing that the failed connection says from here on counts.
            replace(pool)
            return messages.map { _ in .failed(failure) }
        }
    }
}

/// Appends messages inside a transaction, many with one statement: a quarter of the time of as many statements.
private struct InboxInsertion {
    /// A few sizes, each compiled once.
    static let rowCounts = [64, 16, 4, 1]

    private static let sql = Dictionary(
        uniqueKeysWithValues: rowCounts.map { count in
            let rows = Array(repeating: "(?, ?, ?, ?)", count: count).joined(separator: ", ")
            return (count, "INSERT INTO webhook_events (svix_id, source, received_at, body) VALUES \(rows)")
        })

    let database: Database
    /// Messages of one commit have few different times, and writing a time costs as much as storing a message.
    private var lastTime: (Timestamp, DatabaseValue)?

    init(database: Database) {
        self.database = database
    }

    /// Takes as many messages as one of `rowCounts`.
    mutating func insert(_ messages: ArraySlice<InboxMessage>) throws -> [AppendOutcome] {
        do {
            guard let sql = Self.sql[messages.count] else { return try messages.map { try insertUnlessRepeated($0) } }
            var values: [DatabaseValue] = []
            values.reserveCapacity(messages.count * 4)
            for message in messages { append(message, to: &values) }
            let statement = try database.cachedStatement(sql: sql)
            try statement.execute(arguments: StatementArguments(values))
            return Array(repeating: .stored, count: messages.count)
        } catch let error as DatabaseError where error.resultCode == .SQLITE_CONSTRAINT {
            // One has been there before. The statement has been undone as a whole, the transaction has not.
            return try messages.map { try insertUnlessRepeated($0) }
        }
    }

    private mutating func insertUnlessRepeated(_ message: InboxMessage) throws -> AppendOutcome {
        var values: [DatabaseValue] = []
        append(message, to: &values)
        let statement = try database.cachedStatement(
            sql: """
                INSERT INTO webhook_events (svix_id, source, received_at, body) VALUES (?, ?, ?, ?)
                ON CONFLICT (svix_id) DO NOTHING
                """)
        try statement.execute(arguments: StatementArguments(values))
        return database.changesCount > 0 ? .stored : .repeated
    }

    private mutating func append(_ message: InboxMessage, to values: inout [DatabaseValue]) {
        let time: DatabaseValue
        if let lastTime, lastTime.0 == message.receivedAt {
            time = lastTime.1
        } else {
            time = message.receivedAt.sql.databaseValue
            lastTime = (message.receivedAt, time)
        }
        values.append(message.svixID?.databaseValue ?? .null)
        values.append(message.source.rawValue.databaseValue)
        values.append(time)
        values.append(storedBody(message.body))
    }
}

/// Text where the body is UTF-8, so that SQLite's JSON functions read it; the bytes as they are where it is not.
/// A NUL would end the text for some readers, so such a body stays bytes too.
private func storedBody(_ body: [UInt8]) -> DatabaseValue {
    guard !body.contains(0), let text = String(validating: body, as: UTF8.self) else {
        return Data(body).databaseValue
    }
    return text.databaseValue
}
