import Foundation
import JSON
import Testing

@Suite(.timeLimit(.minutes(5))) struct ExplainCommandTests {
    @Test func theStoryOfACodeIsToldInOrder() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("explain", "guest-told")
        #expect(result.status == 0)
        #expect(result.diagnostics == "")
        #expect(result.output.contains("Access code   guest-told, =Ada\\u{1B}[31m"))
        #expect(result.output.contains("substituted, pulled (we asked for the backup)"))
        #expect(result.output.contains("PIN ••••"))
        let kinds = ["event.received", "failover.opened", "decision", "substitution.recorded", "delivery.created"]
        let places = kinds.compactMap { result.output.range(of: "  \($0)  ")?.lowerBound }
        #expect(places.count == kinds.count)
        #expect(places == places.sorted())
        #expect(!result.output.contains("739146"))
        #expect(!result.output.contains("guest-waiting"))
    }

    @Test func anyOfItsIDsWill() async throws {
        let story = try await Story()
        defer { story.end() }
        let first = try await story.command.run("explain", "guest-told").output
        for id in ["backup", "event-guest-told", "msg_guest-told"] {
            #expect(try await story.command.run("explain", id).output == first)
        }
    }

    @Test func jsonIsTheTimeline() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("explain", "guest-told", "--format", "json")
        let entries = try #require(try JSONValue(parsing: Array(result.output.utf8)).array)
        #expect(entries.count == 5)
        #expect(entries[0]["kind"] == "event.received")
        #expect(entries[0]["detail"]?["event_id"] == "event-guest-told")
        #expect(entries.compactMap { $0["backup_code"]?.string } == ["••••"])
        let shown = try await story.command.run("explain", "guest-told", "--format", "json", "--show-pins")
        #expect(shown.output.contains("739146"))
        let csv = try await story.command.run("explain", "guest-told", "--format", "csv")
        #expect(csv.output.hasPrefix("at,kind,reason,access_code_id,device_id,backup_code,detail\r\n"))
    }

    @Test func anUnknownIDIsAFailure() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("explain", "nobody\u{1B}[2J")
        #expect(result.status == 1)
        #expect(result.output == "")
        #expect(result.diagnostics.hasPrefix("sparekey: nothing is known of nobody\\u{1B}[2J."))
    }
}
