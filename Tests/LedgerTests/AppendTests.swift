import Foundation
import GRDB
import JSON
import Synchronization
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct AppendTests {
    @Test func aRepeatIsTheSameMessageID() throws {
        let bench = try LedgerBench()
        let first = bench.ledger.append([message("msg_1", "a"), message("msg_2", "b"), message("msg_1", "c")])
        #expect(first == [.stored, .stored, .repeated])
        #expect(bench.ledger.append([message("msg_2", "d"), message("msg_3", "e")]) == [.repeated, .stored])
        // The first one counts.
        let rows = try query(bench.path, "SELECT svix_id, body FROM webhook_events ORDER BY inbox_id")
        #expect(rows.map { $0["svix_id"] } == ["msg_1", "msg_2", "msg_3"])
        #expect(rows.map { $0["body"] } == ["a", "b", "e"])
    }

    @Test func messagesWithoutAnIDAreNotRepeats() throws {
        let bench = try LedgerBench()
        let messages = [message(nil, "a", source: .sweep), message(nil, "a", source: .sweep)]
        #expect(bench.ledger.append(messages) == [.stored, .stored])
    }

    @Test func noMessagesAreNoFailure() throws {
        #expect(try LedgerBench().ledger.append([]).isEmpty)
    }

    /// Text is for SQLite's own functions and for whoever queries the log; what is none, or would end at a NUL, stays bytes.
    @Test func onlyTextIsStoredAsText() throws {
        let bench = try LedgerBench()
        let bodies: [[UInt8]] = [Array(#"{"name":"Zoë"}"#.utf8), [0xFF, 0xFE, 0x80], Array("a\u{0}b".utf8)]
        let messages = bodies.enumerated().map { number, body in
            InboxMessage(svixID: "msg_\(number)", source: .webhook, receivedAt: bench.start, body: body)
        }
        #expect(bench.ledger.append(messages) == [.stored, .stored, .stored])
        let types = try query(bench.path, "SELECT typeof(body) AS type FROM webhook_events ORDER BY inbox_id")
        #expect(types.map { $0["type"] } == ["text", "blob", "blob"])
    }

    /// What arrives is kept byte by byte, whatever it is.
    @Test(
        arguments: [
            Array(#"{"event_id":"1","name":"Zoë 🗝"}"#.utf8), [0xFF, 0xFE, 0x00, 0x80], [], Array("a\u{0}b".utf8),
            [0xEF, 0xBB, 0xBF, 0x7B, 0x7D],
        ] as [[UInt8]])
    func aBodyComesBackAsItCame(body: [UInt8]) async throws {
        let bench = try LedgerBench()
        let sent = InboxMessage(svixID: "msg_1", source: .webhook, receivedAt: bench.start, body: body)
        #expect(bench.ledger.append([sent]) == [.stored])
        let pending = try await bench.ledger.pendingEvents(limit: 10)
        #expect(pending.map(\.body) == [body])
        #expect(pending.map(\.receivedAt) == [bench.start])
    }

    /// For some conditions SQLite fills a temporary table for each row, which costs as much as storing it.
    @Test func noMessageFillsATemporaryTable() throws {
        let bench = try LedgerBench()
        let seen = Mutex<Set<String>>([])
        let pool = try bench.ledger.pool()
        pool.writeWithoutTransaction { database in
            database.trace { event in
                if case .statement(let statement) = event { _ = seen.withLock { $0.insert(statement.sql) } }
            }
        }
        #expect(bench.ledger.append([message("msg_1", "a")]) == [.stored])
        #expect(bench.ledger.append((2...65).map { message("msg_\($0)", "a") }).allSatisfy { $0 == .stored })
        let insertions = seen.withLock { $0 }.filter { $0.hasPrefix("INSERT INTO webhook_events") }
        #expect(insertions.count == 2)
        for sql in insertions {
            let steps = try pool.writeWithoutTransaction { database in
                let statement = try database.makeStatement(sql: "EXPLAIN " + sql)
                statement.setUncheckedArguments([])
                return try Row.fetchAll(statement).map { $0["opcode"] as String }
            }
            #expect(steps.contains("Insert") && !steps.contains("OpenEphemeral"))
        }
    }

    @Test func aFailedStatementFailsEveryMessageAndNoneIsKept() throws {
        let bench = try LedgerBench()
        try change(
            bench.path,
            """
            CREATE TRIGGER refusal BEFORE INSERT ON webhook_events WHEN new.svix_id = 'msg_3'
            BEGIN SELECT raise(ABORT, 'refused'); END
            """)
        let former = try bench.ledger.pool()
        let outcomes = bench.ledger.append([message("msg_1"), message("msg_2"), message("msg_3")])
        // Nothing is believed any more of what the connection says whose commit failed.
        #expect(try bench.ledger.pool() !== former)
        #expect(outcomes.count == 3)
        #expect(!outcomes.contains { $0.isCommitted })
        #expect(try query(bench.path, "SELECT * FROM webhook_events").isEmpty)
        try change(bench.path, "DROP TRIGGER refusal")
        #expect(bench.ledger.append([message("msg_1"), message("msg_3")]) == [.stored, .stored])
    }

    /// The disk is full in the middle of a batch: a limit on the size of files, which the kernel enforces on every write.
    @Test func aFullDiskFailsTheWholeBatchAndTheLedgerWorksAgainAfterwards() async {
        await #expect(processExitsWith: .success) {
            let folder = try TemporaryFolder()
            let ledger = try Ledger(path: folder.database)
            #expect(ledger.append([message("msg_0")]) == [.stored])

            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit()
            getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let unlimited = limit.rlim_cur
            let size = try #require(
                try FileManager.default.attributesOfItem(atPath: folder.database + "-wal")[.size] as? UInt64)
            limit.rlim_cur = rlim_t(size + 20_000)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            let large = String(repeating: "x", count: 50_000)
            for round in 0..<2 {
                let outcomes = ledger.append((1...20).map { message("msg_\($0)", large) })
                guard outcomes.count == 20, !outcomes.contains(where: { $0.isCommitted }) else { exit(10) }
                guard case .failed(let error) = outcomes[0], error.code == .storage else { exit(11) }
                // While nothing can be written, what was committed can still be read or is refused, but never lost.
                if round == 1 {
                    // The WAL was emptied after the failure: less than one entry fits into it now.
                    limit.rlim_cur = 40_000
                    setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
                    let former = try? ledger.pool()
                    let failure = await #expect(throws: LedgerError.self) {
                        try await ledger.journal(
                            [JournalEntry("note", detail: .string(large))], at: message(nil).receivedAt)
                    }
                    guard failure?.code == .storage, try ledger.pool() !== former else { exit(12) }
                }
            }
            limit.rlim_cur = unlimited
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)

            guard ledger.append([message("msg_0"), message("msg_1", large)]) == [.repeated, .stored] else { exit(13) }
            let kept = try query(folder.database, "SELECT svix_id FROM webhook_events ORDER BY 1").map {
                $0["svix_id"] as String
            }
            guard kept == ["msg_0", "msg_1"] else { exit(14) }
            guard try query(folder.database, "PRAGMA integrity_check")[0][0] == "ok" else { exit(15) }
            guard try await ledger.write({ try Int.fetchOne($0, sql: "PRAGMA synchronous") }) == 2 else { exit(16) }
        }
    }
}

@Suite(.timeLimit(.minutes(5))) struct InboxWriterTests {
    /// Holds the writer's queue in the middle of its first commit's report until the test lets go.
    private final class Report: Sendable {
        let gate = DispatchSemaphore(value: 0)
        let entered = DispatchSemaphore(value: 0)
        private let batches = Mutex<[[(ticket: Int, outcome: AppendOutcome)]]>([])

        func take(_ batch: [(ticket: Int, outcome: AppendOutcome)]) {
            let isFirst = batches.withLock { batches in
                batches.append(batch)
                return batches.count == 1
            }
            guard isFirst else { return }
            entered.signal()
            gate.wait()
        }

        var taken: [[(ticket: Int, outcome: AppendOutcome)]] { batches.withLock { $0 } }
    }

    /// How many transactions the WAL holds: its frames that end one tell the size of the database.
    /// https://www.sqlite.org/fileformat2.html#the_write_ahead_log
    private func commits(_ path: String) throws -> Int {
        let wal = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path + "-wal")))
        let salts = wal[16..<24]
        return stride(from: 32, to: wal.count - 24, by: 24 + 4096).filter { frame in
            wal[frame + 8..<frame + 16].elementsEqual(salts) && wal[frame + 4..<frame + 8] != [0, 0, 0, 0]
        }.count
    }

    private func writer(
        _ bench: LedgerBench, _ report: Report, maximumMessages: Int = 4096, maximumBytes: Int = 1_000_000
    ) -> InboxWriter<Int> {
        InboxWriter(ledger: bench.ledger, maximumMessages: maximumMessages, maximumBytes: maximumBytes) {
            report.take(zip($0, $1).map { (ticket: $0, outcome: $1) })
        }
    }

    /// Waits for the semaphore on a thread that may block.
    private func wait(for semaphore: DispatchSemaphore) async {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                semaphore.wait()
                continuation.resume()
            }
        }
    }

    @Test func whatArrivesDuringACommitGoesIntoTheNext() async throws {
        let bench = try LedgerBench()
        let report = Report()
        let writer = writer(bench, report)
        let before = try commits(bench.path)
        #expect(writer.submit(message("msg_0"), ticket: 0))
        await wait(for: report.entered)
        await withTaskGroup { group in
            for worker in 0..<10 {
                group.addTask {
                    for number in 1...50 {
                        let ticket = worker * 50 + number
                        #expect(writer.submit(message("msg_\(ticket)"), ticket: ticket))
                    }
                }
            }
        }
        #expect(writer.queuedMessages == 500)
        report.gate.signal()
        await writer.drain()
        #expect(report.taken.map(\.count) == [1, 500])
        #expect(Set(report.taken.flatMap { $0 }.map(\.ticket)) == Set(0...500))
        #expect(!report.taken.flatMap { $0 }.contains { $0.outcome != .stored })
        #expect(try commits(bench.path) - before == 2)
        #expect(writer.queuedMessages == 0)
    }

    @Test func theQueueIsBoundedByMessages() async throws {
        let bench = try LedgerBench()
        let report = Report()
        let writer = writer(bench, report, maximumMessages: 3)
        #expect(writer.submit(message("msg_0"), ticket: 0))
        await wait(for: report.entered)
        #expect((1...5).map { writer.submit(message("msg_\($0)"), ticket: $0) } == [true, true, true, false, false])
        report.gate.signal()
        await writer.drain()
        #expect(report.taken.map(\.count) == [1, 3])
        // There is room again.
        #expect(writer.submit(message("msg_5"), ticket: 5))
        await writer.drain()
        #expect(report.taken.last?.first?.outcome == .stored)
    }

    @Test func theQueueIsBoundedByBytes() async throws {
        let bench = try LedgerBench()
        let report = Report()
        let writer = writer(bench, report, maximumBytes: 100)
        let body = String(repeating: "x", count: 40)
        #expect(!writer.submit(message("msg_9", body + body + body), ticket: 9))
        #expect(writer.submit(message("msg_0", body), ticket: 0))
        await wait(for: report.entered)
        #expect((1...3).map { writer.submit(message("msg_\($0)", body), ticket: $0) } == [true, true, false])
        #expect(writer.submit(message("msg_4", "small"), ticket: 4))
        report.gate.signal()
        await writer.drain()
        #expect(report.taken.map { $0.map(\.ticket) } == [[0], [1, 2, 4]])
    }

    @Test func drainingAnIdleWriterReturnsAtOnce() async throws {
        let writer = writer(try LedgerBench(), Report())
        await writer.drain()
    }

    @Test func aFailedCommitIsToldToEveryMessageOfIt() async throws {
        let bench = try LedgerBench()
        let report = Report()
        let writer = writer(bench, report)
        #expect(writer.submit(message("msg_0"), ticket: 0))
        await wait(for: report.entered)
        try change(bench.path, "ALTER TABLE webhook_events RENAME TO elsewhere")
        for ticket in 1...3 { #expect(writer.submit(message("msg_\(ticket)"), ticket: ticket)) }
        report.gate.signal()
        await writer.drain()
        #expect(report.taken.last?.map(\.ticket) == [1, 2, 3])
        #expect(report.taken.last?.contains { $0.outcome.isCommitted } == false)
        try change(bench.path, "ALTER TABLE elsewhere RENAME TO webhook_events")
        #expect(writer.submit(message("msg_1"), ticket: 1))
        await writer.drain()
        #expect(report.taken.last?.map(\.outcome) == [.stored])
    }
}
