import GRDB
import Policy
import Testing
import Time

@testable import Ledger

/// What the status page and the metrics are made of.
struct OverviewTests {
    private let folder: TemporaryFolder
    private let ledger: Ledger
    private let now: Timestamp

    init() throws {
        now = try #require(Timestamp("2026-11-20T12:00:00.000Z"))
        folder = try TemporaryFolder()
        ledger = try Ledger(path: folder.database, random: RandomSource())
    }

    private func add(_ sql: String) async throws { try await ledger.write { try $0.execute(sql: sql) } }

    private func addFailover(
        _ id: String, _ state: String, _ reason: String?, starts: String, ends: String = "2026-11-25T10:00:00.000Z",
        failed: String = "2026-11-20T11:30:00.000Z"
    ) async throws {
        let reason = reason.map { "'\($0)'" } ?? "NULL"
        try await add(
            """
            INSERT INTO failovers (failover_id, access_code_id, device_id, state, reason, failed_at, opened_at, original_name,
                original_starts_at, original_ends_at)
            VALUES ('f_\(id)', '\(id)', 'lock', '\(state)', \(reason), '\(failed)', '\(failed)', 'Guest \(id)', '\(starts)', '\(ends)')
            """)
    }

    private func addSubstitution(_ id: String, delivery: String, deliveredAt: String? = nil) async throws {
        try await addFailover(id, "substituted", "pulled", starts: "2026-11-20T20:00:00.000Z")
        try await add(
            """
            INSERT INTO substitutions (substitution_id, failover_id, original_access_code_id, device_id, backup_access_code_id,
                backup_code, recorded_at, updated_at)
            VALUES ('s_\(id)', 'f_\(id)', '\(id)', 'lock', 'b_\(id)', '1234', '2026-11-20T11:30:04.000Z', '2026-11-20T11:30:04.000Z');
            INSERT INTO deliveries (delivery_id, substitution_id, channel, kind, state, created_at, delivered_at)
            VALUES ('d_\(id)', 's_\(id)', 'webhook', 'created', '\(delivery)', '2026-11-20T11:30:04.000Z',
                \(deliveredAt.map { "'\($0)'" } ?? "NULL"))
            """)
    }

    private func addAlert(_ kind: String, subject: String) async throws {
        try await add(
            """
            INSERT INTO alerts (alert_id, kind, subject, text, opened_at)
            VALUES ('a_\(subject)', '\(kind)', '\(subject)', '-', '2026-11-20T11:31:00.000Z')
            """)
    }

    /// The first word of the code failed for good, the next one came through.
    @Test func whoWasToldByAnUpdateIsNotAtRisk() async throws {
        let bench = try LedgerBench()
        let plan = DeliveryPlan(order: [.webhook])
        _ = try await bench.substitute(channels: [.webhook])
        let created = try #require(
            try await bench.ledger.dueDeliveries(channel: .webhook, now: bench.start, limit: 1).first)
        try await bench.ledger.record(.failed(error: "http_410"), of: created, plan: plan, now: bench.start)
        #expect(try await bench.ledger.overview(now: bench.start).guests.map(\.trouble) == [.notTold(.failed)])
        let now = bench.start + .seconds(60)
        let due = try #require(try await bench.ledger.dueSubstitutions(now: now, limit: 1).first)
        try await bench.ledger.record(
            FollowStep(
                .updated(bench.backup(endsAt: bench.start + .seconds(190_000)), isNews: true), tells: .updated,
                channels: [.webhook]), of: due, now: now)
        let updated = try #require(
            try await bench.ledger.dueDeliveries(channel: .webhook, now: now, limit: 9).first { $0.kind == .updated })
        try await bench.ledger.record(.delivered, of: updated, plan: plan, now: now)
        #expect(try await bench.ledger.overview(now: now).guestCount == 0)
    }

    @Test func whoIsAtRiskComesInTheOrderOfArrival() async throws {
        try await addFailover("late", "waiting", "pool_empty", starts: "2026-11-22T10:00:00.000Z")
        try await addFailover("soon", "pending", nil, starts: "2026-11-20T13:00:00.000Z")
        try await addFailover("never", "ineligible", "unsupported_device", starts: "2026-11-21T10:00:00.000Z")
        try await addSubstitution("untold", delivery: "failed")
        try await addSubstitution("lost", delivery: "delivered")
        try await add("UPDATE substitutions SET state = 'revoked' WHERE substitution_id = 's_lost'")
        try await addAlert("backup_failed", subject: "b_lost")
        try await addSubstitution("broken", delivery: "delivered")
        try await addAlert("backup_failed", subject: "b_broken")
        // Safe, over, or nobody's concern.
        try await addFailover("cleaner", "ineligible", "not_time_bound", starts: "2026-11-20T13:00:00.000Z")
        try await addFailover("handled", "cancelled", "pool_empty", starts: "2026-11-20T13:00:00.000Z")
        try await addSubstitution("silenced", delivery: "failed")
        try await add("UPDATE deliveries SET last_error = 'cancelled' WHERE delivery_id = 'd_silenced'")
        for (id, change) in [
            ("cancelled", "state = 'revoked'"), ("leaving", "removal_requested_at = recorded_at"),
            ("recovered", "recovered_at = recorded_at"),
        ] {
            try await addSubstitution(id, delivery: "pending")
            try await add("UPDATE substitutions SET \(change) WHERE substitution_id = 's_\(id)'")
        }
        try await addAlert("backup_failed", subject: "b_recovered")
        try await addSubstitution("told", delivery: "delivered", deliveredAt: "2026-11-20T11:30:09.000Z")
        try await addFailover("well", "not_needed", "recovered", starts: "2026-11-20T13:00:00.000Z")
        try await addFailover("backup", "ineligible", "is_backup", starts: "2026-11-20T13:00:00.000Z")
        try await addFailover(
            "gone", "waiting", "pool_empty", starts: "2026-11-18T10:00:00.000Z", ends: "2026-11-19T10:00:00.000Z")
        let overview = try await ledger.overview(now: now)
        #expect(overview.guests.map(\.accessCodeID) == ["soon", "broken", "lost", "untold", "never", "late"])
        #expect(
            overview.guests.map(\.trouble) == [
                .noCode(state: .pending, reason: nil), .backupFailed, .backupGone, .notTold(.failed),
                .noCode(state: .ineligible, reason: "unsupported_device"),
                .noCode(state: .waiting, reason: "pool_empty"),
            ])
        let first = try await ledger.overview(now: now, guests: 1)
        #expect(first.guests.count == 1 && first.guestCount == 6)
        #expect(overview.failovers[.waiting] == 2)
        #expect(overview.waiting == ["pool_empty": 2])
        #expect(overview.oldestOpenFailoverAt == Timestamp("2026-11-20T11:30:00.000Z"))
        #expect(overview.deliveries[.webhook] == [.failed: 2, .delivered: 3, .pending: 3])
    }

    /// What was cancelled by mistake is told again.
    @Test func whoIsToldAfterAllIsAConcernAgain() async throws {
        func troubles() async throws -> [Overview.Guest.Trouble] {
            try await ledger.overview(now: now).guests.map(\.trouble)
        }
        try await addSubstitution("guest", delivery: "failed")
        try await add("UPDATE deliveries SET last_error = 'HTTP 410', attempts = 1")
        try await add(
            """
            INSERT INTO deliveries (delivery_id, substitution_id, channel, kind, state, created_at)
            VALUES ('d_manual', 's_guest', 'manual', 'created', 'pending', '2026-11-20T11:30:04.000Z')
            """)
        #expect(try await troubles() == [.notTold(.pending)])
        // The way that failed before does not make it a concern of anybody's but the operator's.
        try await add("UPDATE deliveries SET state = 'failed', last_error = 'cancelled' WHERE delivery_id = 'd_manual'")
        #expect(try await troubles() == [])
        #expect(try await ledger.retryDelivery("d_guest", now: now))
        #expect(try await troubles() == [.notTold(.pending)])
        let due = try #require(try await ledger.dueDeliveries(channel: .webhook, now: now, limit: 1).first)
        try await ledger.record(.failed(error: "HTTP 410"), of: due, plan: DeliveryPlan(order: [.webhook]), now: now)
        #expect(try await troubles() == [.notTold(.failed)])
        #expect(try await ledger.retryDelivery("d_manual", now: now))
        #expect(
            try await ledger.read {
                try String.fetchAll($0, sql: "SELECT last_error FROM deliveries WHERE last_error IS NOT NULL")
            } == ["HTTP 410"])
    }

    @Test func failuresAreCountedByHourForAWeek() async throws {
        try await addSubstitution("a", delivery: "pending")
        try await addFailover("b", "waiting", "pool_empty", starts: "2026-11-21T10:00:00.000Z")
        try await addFailover(
            "old", "expired", "pool_empty", starts: "2026-11-01T10:00:00.000Z", failed: "2026-11-01T10:00:00.000Z")
        let hours = try await ledger.overview(now: now).failuresByHour
        #expect(hours.keys.map(\.description) == ["2026-11-20T11:00:00.000Z"])
        #expect(hours.values.map(\.failed) == [2])
        #expect(hours.values.map(\.substituted) == [1])
    }

    @Test func durationsAreThoseBehindAnEntryOfTheJournal() async throws {
        try await addSubstitution("a", delivery: "delivered", deliveredAt: "2026-11-20T11:30:09.500Z")
        let start = try ledger.newestJournalEntry()
        #expect(start == 0)
        try await add(
            """
            INSERT INTO journal (at, kind, detail) VALUES
                ('2026-11-20T11:30:04.000Z', 'substitution.recorded', '{"substitution_id": "s_a"}'),
                ('2026-11-20T11:30:05.000Z', 'delivery.attempted', '{"delivery_id": "d_a", "state": "pending"}'),
                ('2026-11-20T11:30:09.500Z', 'delivery.attempted', '{"delivery_id": "d_a", "state": "delivered"}')
            """)
        #expect(try ledger.newestJournalEntry() == 3)
        let all = try await ledger.durations(after: start)
        #expect(all == Durations(toSubstitution: [4], toDelivery: [9.5], newestEntry: 3))
        #expect(try await ledger.durations(after: 1) == Durations(toDelivery: [9.5], newestEntry: 3))
        #expect(try await ledger.durations(after: 3) == Durations(newestEntry: 3))
    }

    @Test(arguments: [
        ("NULL, NULL, NULL, '[]', '[]'", Overview.Lock.Pool.unknown), ("0, 0, NULL, '[]', '[]'", .unsupported),
        ("1, 0, NULL, '[]', '[]'", .disabled), ("1, 1, NULL, '[]', '[]'", .well), ("1, 1, 0, '[]', '[]'", .empty),
        ("1, 1, 1, '[\"empty_backup_access_code_pool\"]', '[]'", .empty),
        ("1, 1, 1, '[]', '[\"partial_backup_access_code_pool\"]'", .partial),
    ])
    func aLocksPool(columns: String, pool: Overview.Lock.Pool) async throws {
        try await add(
            """
            INSERT INTO devices (device_id, custom_metadata, read_at, supports_backup_access_code_pool,
                backup_access_code_pool_enabled, backup_available, error_codes, warning_codes)
            VALUES ('lock', '{}', '2026-11-20T11:00:00.000Z', \(columns))
            """)
        #expect(try await ledger.overview(now: now).locks.map(\.pool) == [pool])
    }
}
