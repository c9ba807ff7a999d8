import ChildProcess
import Foundation
import JSON
import Ledger
import Policy
import Testing
import Time

@Suite(.timeLimit(.minutes(5))) struct LogCommandTests {
    private func rows(_ text: String) throws -> [JSONValue] {
        try #require(try JSONValue(parsing: Array(text.utf8)).array)
    }

    private func codes(_ result: Command.Result) throws -> [String] {
        #expect(result.status == 0)
        return try rows(result.output).compactMap { $0["access_code_id"]?.string }.sorted()
    }

    @Test func theTableIsForPeople() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("log")
        #expect(result.status == 0)
        #expect(result.diagnostics == "")
        let lines = result.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("OPENED "))
        let told = try #require(lines.first { $0.contains("guest-told") })
        #expect(told.contains("2026-11-20 16:20:02  substituted  pulled"))
        #expect(told.contains("••••"))
        #expect(!result.output.contains("\u{1B}"))
        #expect(!result.output.contains("739146"))
        #expect(lines.allSatisfy { $0.count <= 120 })
    }

    @Test(arguments: [40, 80, 200])
    func theTableFitsTheTerminal(columns: Int) async throws {
        let story = try await Story()
        defer { story.end() }
        var command = story.command
        command.environment["COLUMNS"] = String(columns)
        let result = try await command.run("log")
        #expect(result.output.split(separator: "\n").allSatisfy { $0.count <= max(columns, 48) })
        #expect(result.output.contains("DEVICE") == (columns == 200))
    }

    @Test func jsonHasTheContractsNames() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("log", "--format", "json")
        #expect(result.status == 0)
        let rows = try rows(result.output)
        #expect(rows.count == 3)
        let told = try #require(rows.first { $0["access_code_id"] == "guest-told" })
        #expect(told["state"] == "substituted")
        #expect(told["original_name"] == "=Ada\u{1B}[31m")
        #expect(told["backup_code"] == "••••")
        #expect(told["substitution_state"] == "active")
        #expect(told["delivery_state"] == "pending")
        #expect(rows.allSatisfy { $0.members?.count == FailoverLogPage.columns.count })
    }

    @Test func timesAreThoseOfTheLocalClock() async throws {
        let story = try await Story()
        defer { story.end() }
        var command = story.command
        command.environment["TZ"] = "Asia/Tokyo"
        #expect(try await command.run("log").output.contains("2026-11-21 01:20:02  substituted"))
        #expect(try await command.run("log", "--utc").output.contains("2026-11-20 16:20:02Z  substituted"))
        #expect(
            try await command.run("explain", "guest-told").output.contains("2026-11-21 01:20:02.400  failover.opened"))
        #expect(try await command.run("log", "--format", "json").output.contains("\"2026-11-20T16:20:02.400Z\""))
        // A time without an offset is read off the clock that the tables are.
        let since = ["--since", "2026-11-21 01:20:30", "--format", "json"]
        #expect(try codes(try await command.run(["log"] + since)) == ["guest-new"])
        #expect(try codes(try await command.run(["log", "--utc"] + since)) == [])
        // Twenty minutes before and after 16:00 in UTC, and the other way round in Tokyo.
        let range = ["--since", "2026-11-20T15:40", "--until", "2026-11-20T16:20Z"]
        #expect(try await command.run(["log", "--utc"] + range).status == 0)
        let turned = ["--since", "2026-11-20T16:40", "--until", "2026-11-20T16:20Z"]
        #expect(try await command.run(["log", "--utc"] + turned).status == 64)
        #expect(try await command.run(["log"] + turned).status == 0)
    }

    @Test func csvIsForSpreadsheets() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("log", "--format=csv")
        #expect(result.status == 0)
        #expect(result.output.hasPrefix(FailoverLogPage.columns.joined(separator: ",") + "\r\n"))
        #expect(result.output.contains(",'=Ada\u{1B}[31m,"))
    }

    @Test func pinsAreShownWhereAskedFor() async throws {
        let story = try await Story()
        defer { story.end() }
        for format in ["table", "json", "csv"] {
            let masked = try await story.command.run("log", "--format", format)
            #expect(!masked.output.contains("739146"))
            let shown = try await story.command.run("log", "--show-pins", "--format", format)
            #expect(shown.output.contains("739146"))
        }
    }

    @Test func theFiltersNarrow() async throws {
        let story = try await Story()
        defer { story.end() }
        let command = story.command
        #expect(try codes(try await command.run("log", "--format", "json", "--state", "waiting")) == ["guest-waiting"])
        #expect(
            try codes(try await command.run("log", "--format", "json", "--device", "back-door")) == ["guest-waiting"])
        #expect(
            try codes(try await command.run("log", "--format", "json", "--since", "2026-11-20T16:20:30Z"))
                == ["guest-new"])
        #expect(
            try codes(
                try await command.run(
                    "log", "--format", "json", "--since", "2026-11-20", "--until", "2026-11-20T17:20:30+01:00"))
                == ["guest-told", "guest-waiting"])
        let none = try await command.run("log", "--device", "nowhere")
        #expect(none.status == 0)
        #expect(none.output == "")
        #expect(none.diagnostics == "No failover matches.\n")
    }

    @Test func itWorksAfterTheDaemonHasStopped() async throws {
        let story = try await Story()
        defer { story.command.remove() }
        story.ledger.close()
        #expect(try codes(try await story.command.run("log", "--format", "json")).count == 3)
    }

    @Test func followingPrintsWhatChanges() async throws {
        let story = try await Story()
        defer { story.end() }
        let output = story.command.folder + "/followed"
        let process = try story.command.start(
            ["log", "--follow", "--format", "json"], output: output, diagnostics: output + "-diagnostics")
        /// Reads until there are so many lines; the suite's time limit ends what never comes.
        func lines(_ count: Int) async throws -> [JSONValue] {
            while true {
                let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
                let lines = text.split(separator: "\n").map(String.init)
                if lines.count >= count, text.hasSuffix("\n") {
                    return try lines.map { try JSONValue(parsing: Array($0.utf8)) }
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        #expect(try await lines(3).count == 3)
        let failover = try #require(try await story.ledger.failover(accessCodeID: "guest-new"))
        try await story.wait(failover)
        let fourth = try await lines(4)[3]
        #expect(fourth["access_code_id"] == "guest-new")
        #expect(fourth["state"] == "waiting")
        // A journal entry that changes nothing of the row prints nothing; the next one that does is the next line.
        try await story.ledger.journal([JournalEntry("note", accessCodeID: "guest-new")], at: story.start)
        _ = try await story.fail("guest-latest")
        #expect(try await lines(5)[4]["access_code_id"] == "guest-latest")
        kill(process.processID, SIGTERM)
        #expect(await process.end() == -SIGTERM)
        #expect(try String(contentsOfFile: output + "-diagnostics", encoding: .utf8) == "")
    }

    @Test func followingEndsAtItsEnd() async throws {
        let story = try await Story()
        defer { story.end() }
        let result = try await story.command.run("log", "--follow", "--format", "csv", "--until", "2026-11-21")
        #expect(result.status == 0)
        #expect(result.output.split(separator: "\r\n").count == 4)
    }

    @Test(arguments: [
        ["log", "--state", "asleep"], ["log", "--format", "yaml"], ["log", "--since", "yesterday"], ["log", "extra"],
        ["log", "--since", "1h", "--until", "2h"], ["log", "--unknown"], ["explain"], ["explain", ""], ["nonsense"],
        ["failovers", "retry"], ["failovers", "cancel", ""], ["failovers", "cancel", "--state", "asleep"], ["backup"],
        ["backup", ""], ["webhook", "register", "--url", "http://hooks.example.com/"], ["webhook", "delete"],
        ["webhook", "register", "--secret-file", ""], ["deliveries", "ack"], ["deliveries", "list", "--state", "lost"],
        ["codes", "create", "--device", "d", "--name", "n"], ["check", "--format", "xml"], ["serve", "now"],
    ])
    func wrongUsageIs64(arguments: [String]) async throws {
        let command = try Command()
        defer { command.remove() }
        let output = command.folder + "/output"
        let process = try command.start(arguments, output: output, diagnostics: output + "-diagnostics")
        #expect(await process.end() == 64)
        #expect(try String(contentsOfFile: output, encoding: .utf8) == "")
        #expect(try String(contentsOfFile: output + "-diagnostics", encoding: .utf8).contains("Usage: sparekey"))
    }

    @Test func noDatabaseYetIsAFailureThatSaysWhatToDo() async throws {
        let command = try Command()
        defer { command.remove() }
        let result = try await command.run("log")
        #expect(result.status == 1)
        #expect(result.output == "")
        #expect(result.diagnostics.hasPrefix("sparekey: \(command.database): there is no database yet. "))
    }

    @Test func aConfigurationErrorIs78() async throws {
        var command = try Command()
        defer { command.remove() }
        command.environment["SPAREKEY_DATABASE_PATH"] = ""
        let result = try await command.run("log")
        #expect(result.status == 78)
        #expect(result.diagnostics.contains("SPAREKEY_DATABASE_PATH: database.path: is empty"))
    }
}
