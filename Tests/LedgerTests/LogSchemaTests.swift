import GRDB
import JSON
import Policy
import Testing
import Time

@testable import Ledger

/// The tables and views that users and their scripts rely on.
@Suite(.timeLimit(.minutes(5))) struct LogSchemaTests {
    private func columns(_ path: String, _ table: String) throws -> [String] {
        try query(path, "SELECT name FROM pragma_table_info(?) ORDER BY cid", [table]).map { $0["name"] }
    }

    @Test func theSubstitutionLogIsAsPublished() throws {
        let bench = try LedgerBench()
        #expect(
            try columns(bench.path, "substitution_log") == [
                "substitution_id", "recorded_at", "device_id", "original_access_code_id", "original_name",
                "original_starts_at", "original_ends_at", "failed_at", "failure_event_id", "backup_access_code_id",
                "backup_code", "backup_starts_at", "backup_ends_at", "substitution_state", "delivery_state",
                "delivered_at",
            ])
    }

    @Test(arguments: [
        (
            "webhook_events",
            "svix_id event_id event_type source received_at access_code_id device_id body disposition"
        ),
        (
            "failovers",
            """
            failover_id access_code_id device_id event_id state reason attempts next_attempt_at opened_at closed_at \
            original_name original_starts_at original_ends_at last_error_type last_request_id
            """
        ),
        (
            "substitutions",
            """
            substitution_id failover_id original_access_code_id device_id backup_access_code_id backup_code \
            backup_starts_at backup_ends_at state recorded_at updated_at
            """
        ),
        (
            "deliveries",
            "delivery_id substitution_id channel kind state attempts next_attempt_at delivered_at last_error"
        ),
        ("journal", "at access_code_id device_id kind detail"),
        (
            "failover_log",
            """
            failover_id access_code_id device_id event_id state reason attempts next_attempt_at opened_at closed_at \
            original_name original_starts_at original_ends_at last_error_type last_request_id substitution_id
            """
        ),
    ])
    func everyPublishedColumnIsThere(table: String, published: String) throws {
        let bench = try LedgerBench()
        let found = Set(try columns(bench.path, table))
        #expect(found.isSuperset(of: published.split(separator: " ").map(String.init)))
    }

    @Test func theFailoverLogHasEveryFailover() async throws {
        let bench = try LedgerBench()
        try await bench.substitute("guest")
        _ = try await bench.fail("other")
        let rows = try query(bench.path, "SELECT * FROM failover_log ORDER BY access_code_id")
        #expect(rows.map { $0["access_code_id"] } == ["guest", "other"])
        #expect(rows.map { $0["substitution_state"] } == ["active", nil])
    }

    /// The story of one guest from the failure to the told PIN, and then every column that is not meant to hold one.
    @Test func thePINIsNowhereButInItsColumn() async throws {
        let bench = try LedgerBench()
        let pin = "739146"
        try await bench.substitute(channels: [.manual, .webhook])
        let webhook = try #require(
            try await bench.ledger.dueDeliveries(channel: .webhook, now: bench.start, limit: 1).first)
        try await bench.ledger.record(.retry(at: bench.start, error: "timeout"), of: webhook, now: bench.start)
        try await bench.ledger.record(.delivered, of: webhook, now: bench.start)
        let manual = try #require(
            try await bench.ledger.claimManualDelivery(now: bench.start, lease: .seconds(1)))
        #expect(try await bench.ledger.acknowledgeDelivery(manual.id, now: bench.start))
        let other = try await bench.fail("other")
        _ = try await bench.ledger.recordSubstitution(bench.substitution(of: other), now: bench.start)
        try change(bench.path, "UPDATE substitutions SET next_look_at = NULL")
        _ = try await bench.ledger.endSubstitutions(channels: [], now: bench.start + .seconds(200_000))
        _ = try await bench.receive(bench.facts("event-9", code: "backup"), .touchesAccessCode)

        for (table, rows) in try contents(of: bench.path) where table != "substitutions" {
            #expect(!rows.contains { $0.contains(pin) }, "\(table)")
        }
        let substitution = try query(bench.path, "SELECT * FROM substitutions")[0]
        let holders = substitution.filter { $0.1.description.contains(pin) }.map(\.0)
        #expect(holders == ["backup_code"])
        #expect("\(webhook)".contains(pin) == false)
        #expect("\(bench.substitution(of: other))".contains(pin) == false)
    }

    @Test func aFailingWriteDoesNotSayWhatItWrote() async throws {
        let bench = try LedgerBench()
        try change(
            bench.path,
            "CREATE TRIGGER refusal BEFORE INSERT ON substitutions BEGIN SELECT raise(ABORT, 'refused'); END")
        let failover = try await bench.fail()
        let error = await #expect(throws: LedgerError.self) {
            try await bench.ledger.recordSubstitution(bench.substitution(of: failover), now: bench.start)
        }
        let shown = "\(error.map { "\($0)" } ?? "")\(String(reflecting: error))"
        #expect(shown.contains("refused"))
        #expect(!shown.contains("739146"))
    }
}
