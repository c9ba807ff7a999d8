import Foundation
import GRDB
import Testing

@testable import Ledger

/// What becomes of a database whose files are taken away under it.
@Suite(.timeLimit(.minutes(5))) struct OpenedFilesTests {
    private func failure(_ outcomes: [AppendOutcome]) -> LedgerError? {
        guard case .failed(let error) = outcomes.first else { return nil }
        return error
    }

    /// Another program, which may leave a transaction open.
    private func other(_ path: String) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.allowsUnsafeTransactions = true
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    @Test func aFolderThatIsAwayTakesNothing() async throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        let away = bench.folder.path + "-away"
        try FileManager.default.moveItem(atPath: bench.folder.path, toPath: away)
        #expect(failure(bench.ledger.append([message("msg_2")]))?.code == .storage)
        await #expect(throws: LedgerError.self) { try await bench.ledger.setWatermark("events", to: bench.start) }
        // Nor does another one that is there for a while.
        try FileManager.default.createDirectory(atPath: bench.folder.path, withIntermediateDirectories: false)
        #expect(failure(bench.ledger.append([message("msg_2")]))?.code == .storage)
        #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder.path) == [])
        #expect(await bench.ledger.canCommit() == false)

        try FileManager.default.removeItem(atPath: bench.folder.path)
        try FileManager.default.moveItem(atPath: away, toPath: bench.folder.path)
        #expect(await bench.ledger.canCommit())
        #expect(bench.ledger.append([message("msg_1"), message("msg_2")]) == [.repeated, .stored])
    }

    @Test(arguments: ["", "-wal"]) func aFileThatWasRemovedTakesNothing(suffix: String) throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        try FileManager.default.removeItem(atPath: bench.path + suffix)
        #expect(failure(bench.ledger.append([message("msg_2")]))?.code == .storage)
    }

    /// After a failed sync the WAL shows what the disk may not hold: it is not built upon.
    @Test func openingAfterAFailureEmptiesTheWAL() throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        let wal = bench.path + "-wal"
        #expect(try Data(contentsOf: URL(fileURLWithPath: wal)).isEmpty == false)
        bench.ledger.replace(try bench.ledger.pool())
        #expect(try Data(contentsOf: URL(fileURLWithPath: wal)).isEmpty)
        #expect(try text(bench.path, "SELECT svix_id FROM webhook_events") == "msg_1")
    }

    /// While somebody reads, the WAL cannot be emptied; that it was written again is enough to build on.
    @Test func whoReadsDoesNotHoldUpWhatIsOpenedAgain() throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        let reader = try other(bench.path)
        try reader.inDatabase { database in
            try database.beginTransaction(.deferred)
            _ = try Row.fetchOne(database, sql: "SELECT * FROM webhook_events")
        }
        bench.ledger.replace(try bench.ledger.pool())
        #expect(bench.ledger.append([message("msg_2")]) == [.stored])
        try reader.inDatabase { database in try database.rollback() }
        try reader.close()
        #expect(try query(bench.path, "SELECT * FROM webhook_events").count == 2)
    }

    @Test func anotherProgramsLockLeavesTheConnectionAlone() throws {
        let bench = try LedgerBench()
        let writer = try other(bench.path)
        try writer.inDatabase { database in try database.beginTransaction(.immediate) }
        let before = try bench.ledger.pool()
        #expect(failure(bench.ledger.append([message("msg_1")]))?.code == .locked)
        #expect(try bench.ledger.pool() === before)
        try writer.inDatabase { database in try database.rollback() }
        try writer.close()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
    }

    /// It does not fail for it, and leaves the WAL to whoever writes.
    @Test func aStartBesideAnotherWriterLeavesTheWALAsItIs() throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        let crashed = try bench.folder.copyAfterCrash()
        let wal = URL(fileURLWithPath: crashed.database + "-wal")
        let writer = try other(crashed.database)
        try writer.inDatabase { database in try database.beginTransaction(.immediate) }
        let before = try Data(contentsOf: wal)
        let ledger = try Ledger(path: crashed.database)
        #expect(try Data(contentsOf: wal) == before && !before.isEmpty)
        try writer.inDatabase { database in try database.rollback() }
        try writer.close()
        #expect(ledger.append([message("msg_1"), message("msg_2")]) == [.repeated, .stored])
        ledger.close()
    }
}
