import Foundation
import GRDB
import Policy
import Testing
import Time

@testable import Ledger

/// A process that dies leaves the database and its WAL as they are. What a ledger makes of them must be a state that was committed.
@Suite(.timeLimit(.minutes(5))) struct CrashTests {
    /// Every kind of write, in the order in which a guest's story makes them.
    private func story(_ bench: LedgerBench) -> [@Sendable () async throws -> Void] {
        let ledger = bench.ledger
        let now = bench.start
        return [
            { #expect(ledger.append([message("msg_1"), message("msg_2")]) == [.stored, .stored]) },
            {
                let pending = try await ledger.pendingEvents(limit: 9)
                _ = try await ledger.settle(
                    [
                        (pending[0].inboxID, .readable(bench.facts("event-1"), .opensFailover)),
                        (pending[1].inboxID, .quarantined(reason: "not_json")),
                    ], now: now)
            },
            { try await ledger.keep(Device(id: "lock", name: "Front door"), now: now) },
            { _ = try await ledger.appendSwept([("event-2", Array("{}".utf8))], now: now) },
            { try await ledger.setWatermark("events", to: now) },
            {
                let failover = try #require(try await ledger.failover(accessCodeID: "guest"))
                let pullID = try #require(
                    try await ledger.intendPull(of: failover, reading: bench.reading(), journal: [], now: now))
                try await ledger.recordFailedPull(
                    pullID, isKnownToHaveFailed: false,
                    step: FailoverStep(state: .waiting, reason: "seam_unavailable", nextAttemptAt: now), of: failover,
                    now: now)
            },
            {
                let failover = try #require(try await ledger.failover(accessCodeID: "guest"))
                _ = try await ledger.recordSubstitution(
                    bench.substitution(of: failover, channels: [.manual, .webhook]), now: now)
            },
            { _ = try await ledger.claimManualDelivery(now: now, lease: .seconds(300)) },
            {
                let due = try await ledger.dueDeliveries(channel: .webhook, now: now, limit: 1)
                try await ledger.record(.delivered, of: try #require(due.first), now: now)
            },
            { try change(bench.path, "UPDATE substitutions SET next_look_at = NULL") },
            { _ = try await ledger.endSubstitutions(channels: [], now: now + .seconds(200_000)) },
        ]
    }

    @Test func aCrashAfterAnyWriteLosesNothing() async throws {
        let bench = try LedgerBench()
        for (number, step) in story(bench).enumerated() {
            let before = try contents(of: bench.path)
            try await step()
            let live = try contents(of: bench.path)
            #expect(live != before, "step \(number) wrote nothing")
            let copy = try bench.folder.copyAfterCrash()
            let recovered = try Ledger(path: copy.database)
            #expect(try contents(of: copy.database) == live, "after step \(number)")
            recovered.close()
        }
    }

    @Test func aCrashWithinATransactionLeavesTheStateBeforeIt() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        let before = try contents(of: bench.path)
        let folder = bench.folder
        let copy = try await bench.ledger.write { database in
            try database.execute(sql: "UPDATE failovers SET state = 'cancelled'")
            try database.execute(sql: "DELETE FROM deliveries")
            return try folder.copyAfterCrash()
        }
        #expect(try contents(of: bench.path) != before)
        try Ledger(path: copy.database).close()
        #expect(try contents(of: copy.database) == before)
    }

    /// The power goes while the WAL is being written: whatever part of it reached the disk, the state is one that was committed.
    @Test func aTornWALIsACommittedState() async throws {
        let bench = try LedgerBench()
        var committed = [try contents(of: bench.path)]
        // From here on each step is one or two transactions; those in between are states of their own.
        let empty = try bench.folder.copyAfterCrash()
        let offset = try Data(contentsOf: URL(fileURLWithPath: bench.path + "-wal")).count
        for step in story(bench) {
            try await step()
            committed.append(try contents(of: bench.path))
        }
        try Ledger(path: empty.database).close()
        #expect(try contents(of: empty.database) == committed[0])

        let wal = try Data(contentsOf: URL(fileURLWithPath: bench.path + "-wal"))
        let frame = 24 + 4096
        #expect(wal.count > offset + 10 * frame)
        var reached = 0
        for cut in stride(from: offset, through: wal.count, by: frame) {
            for torn in [cut, cut + 1000] where torn <= wal.count {
                let copy = try TemporaryFolder()
                try FileManager.default.copyItem(atPath: bench.path, toPath: copy.database)
                try wal.prefix(torn).write(to: URL(fileURLWithPath: copy.database + "-wal"))
                try Ledger(path: copy.database).close()
                let found = try contents(of: copy.database)
                if let index = committed.firstIndex(of: found) {
                    #expect(index >= reached)
                    reached = index
                } else {
                    // The state between an intended pull and its lost answer.
                    #expect(found["pulls"]?.count == 1)
                    #expect(found["pulls"]?.first?.contains("outcome:NULL") == true, "\(torn) of \(wal.count)")
                }
            }
        }
        #expect(reached == committed.count - 1)
    }
}
