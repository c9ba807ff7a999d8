import Foundation
import HTTPClient
import Policy
import Sandbox
import Settings
import Testing

/// Events come late, twice and out of order; what Seam says of the code counts.
@Suite(.timeLimit(.minutes(10)))
struct OrderTests {
    private static let failed = "access_code.failed_to_set_on_device"
    private static let set = "access_code.set_on_device"
    private static let removed = "access_code.removed_from_device"
    private static let deleted = "access_code.deleted"
    private static let delayed = "access_code.delay_in_setting_on_device"
    private static let pulled = "access_code.backup_access_code_pulled"

    /// Posts one event of each type in this order, each twice, the second time right away or after all others.
    private func tell(_ types: [String], of code: String, on lock: String, _ house: House) async throws {
        let messages = types.map { HandMade($0, of: code, on: lock) }
        for message in messages {
            #expect(try await house.post(message).status == 204)
            #expect(try await house.post(message).status == 204)
        }
        for message in messages {
            var again = message
            again.id += "_again"
            #expect(try await house.post(again).status == 204)
        }
        try await house.expectInboxDone(types.count * 2)
    }

    @Test(arguments: [
        [failed, set], [set, failed], [failed, delayed, set], [delayed, set, failed], [set, failed, failed, delayed],
    ])
    func codeThatIsSetInTheEnd(types: [String]) async throws {
        try await House.with { house in
            house.model.isWebhookSenderPaused = true
            let lock = house.lock()
            let code = house.happyGuest(on: lock)
            try await tell(types, of: code, on: lock, house)
            try await house.expect(code, .notNeeded, "recovered")
            #expect(house.model.counters.pulls.isEmpty)
        }
    }

    @Test(arguments: [
        [failed, removed, deleted], [deleted, removed, failed], [removed, failed, deleted], [deleted, failed, set],
    ])
    func codeThatIsGoneInTheEnd(types: [String]) async throws {
        try await House.with { house in
            house.model.isWebhookSenderPaused = true
            let lock = house.lock()
            let code = house.happyGuest(on: lock)
            house.model.deleteCode(code)
            try await eventually("the code is gone") { house.model.code(code) == nil }
            try await tell(types, of: code, on: lock, house)
            try await house.expect(code, .notNeeded, "code_deleted")
            #expect(house.model.counters.pulls.isEmpty)
        }
    }

    @Test(arguments: [
        [failed], [delayed, failed], [failed, delayed], [failed, set], [set, failed], [removed, failed],
        [failed, removed],
        [failed, failed, failed], [deleted, failed, set, delayed],
    ])
    func codeThatIsBrokenInTheEnd(types: [String]) async throws {
        try await House.with { house in
            house.model.isWebhookSenderPaused = true
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.failCode(code)
            try await tell(types, of: code, on: lock, house)
            try await house.expectSubstituted(code, .pulled)
            #expect(house.model.counters.pulls[code] == 1)
            #expect(try house.count("deliveries WHERE kind = 'created'") == 1)
        }
    }

    @Test(arguments: [[failed, pulled], [pulled, failed], [pulled], [set, pulled, failed, pulled]])
    func codeThatIsReplacedInTheEnd(types: [String]) async throws {
        try await House.with { house in
            house.model.isWebhookSenderPaused = true
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.failCode(code)
            try await house.pullAsSomebodyElse(code)
            try await tell(types, of: code, on: lock, house)
            try await house.expectSubstituted(code, .adopted)
            #expect(house.model.counters.pulls[code] == 1, "only somebody else's")
        }
    }

    @Test func laterFailureOpensTheFailoverAgain() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            house.model.recoverCode(code)
            house.model.isWebhookSenderPaused = false
            let first = try await house.expect(code, .notNeeded, "recovered")
            house.model.failCode(code)
            try await house.expectSubstituted(code, .pulled)
            let second = try #require(try house.failover(of: code))
            #expect(second["failover_id"] == first["failover_id"])
            #expect(second["event_id"] != first["event_id"])
            #expect(try house.count("failovers") == 1)
        }
    }

    @Test func failureAfterSubstitutionPullsNoSecondBackup() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.failCode(code)
            try await house.expectSubstituted(code, .pulled)
            let again = HandMade.failure(of: code, on: lock)
            #expect(try await house.post(again).status == 204)
            try await eventually("it is settled") { try house.disposition(svixID: again.id) == "handled" }
            try await house.expectSubstituted(code, .pulled)
            #expect(house.model.counters.pulls[code] == 1)
        }
    }
}
