import JSON
import Testing

@Suite(.timeLimit(.minutes(5)))
struct DeliveriesCommandTests {
    /// While the daemon, here the story's ledger, has the database.
    @Test func aScriptClaimsSendsAndAcknowledges() async throws {
        let story = try await Story(stay: Story.century)
        defer { story.end() }
        let listed = try await story.command.run("deliveries", "list", "--format", "json")
        #expect(listed.status == 0 && !listed.output.contains("739146"))
        let claim = try await story.command.run("deliveries", "claim", "--json")
        #expect(claim.status == 0)
        let message = try JSONValue(parsing: Array(claim.output.utf8))
        // A contract, as for the webhook and the command.
        #expect(message.names == ["data", "id", "timestamp", "type"])
        #expect(
            message["data"]?.names == [
                "backup_access_code_id", "backup_code", "backup_ends_at", "backup_starts_at", "custom_metadata",
                "device_id", "device_name", "message", "original_access_code_id", "original_ends_at", "original_name",
                "original_starts_at", "substitution_id", "time_zone",
            ])
        #expect(message["type"]?.string == "substitution.created")
        #expect(message["data"]?["backup_code"]?.string == "739146")
        #expect(message["data"]?["message"]?.string?.contains("739146") == true)
        // Somebody has it: there is no other.
        let none = try await story.command.run("deliveries", "claim", "--json")
        #expect(none.status == 1 && none.output.isEmpty)
        let id = try #require(message["id"]?.string)
        #expect(try await story.command.run("deliveries", "ack", id).status == 0)
        #expect(try await story.command.run("deliveries", "ack", id).status == 0)
        #expect(try await story.command.run("deliveries", "ack", "dlv_unknown").status == 1)
        #expect(try await story.command.run("deliveries", "retry", id).status == 1)
        let delivered = try await story.command.run("deliveries", "list", "--state", "delivered", "--format", "json")
        #expect(try JSONValue(parsing: Array(delivered.output.utf8)).array?.first?["delivery_id"]?.string == id)
    }

    @Test func aPersonReadsWhatToSay() async throws {
        let story = try await Story(stay: Story.century)
        defer { story.end() }
        let claim = try await story.command.run("deliveries", "claim")
        #expect(claim.status == 0)
        #expect(claim.output.contains("PIN: 739146\n") && claim.output.contains("guest code: =Ada\\u{1B}[31m\n"))
        #expect(claim.diagnostics.contains("sparekey deliveries ack dlv_"))
    }

    @Test func aBadTemplateIsAConfigurationError() async throws {
        var command = try Command()
        defer { command.remove() }
        command.environment["SPAREKEY_DELIVERY_MESSAGE"] = "Use {code}"
        let claim = try await command.run("deliveries", "claim")
        #expect(claim.status == 78 && claim.diagnostics.contains("`{code}` is no value"))
    }

    @Test func retentionIsAppliedNow() async throws {
        let story = try await Story()
        defer { story.end() }
        let purge = try await story.command.run("purge")
        #expect(purge.status == 0, "\(purge.diagnostics)")
        #expect(purge.output == "PINs removed: 0\nevents masked: 0\nevent bodies removed: 0\n")
    }
}
