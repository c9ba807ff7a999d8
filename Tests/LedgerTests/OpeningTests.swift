import Foundation
import GRDB
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct OpeningTests {
    private func settings(_ ledger: Ledger) async throws -> [String] {
        // `synchronous` belongs to a connection, so only the writer itself can tell its own.
        try await ledger.write { database in
            try ["journal_mode", "synchronous", "foreign_keys", "secure_delete"].map { setting in
                try String.fetchOne(database, sql: "PRAGMA \(setting)") ?? "none"
            }
        }
    }

    @Test func theWriterIsDurable() async throws {
        let bench = try LedgerBench()
        #expect(try await settings(bench.ledger) == ["wal", "2", "1", "1"])
        // Any other program sees WAL too: the mode is in the file.
        #expect(try text(bench.path, "PRAGMA journal_mode") == "wal")
    }

    @Test func theWriterIsDurableAfterAFailureToo() async throws {
        let bench = try LedgerBench()
        let former = try bench.ledger.pool()
        bench.ledger.replace(former)
        #expect(try bench.ledger.pool() !== former)
        #expect(try await settings(bench.ledger) == ["wal", "2", "1", "1"])
        // A second task that saw the same failure does not replace the new connections.
        let new = try bench.ledger.pool()
        bench.ledger.replace(former)
        #expect(try bench.ledger.pool() === new)
    }

    @Test func theFilesAreForTheOwnerAndTheGroup() throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        for suffix in ["", "-wal", "-shm"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: bench.path + suffix)
            #expect(attributes[.posixPermissions] as? Int == 0o640, "\(suffix)")
        }
    }

    @Test func aNewerDatabaseIsRefused() throws {
        let folder = try TemporaryFolder()
        try Ledger(path: folder.database).close()
        try change(folder.database, "INSERT INTO grdb_migrations VALUES ('99')")
        let before = try contents(of: folder.database)
        for _ in 0..<2 {
            // Twice, because a refusal must not keep the lock.
            let error = #expect(throws: LedgerError.self) { try Ledger(path: folder.database) }
            #expect(error?.code == .newerSchema)
            #expect(error?.reason == "\(folder.database): was written by a newer Sparekey than this one")
            #expect(error?.hint.isEmpty == false)
        }
        #expect(try contents(of: folder.database) == before)
    }

    /// As a child has them between its fork and its exec.
    @Test func aCopyOfTheLocksDescriptorKeepsNobodyOff() throws {
        let folder = try TemporaryFolder()
        let lock = try LedgerLock(databasePath: folder.database)
        let held = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap(Int32.init).filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)"))?
                .hasSuffix(folder.database.split(separator: "/").suffix(2).joined(separator: "/") + ".lock") == true
        }
        let copy = dup(try #require(held.first))
        defer { close(copy) }
        lock.release()
        try LedgerLock(databasePath: folder.database).release()
    }

    @Test func aFileThatIsNoDatabaseIsRefused() throws {
        let folder = try TemporaryFolder()
        try Data("This is a letter, and no database at all. ".utf8).write(to: URL(fileURLWithPath: folder.database))
        let error = #expect(throws: LedgerError.self) { try Ledger(path: folder.database) }
        #expect(error?.code == .corrupt)
    }

    @Test(arguments: ["customers", "webhook_events"]) func anotherProgramsDatabaseIsLeftAsItIs(_ table: String) throws {
        let folder = try TemporaryFolder()
        try change(folder.database, "CREATE TABLE \(table) (name)")
        let before = try contents(of: folder.database)
        for open in [{ try Ledger(path: folder.database) }, { try Ledger(sharing: folder.database) }] {
            let error = #expect(throws: LedgerError.self) { try open() }
            #expect(error?.reason == "\(folder.database): is not a database of Sparekey")
        }
        #expect(try contents(of: folder.database) == before)
        #expect(try LedgerInspection(path: folder.database).isForeign)
    }

    /// SQLite puts the WAL beside the file itself, and so must be everything else.
    @Test func aLinkLeadsToTheDatabase() async throws {
        let bench = try LedgerBench()
        let folder = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(atPath: folder.database, withDestinationPath: bench.path)
        let error = #expect(throws: LedgerError.self) { try Ledger(path: folder.database) }
        #expect(error?.code == .locked)
        #expect(bench.ledger.append([message("msg_1")]) == [.stored])
        bench.ledger.close()
        let linked = try Ledger(path: folder.database)
        #expect(linked.append([message("msg_2")]) == [.stored])
        let log = try LogReader(path: folder.database)
        #expect(try await log.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM webhook_events") } == 2)
        linked.close()
    }

    /// Such as one that was laid for a larger disk before the first start, by a link to a link.
    @Test func aLinkMayLeadToADatabaseThatIsNotThereYet() async throws {
        let (disk, folder) = (try TemporaryFolder(), try TemporaryFolder())
        let files = FileManager.default
        try files.createSymbolicLink(atPath: disk.path + "/link", withDestinationPath: "sparekey.db")
        try files.createSymbolicLink(atPath: folder.database, withDestinationPath: disk.path + "/link")
        let ledger = try Ledger(path: folder.database)
        #expect(ledger.append([message("msg_1")]) == [.stored])
        #expect(try files.attributesOfItem(atPath: disk.database)[.posixPermissions] as? Int == 0o640)
        #expect(try files.contentsOfDirectory(atPath: folder.path) == ["sparekey.db"])
        ledger.close()
    }

    /// Whoever takes it for a leftover and removes it lets a second daemon in: only one of the two goes on.
    @Test func whoHasLostTheLockTakesItAgainOrStopsWriting() async throws {
        let bench = try LedgerBench()
        try FileManager.default.removeItem(atPath: bench.path + ".lock")
        #expect(bench.ledger.append([message("msg_1")]) != [.stored])
        #expect(bench.ledger.append([message("msg_2")]) == [.stored])
        try FileManager.default.removeItem(atPath: bench.path + ".lock")
        let second = try Ledger(path: bench.path)
        for number in 3...5 { #expect(bench.ledger.append([message("msg_\(number)")]) != [.stored]) }
        #expect(second.append([message("msg_6")]) == [.stored])
        second.close()
        #expect(bench.ledger.append([message("msg_7")]) == [.stored])
    }

    @Test func aMissingFolderIsNamed() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: LedgerError.self) { try Ledger(path: folder.path + "/none/sparekey.db") }
        #expect(error?.code == .storage)
        #expect(error?.reason.contains("No such file or directory") == true)
    }

    @Test func aFolderInItsPlaceIsNamed() async throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.database, withIntermediateDirectories: false)
        let error = #expect(throws: LedgerError.self) { try Ledger(path: folder.database) }
        #expect(error?.reason == "\(folder.database): is a folder")
        let reader = try LogReader(path: folder.database)
        let readError = await #expect(throws: LedgerError.self) { try await reader.failoverLog() }
        #expect(readError?.reason == "\(folder.database): is a folder")
    }

    @Test func aSecondDaemonIsRefusedAndTheFirstNamed() throws {
        let bench = try LedgerBench()
        let error = #expect(throws: LedgerError.self) { try Ledger(path: bench.path) }
        #expect(error?.code == .locked)
        #expect(
            error?.reason
                == "\(bench.path): in use by the sparekey process \(ProcessInfo.processInfo.processIdentifier)")
        bench.ledger.close()
        try Ledger(path: bench.path).close()
    }

    @Test func aKilledDaemonLeavesNoLock() throws {
        let folder = try TemporaryFolder()
        // The text of a former holder stays in the file; only the kernel's lock counts.
        try Data("4711\n".utf8).write(to: URL(fileURLWithPath: folder.database + ".lock"))
        try Ledger(path: folder.database).close()
    }

    @Test func closingMovesTheWALIntoTheDatabase() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        bench.ledger.close()
        // The database alone holds everything: a copy of just that file is a backup.
        let copy = try TemporaryFolder()
        try FileManager.default.copyItem(atPath: bench.path, toPath: copy.database)
        #expect(try text(copy.database, "SELECT backup_code FROM substitution_log") == "739146")
    }

    @Test func aClosedLedgerStaysClosed() async throws {
        let bench = try LedgerBench()
        bench.ledger.close()
        for _ in 0..<2 {
            let outcome = bench.ledger.append([message("msg_1")])
            guard case .failed(let error) = outcome.first else {
                Issue.record("appended to a closed ledger: \(outcome)")
                return
            }
            #expect(error.reason.hasSuffix("was closed"))
        }
        await #expect(throws: LedgerError.self) { try await bench.ledger.nextFailoverAt() }
        // Nothing opened it again behind the back of whoever has it now.
        let second = try Ledger(path: bench.path)
        #expect(second.append([message("msg_1")]) == [.stored])
    }
}

@Suite(.timeLimit(.minutes(5))) struct CancellationTests {
    /// What was done outside is recorded although the daemon is stopping.
    @Test func aWriteOfACancelledTaskIsCarriedThrough() async throws {
        let bench = try LedgerBench()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await bench.ledger.setWatermark("events", to: bench.start)
        }
        try await task.value
        #expect(try await bench.ledger.watermark("events") == bench.start)
    }

    @Test func aReadOfACancelledTaskSaysSo() async throws {
        let bench = try LedgerBench()
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await bench.ledger.watermark("events")
        }
        let error = await #expect(throws: LedgerError.self) { try await task.value }
        #expect(error?.code == .cancelled)
    }
}
