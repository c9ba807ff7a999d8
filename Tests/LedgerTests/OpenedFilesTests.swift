import Foundation
import GRDB
import Synchronization
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

    /// A backup that is put back beside the WAL of a database that is open, as where a webhook has started the daemon amid a restore.
    @Test func aDatabaseThatIsPutInItsPlaceDoesNotGetItsWAL() async throws {
        let backup = try LedgerBench()
        try await backup.substitute()
        backup.ledger.close()
        let folder = try TemporaryFolder()
        let aside = Mutex<[String]>([])
        let ledger = try Ledger(path: folder.database, setAside: { file in aside.withLock { $0.append(file) } })
        #expect(ledger.append([message("msg_1")]) == [.stored])
        // As `install` does it.
        try FileManager.default.removeItem(atPath: folder.database)
        try FileManager.default.copyItem(atPath: backup.path, toPath: folder.database)
        #expect(failure(ledger.append([message("msg_2")]))?.code == .storage)
        #expect(ledger.append([message("msg_2")]) == [.stored])
        #expect(aside.withLock { $0 } == [folder.database + "-wal.former"])
        ledger.close()
        #expect(try text(folder.database, "PRAGMA integrity_check") == "ok")
        #expect(try text(folder.database, "SELECT backup_code FROM substitution_log") == "739146")
        let found = try query(folder.database, "SELECT svix_id FROM webhook_events WHERE svix_id IN ('msg_1', 'msg_2')")
        #expect(found.map { $0["svix_id"] as String } == ["msg_2"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: folder.database + "-wal.former")).isEmpty == false)
    }

    /// What is acknowledged may be in the WAL alone.
    @Test func aDatabaseThatIsMovedAwayAndBackKeepsItsWAL() throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        let away = bench.path + "-away"
        try FileManager.default.moveItem(atPath: bench.path, toPath: away)
        for _ in 0..<2 { #expect(failure(bench.ledger.append([message("msg_2")]))?.code == .storage) }
        try FileManager.default.moveItem(atPath: away, toPath: bench.path)
        #expect(bench.ledger.append([message("msg_1"), message("msg_2")]) == [.repeated, .stored])
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
