import Foundation
import GRDB
import JSON
import Policy
import Testing
import Time

@testable import Ledger

@Suite(.timeLimit(.minutes(5))) struct LogReaderTests {
    @Test func noDatabaseYetIsSaid() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: LedgerError.self) { try LogReader(path: folder.database) }
        #expect(error?.code == .missing)
        #expect(error?.reason == "\(folder.database): there is no database yet")
        #expect(!FileManager.default.fileExists(atPath: folder.database))
    }

    @Test func anotherDatabaseIsNotOurs() async throws {
        let folder = try TemporaryFolder()
        try change(folder.database, "CREATE TABLE letters (text TEXT)")
        let reader = try LogReader(path: folder.database)
        let error = await #expect(throws: LedgerError.self) { try await reader.failoverLog() }
        #expect(error?.code == .corrupt)
        #expect(error?.reason.hasSuffix("is not a database of Sparekey") == true)
    }

    @Test func itReadsWhileTheDaemonRunsAndAfter() async throws {
        let bench = try LedgerBench()
        let reader = try LogReader(path: bench.path)
        #expect(try await reader.failoverLog().rows.isEmpty)
        try await bench.substitute()
        #expect(try await reader.failoverLog().rows.count == 1)
        // The reader's coming and going takes none of the daemon's locks: the daemon still writes, others still read.
        _ = try await bench.fail("other")
        #expect(try await reader.failoverLog().rows.count == 2)
        bench.ledger.close()
        #expect(try await reader.failoverLog().rows.count == 2)
    }

    @Test func itNeverWritesToTheFile() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        bench.ledger.close()
        let before = try Data(contentsOf: URL(fileURLWithPath: bench.path))
        let reader = try LogReader(path: bench.path)
        _ = try await reader.failoverLog()
        _ = try await reader.explain("guest")
        #expect(try Data(contentsOf: URL(fileURLWithPath: bench.path)) == before)
        await #expect(throws: LedgerError.self) {
            try await reader.read { database in try database.execute(sql: "DELETE FROM journal") }
        }
    }

    @Test(arguments: ["sparekey.db", "100% of #1? [ö].db"])
    func aFolderThatOnlyOthersMayWriteToIsRead(name: String) async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        bench.ledger.close()
        let folder = try TemporaryFolder()
        let path = folder.path + "/" + name
        try FileManager.default.copyItem(atPath: bench.path, toPath: path)
        // Links to nowhere, so that neither the WAL nor its index can be created, by root neither.
        for suffix in ["-wal", "-shm"] {
            try FileManager.default.createSymbolicLink(
                atPath: path + suffix, withDestinationPath: folder.path + "/none/" + suffix)
        }
        let rows = try await LogReader(path: path).failoverLog().rows
        #expect(rows.map { $0["access_code_id"] } == [.text("guest")])
    }

    /// Whoever is only in the group: may read the file, may not write to the folder.
    @Test func aReaderWithoutTheRightToWriteReadsAStoppedAndARunningDaemonsLog() async {
        await #expect(processExitsWith: .success) {
            let bench = try LedgerBench()
            try await bench.substitute()
            let stopped = try LedgerBench()
            try await stopped.substitute()
            stopped.ledger.close()
            try FileManager.default.removeItem(atPath: stopped.path + "-wal")
            try FileManager.default.removeItem(atPath: stopped.path + "-shm")
            for folder in [bench.folder, stopped.folder] {
                for name in try FileManager.default.contentsOfDirectory(atPath: folder.path) {
                    chmod(folder.path + "/" + name, 0o444)
                }
                chmod(folder.path, 0o555)
            }
            let user = geteuid()
            if user == 0 { seteuid(65534) }
            guard access(bench.path, W_OK) != 0 || user == 0 else { exit(10) }
            let running = try await LogReader(path: bench.path).failoverLog().rows.count
            let rested = try await LogReader(path: stopped.path).failoverLog().rows.count
            seteuid(user)
            for folder in [bench.folder, stopped.folder] { chmod(folder.path, 0o755) }
            guard running == 1 else { exit(11) }
            guard rested == 1 else { exit(12) }
        }
    }

    @Test func aCrashedDaemonsLogIsRead() async throws {
        let bench = try LedgerBench()
        try await bench.substitute()
        let copy = try bench.folder.copyAfterCrash()
        #expect(try await LogReader(path: copy.database).failoverLog().rows.count == 1)
    }

    @Test func aRowHasTheContractsColumns() async throws {
        let bench = try LedgerBench()
        let substitutionID = try await bench.substitute()
        let reader = try LogReader(path: bench.path)
        let row = try #require(try await reader.failoverLog().rows.first)
        #expect(row.fields.map(\.column) == FailoverLogPage.columns)
        #expect(row["substitution_id"] == .text(substitutionID))
        #expect(row["substitution_state"] == .text("active"))
        #expect(row["delivery_state"] == .text("pending"))
        #expect(row["attempts"] == .integer(1))
        #expect(row["backup_code"] == .pin(PIN("739146")!))
        #expect(row["backup_starts_at"] == .text("2026-11-20T17:20:02.400Z"))
        #expect(!"\(row)".contains("739146"))
        #expect(row.json(showingPINs: false)["backup_code"] == "••••")
        #expect(row.json(showingPINs: true)["backup_code"] == "739146")
        // Every column of the view is there, so that what the table prints is what a script reads.
        let view = try query(bench.path, "SELECT name FROM pragma_table_info('failover_log')").map {
            $0["name"] as String
        }
        #expect(Set(FailoverLogPage.columns).isSuperset(of: view))
    }

    @Test func theFiltersNarrow() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("a")
        _ = try await bench.fail("b", device: "door")
        _ = try await bench.receive(
            bench.facts("event-c", code: "c"), .opensFailover, at: bench.start + .seconds(60))
        let reader = try LogReader(path: bench.path)
        func codes(_ query: FailoverLogQuery) async throws -> [String] {
            try await reader.failoverLog(query).rows.compactMap { $0.text("access_code_id") }.sorted()
        }
        #expect(try await codes(FailoverLogQuery()) == ["a", "b", "c"])
        #expect(try await codes(FailoverLogQuery(deviceID: "door")) == ["b"])
        #expect(try await codes(FailoverLogQuery(state: .substituted)) == ["a"])
        #expect(try await codes(FailoverLogQuery(since: bench.start + .milliseconds(1))) == ["c"])
        #expect(try await codes(FailoverLogQuery(since: bench.start, until: bench.start + .seconds(60))) == ["a", "b"])
        #expect(try await codes(FailoverLogQuery(deviceID: "'; DROP TABLE failovers")) == [])
        #expect(try await reader.failoverLog(FailoverLogQuery(limit: 2)).rows.count == 2)
    }

    @Test func theLogIsFollowedByItsJournal() async throws {
        let bench = try LedgerBench()
        let failover = try await bench.fail("a")
        _ = try await bench.fail("b")
        let reader = try LogReader(path: bench.path)
        var place = try await reader.failoverLog().place
        func news() async throws -> [String] {
            let page = try await reader.failoverLog(FailoverLogQuery(after: place))
            place = page.place
            return page.rows.compactMap { $0.text("access_code_id") }
        }
        #expect(try await news() == [])
        try await bench.ledger.record(
            FailoverStep(state: .waiting, reason: "pool_empty", nextAttemptAt: bench.start), of: failover,
            now: bench.start)
        #expect(try await news() == ["a"])
        #expect(try await news() == [])
        _ = try await bench.fail("c")
        try await bench.substitute("d")
        #expect(try await news().sorted() == ["c", "d"])
        let claimed = try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(1))
        #expect(try await news() == ["d"])
        _ = try await bench.ledger.acknowledgeDelivery(try #require(claimed).id, now: bench.start)
        #expect(try await news() == ["d"])
    }

    @Test func deliveriesAreListedWithWhomTheyAreFor() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("a", by: "backup-a", channels: [.manual])
        try await bench.substitute("b", by: "backup-b", channels: [.webhook])
        let reader = try LogReader(path: bench.path)
        let rows = try await reader.deliveries(state: nil, now: bench.start)
        #expect(rows.count == 2)
        #expect(rows[0].fields.map(\.column) == LogReader.deliveryColumns)
        #expect(rows[0]["original_name"] == .text("Ada"))
        #expect(rows[0]["backup_code"] == .pin(PIN("739146")!))
        _ = try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(300))
        #expect(try await reader.deliveries(state: .claimed, now: bench.start).count == 1)
        // Its lease is over: it waits for whoever claims it, whether or not the row says so already.
        let later = bench.start + .seconds(300)
        #expect(try await reader.deliveries(state: .claimed, now: later).isEmpty)
        #expect(try await reader.deliveries(state: .pending, now: later).count == 2)
    }
}

@Suite(.timeLimit(.minutes(5))) struct ExplanationTests {
    private let bench: LedgerBench
    private let reader: LogReader
    private let ids: [String]

    /// A guest's story, and another's that must not be in it.
    init() async throws {
        bench = try LedgerBench()
        try await bench.substitute("stranger", by: "backup-of-stranger")
        let failover = try await bench.fail("guest")
        try await bench.ledger.record(
            FailoverStep(state: .waiting, reason: "pool_empty", nextAttemptAt: bench.start), of: failover,
            now: bench.start + .seconds(1))
        _ = try await bench.receive(
            bench.facts("event-lock", "device.connected", code: nil), .touchesDevice, at: bench.start + .seconds(2))
        let now = bench.start + .seconds(3)
        let pullID = try #require(
            try await bench.ledger.intendPull(of: failover, reading: bench.reading(), journal: [], now: now))
        let outcome = try await bench.ledger.recordSubstitution(
            bench.substitution(of: failover, pullID: pullID, channels: [.webhook]), now: now)
        guard case .recorded(let substitutionID) = outcome else { fatalError("\(outcome)") }
        let delivery = try #require(
            try await bench.ledger.dueDeliveries(channel: .webhook, now: now, limit: 9).first)
        try await bench.ledger.record(.delivered, of: delivery, now: bench.start + .seconds(4))
        _ = try await bench.receive(
            bench.facts("event-backup", "access_code.deleted", code: "backup"), .touchesAccessCode,
            at: bench.start + .seconds(5))
        ids = [
            "guest", "backup", failover.id, substitutionID, pullID, delivery.id, "event-guest", "msg_event-guest",
            "event-backup",
        ]
        reader = try LogReader(path: bench.path)
    }

    @Test func anyOfItsIDsTellsTheWholeStoryInOrder() async throws {
        for id in ids {
            let explanation = try #require(try await reader.explain(id), "\(id)")
            #expect(explanation.failovers.map { $0["access_code_id"] } == [.text("guest")], "\(id)")
            #expect(
                explanation.timeline.map(\.kind) == [
                    "event.received", "failover.opened", "decision", "event.received", "event.noted", "pull.intended",
                    "decision", "substitution.recorded", "pull.finished", "delivery.created", "delivery.attempted",
                    "event.received", "event.noted",
                ], "\(id)")
            #expect(explanation.timeline.map(\.at) == explanation.timeline.map(\.at).sorted())
            #expect(!explanation.timeline.contains { $0.accessCodeID?.contains("stranger") == true })
        }
    }

    @Test func everyEntryHasItsReason() async throws {
        let timeline = try #require(try await reader.explain("guest")).timeline
        let reasons = timeline.map { "\($0.kind): \($0.reason ?? "-")" }
        #expect(reasons.filter { $0.hasSuffix(": -") } == ["pull.intended: -"])
        #expect(reasons.contains("event.received: handled"))
        #expect(reasons.contains("decision: pool_empty"))
        #expect(reasons.contains("decision: pulled"))
        #expect(reasons.contains("event.noted: device.connected"))
        #expect(reasons.contains("pull.finished: pulled"))
        #expect(reasons.contains("delivery.created: delivered"))
        #expect(timeline.first?.detail["event_type"] == "access_code.failed_to_set_on_device")
    }

    @Test func thePINIsMaskedUnlessAskedFor() async throws {
        let explanation = try #require(try await reader.explain("guest"))
        #expect(!"\(explanation)".contains("739146"))
        let recorded = try #require(explanation.timeline.first { $0.kind == "substitution.recorded" })
        #expect(recorded.json(showingPINs: false)["backup_code"] == "••••")
        #expect(recorded.json(showingPINs: true)["backup_code"] == "739146")
        #expect(recorded.json(showingPINs: true).members?.map(\.key) == TimelineEntry.columns)
        #expect(explanation.timeline.filter { $0.pin != nil }.count == 1)
    }

    @Test func anEventWithoutAnAccessCodeIsExplainedByWhatItDid() async throws {
        let explanation = try #require(try await reader.explain("event-lock"))
        #expect(explanation.failovers.isEmpty)
        #expect(explanation.timeline.map(\.kind) == ["event.received", "event.noted"])
        #expect(explanation.timeline[1].accessCodeID == "guest")
    }

    @Test func aQuarantinedMessageIsExplained() async throws {
        let bench = try LedgerBench()
        #expect(bench.ledger.append([message("msg_odd", "[")]) == [.stored])
        let pending = try await bench.ledger.pendingEvents(limit: 1)
        _ = try await bench.ledger.settle([(pending[0].inboxID, .quarantined(reason: "not_json"))], now: bench.start)
        let explanation = try #require(try await LogReader(path: bench.path).explain("msg_odd"))
        #expect(explanation.timeline.map(\.kind) == ["event.received", "event.quarantined"])
        #expect(explanation.timeline.map(\.reason) == ["not_json", "not_json"])
    }

    @Test(arguments: ["nobody", "", "%", "' OR 1=1 --"])
    func anUnknownIDIsUnknown(id: String) async throws {
        #expect(try await reader.explain(id) == nil)
    }
}
