import Policy
import Sandbox
import Settings
import Testing
import Time

/// Each row of the decision table, in its order.
@Suite(.timeLimit(.minutes(10)))
struct DecisionTableTests {
    static let failure = "access_code.failed_to_set_on_device"

    @Test func codeThatIsGoneNeedsNothing() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.happyGuest(on: lock)
            house.model.deleteCode(code)
            try await eventually("the code is gone") { house.model.code(code) == nil }
            house.tell(Self.failure, of: code, on: lock)
            try await house.expect(code, .notNeeded, "code_deleted")
            #expect(try house.alerts(of: code).isEmpty)
        }
    }

    @Test func backupThatFailsIsNotReplaced() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            let substitution = try await house.expectSubstituted(code)
            let backup = try #require(substitution["backup_access_code_id"])
            house.model.failCode(backup)
            try await house.expect(backup, .ineligible, "is_backup")
            #expect(try house.alerts(of: backup) == ["backup_failed open"])
            #expect(house.model.counters.pulls.count == 1)
        }
    }

    @Test func stayThatEndedIsTooLate() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.happyGuest(on: lock)
            house.model.breakRemoval(of: code)
            house.model.expireCode(code)
            house.tell(Self.failure, of: code, on: lock)
            try await house.expect(code, .ineligible, "already_ended")
            #expect(house.model.counters.pulls.isEmpty)
        }
    }

    @Test func stayThatEndsWhileWaitingExpires() async throws {
        try await House.with { house in
            let lock = house.lock()
            house.model.emptyPool(of: lock, refills: false)
            let code = house.guest(on: lock, to: .seconds(7200))
            house.model.failCode(code)
            try await house.expect(code, .waiting, "pool_empty")
            house.clock.move(by: .seconds(7300))
            let ended = try await house.expect(code, .expired, "pool_empty")
            #expect(ended["closed_at"] != nil)
            #expect(ended["next_attempt_at"] == nil)
        }
    }

    @Test func stayThatEndsDuringAnOutageExpires() async throws {
        try await House.with { house in
            let lock = house.lock()
            house.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), count: nil))
            let code = house.guest(on: lock, to: .seconds(7200))
            house.model.failCode(code)
            try await house.expect(code, .waiting, "seam_unavailable")
            house.model.clearFaults()
            house.model.addFault(
                SandboxFault(
                    .empty(status: 503, retryAfter: nil), route: "/access_codes/pull_backup_access_code", count: nil))
            try await eventually("the stay is known") { try house.failover(of: code)?["original_ends_at"] != nil }
            house.clock.move(by: .seconds(7300))
            try await house.expect(code, .expired, "seam_unavailable")
        }
    }

    @Test func ongoingCodeHasNoBackup() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.model.createCode(SandboxCodeSpecification(deviceID: lock, name: "Cleaner"))
            house.model.failCode(code)
            try await house.expect(code, .ineligible, "not_time_bound")
            #expect(house.model.counters.pulls.isEmpty)
        }
    }

    @Test func backupPulledBeforeIsAdopted() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            try await house.pullAsSomebodyElse(code)
            house.model.isWebhookSenderPaused = false
            try await house.expectSubstituted(code, .adopted)
            #expect(house.model.counters.pulls[code] == 1, "only somebody else's")
            #expect(house.model.counters.backupsPulled == 1)
        }
    }

    @Test func codeThatRecoveredNeedsNothing() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            house.model.recoverCode(code)
            house.model.isWebhookSenderPaused = false
            try await house.expect(code, .notNeeded, "recovered")
            #expect(house.model.counters.pulls.isEmpty)
        }
    }

    @Test func stayFarAheadWaitsForItsLeadTime() async throws {
        try await House.with(settings: { $0.failover.leadTime = .seconds(36 * 3600) }) { house in
            let lock = house.lock()
            let code = house.guest(on: lock, from: .seconds(10 * 86_400), to: .seconds(12 * 86_400))
            let startsAt = try #require(house.model.code(code)?.startsAt)
            house.model.failCode(code)
            let waiting = try await house.expect(code, .waiting, "lead_time")
            #expect(waiting["next_attempt_at"] == (startsAt - .seconds(36 * 3600)).description)
            #expect(house.model.counters.pulls.isEmpty)
            house.clock.move(by: .seconds(8 * 86_400 + 13 * 3600))
            try await house.expectSubstituted(code)
        }
    }

    @Test func lockWithoutPoolsIsReported() async throws {
        try await House.with { house in
            let lock = house.lock { $0.supportsBackupPool = false }
            let code = house.guest(on: lock)
            house.model.failCode(code)
            try await house.expect(code, .ineligible, "unsupported_device")
            #expect(try house.alerts(of: code) == ["unsupported_device open"])
            #expect(house.model.counters.pulls.isEmpty)
        }
    }

    @Test func emptyPoolIsWaitedFor() async throws {
        try await House.with { house in
            let lock = house.lock()
            house.model.emptyPool(of: lock, refills: false)
            let code = house.guest(on: lock)
            house.model.failCode(code)
            try await house.expect(code, .waiting, "pool_empty")
            #expect(house.model.counters.pulls.isEmpty)
            #expect(try house.alerts(on: lock) == ["pool_empty open"])
            let waiting = try await house.admin("GET", "/metrics").text
            #expect(waiting.contains("sparekey_failovers{state=\"waiting\"} 1"))
            #expect(waiting.contains("sparekey_alerts_open{alert=\"pool_empty\"} 1"))
            house.model.refillPool(of: lock)
            try await house.expectSubstituted(code)
            let helped = try await house.admin("GET", "/metrics").text
            #expect(helped.contains("sparekey_failovers{state=\"waiting\"} 0"), "an empty state keeps no old number")
            #expect(helped.contains("sparekey_alerts_open{alert=\"pool_empty\"} 0"))
            #expect(try house.alerts(on: lock) == ["pool_empty"], "one alert however often it is looked at")
        }
    }

    @Test(arguments: ["access_code.failed_to_set_on_device", "access_code.failed_to_issue"])
    func codeThatFailedIsReplaced(eventType: String) async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.failCode(code, SandboxFailure(eventType: eventType, errorCodes: ["failed_to_set_on_device"]))
            let entry = try await house.expectSubstituted(code)
            #expect(house.model.counters.backupsPulled == 1)
            let event = try #require(house.model.events.first { $0.type == eventType })
            #expect(entry["failure_event_id"] == event.id)
            #expect(entry["original_ends_at"] == house.model.code(code)?.endsAt?.description)
            #expect(entry["backup_ends_at"] == house.model.code(code)?.endsAt?.description)
            #expect(try house.alerts(of: code).isEmpty)
        }
    }
}
