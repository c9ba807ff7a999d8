import Policy
import Sandbox
import Settings
import Testing

/// Backups that somebody else pulled: Seam's own automation, another program, a person.
@Suite(.timeLimit(.minutes(10)))
struct AdoptionTests {
    @Test func pullEventAloneIsEnough() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            try await house.pullAsSomebodyElse(code)
            try await house.expectSubstituted(code, .adopted)
            #expect(house.model.counters.pulls[code] == 1, "only somebody else's")
            #expect(house.model.events.allSatisfy { $0.type != DecisionTableTests.failure })
        }
    }

    @Test func eventOfOurOwnPullChangesNothing() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code, .pulled)
            try await eventually("the pull's own event is settled") {
                try house.count(
                    "webhook_events WHERE event_type = 'access_code.backup_access_code_pulled' AND disposition <> 'pending'"
                ) == 1
            }
            try await house.expectSubstituted(code, .pulled)
            #expect(house.model.counters.pulls[code] == 1)
            #expect(try house.count("deliveries WHERE kind = 'created'") == 1)
        }
    }

    @Test func adoptedBackupWithoutItsPINIsWaitedFor() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(.nullCode(reads: 3), route: APIAnswerTests.pull))
            try await house.pullAsSomebodyElse(code)
            try await house.expectSubstituted(code, .adopted)
            #expect(try house.decisions(on: code).first == "waiting code_pending")
        }
    }

    @Test func backupThatCannotBeReadIsReadAgain() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            try await house.pullAsSomebodyElse(code)
            let backup = try #require(house.model.code(code)?.pulledBackupID)
            house.model.addFault(
                SandboxFault(
                    .empty(status: 503, retryAfter: nil), route: APIAnswerTests.get, count: 2, accessCodeID: backup))
            house.model.isWebhookSenderPaused = false
            try await house.expectSubstituted(code, .adopted)
            #expect(try house.decisions(on: code).first == "waiting seam_unavailable")
        }
    }
}
