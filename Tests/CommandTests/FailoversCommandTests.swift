import JSON
import Ledger
import Policy
import Testing

/// While the daemon, here the story's ledger, has the database.
@Suite(.timeLimit(.minutes(5))) struct FailoversCommandTests {
    private func rows(_ result: Command.Result) throws -> [JSONValue] {
        try #require(try JSONValue(parsing: Array(result.output.utf8)).array, "\(result.diagnostics)")
    }

    private func codes(_ result: Command.Result) throws -> [String] {
        try rows(result).compactMap { $0["access_code_id"]?.string }
    }

    @Test func theListNarrows() async throws {
        let story = try await Story()
        defer { story.end() }
        let list = ["failovers", "list", "--format", "json"]
        #expect(try codes(try await story.command.run(list)).count == 3)
        #expect(try codes(try await story.command.run(list + ["--open"])) == ["guest-waiting", "guest-new"])
        #expect(try codes(try await story.command.run(list + ["--reason", "pool_empty"])) == ["guest-waiting"])
        #expect(try codes(try await story.command.run(list + ["--open", "--device", "front-door"])) == ["guest-new"])
        #expect(try await story.command.run("failovers", "list").output.contains("fo_"))
    }

    @Test func aRetryIsDueNow() async throws {
        let story = try await Story()
        defer { story.end() }
        let before = try #require(try await story.ledger.failover(accessCodeID: "guest-waiting"))
        let trial = try await story.command.run("failovers", "retry", "guest-waiting", "--dry-run")
        #expect(trial.status == 0 && trial.output.contains("retried"))
        #expect(trial.diagnostics == "Nothing was changed (--dry-run).\n")
        #expect(try await story.ledger.failover(accessCodeID: "guest-waiting") == before)

        #expect(try await story.command.run("failovers", "retry", before.id).status == 0)
        let after = try #require(try await story.ledger.failover(accessCodeID: "guest-waiting"))
        // A look that is under way must not end it: it is asked for anew.
        #expect(after.touches == before.touches + 1 && after.state == .waiting)
        #expect(try #require(after.nextAttemptAt) > story.start)
        #expect(try await story.command.run("explain", before.id).output.contains("failover.retried"))
    }

    @Test func aCancelledOneIsLeftAloneUntilItIsRetried() async throws {
        let story = try await Story()
        defer { story.end() }
        let cancelled = try await story.command.run("failovers", "cancel", "--reason", "pool_empty", "--format", "json")
        #expect(try rows(cancelled).map { $0["action"]?.string } == ["cancelled"])
        let closed = try #require(try await story.ledger.failover(accessCodeID: "guest-waiting"))
        #expect(closed.state == .cancelled && closed.nextAttemptAt == nil)
        // What a look that began before comes to, does not open it again.
        try await story.wait(closed)
        #expect(try await story.ledger.failover(accessCodeID: "guest-waiting")?.state == .cancelled)
        let again = try await story.command.run("failovers", "cancel", "guest-waiting")
        #expect(again.status == 1 && again.output.contains("It is closed already."))
        // A filter alone means what is open.
        #expect(
            try await story.command.run("failovers", "retry", "--device", "back-door").diagnostics
                == "No failover matches.\n")
        let reopened = try await story.command.run("failovers", "retry", "--state", "cancelled", "--format", "json")
        #expect(try rows(reopened).map { $0["action"]?.string } == ["reopened"])
        #expect(try await story.ledger.failover(accessCodeID: "guest-waiting")?.state == .pending)
    }

    @Test func aCodeThatWasPulledStaysAndIsNotToldAnyMore() async throws {
        let story = try await Story()
        defer { story.end() }
        let cancelled = try await story.command.run("failovers", "cancel", "guest-told")
        #expect(cancelled.status == 0 && cancelled.output.contains("silenced"))
        let told = cancelled.output.replacing("\n  ", with: " ")
        #expect(
            told.contains(
                "The backup code backup stays on the lock until 2026-11-21 17:20:02; nobody is told of it."))
        #expect(try await story.ledger.failover(accessCodeID: "guest-told")?.state == .substituted)
        let deliveries = try rows(try await story.command.run("deliveries", "list", "--format", "json"))
        #expect(
            deliveries.map { $0["state"]?.string } == ["failed"]
                && deliveries.map { $0["last_error"]?.string } == ["cancelled"])
        #expect(try await story.command.run("deliveries", "claim").status == 1)
        // There is nothing left to stop.
        let again = try await story.command.run("failovers", "cancel", "guest-told")
        #expect(again.status == 1 && again.output.contains("none"))
        #expect(try await story.command.run("failovers", "retry", "guest-told").status == 1)
    }

    @Test func whatWasHandedOutIsSaid() async throws {
        let story = try await Story(stay: Story.century)
        defer { story.end() }
        _ = try await story.command.run("deliveries", "claim")
        let cancelled = try await story.command.run("failovers", "cancel", "guest-told", "--format", "json")
        let note = try #require(try rows(cancelled).first?["note"]?.string)
        #expect(note.contains("somebody has claimed the delivery and may have told the guest"))
    }

    @Test func oneUnknownIDAndNothingIsDone() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("failovers", "cancel", "guest-new", "nobody")
        #expect(result.status == 1 && result.output.isEmpty)
        #expect(result.diagnostics.contains("there is no failover of nobody"))
        #expect(try await story.ledger.failover(accessCodeID: "guest-new")?.state == .pending)
    }
}
