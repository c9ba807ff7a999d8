import Foundation
import JSON
import Ledger
import Policy
import Testing

/// What holds for every command, found by walking the program's own description of itself.
@Suite(.timeLimit(.minutes(5))) struct EveryCommandTests {
    /// The commands by their words, `["failovers", "retry"]`, with the names of their options.
    private static func commands(_ command: Command) async throws -> [(
        path: [String], options: Set<String>, isLeaf: Bool
    )] {
        let dump = try await command.run("--experimental-dump-help")
        let root = try #require(try JSONValue(parsing: Array(dump.output.utf8))["command"])
        func walk(_ node: JSONValue, _ path: [String]) -> [(path: [String], options: Set<String>, isLeaf: Bool)] {
            let children = (node["subcommands"]?.array ?? []).filter { $0["commandName"] != "help" }
            let options = (node["arguments"]?.array ?? []).flatMap { $0["names"]?.array ?? [] }.compactMap {
                $0["name"]?.string
            }
            return [(path, Set(options), children.isEmpty)]
                + children.flatMap { walk($0, path + [$0["commandName"]?.string ?? ""]) }
        }
        return walk(root, [])
    }

    @Test func helpVersionAndWrongUsage() async throws {
        let command = try Command()
        defer { command.remove() }
        let commands = try await Self.commands(command)
        #expect(commands.count >= 24)
        let version = try await command.run("--version").output
        #expect(version.contains("."))
        for (path, options, isLeaf) in commands {
            let help = try await command.run(path + ["--help"])
            #expect(help.status == 0 && help.diagnostics.isEmpty, "\(path)")
            #expect(help.output.contains("USAGE: sparekey \(path.joined(separator: " "))"), "\(path)")
            let shown = try await command.run(path + ["--version"])
            #expect(shown.status == 0 && shown.output == version, "\(path)")
            let wrong = try await command.run(path + ["--no-such-option"])
            #expect(wrong.status == 64 && wrong.output.isEmpty, "\(path): \(wrong.status)")
            #expect(wrong.diagnostics.contains("Usage: sparekey"), "\(path)")
            guard isLeaf else { continue }
            #expect(options.contains("config") || path == ["sandbox"], "\(path) takes no --config")
            if path.last == "list" || ["log", "devices"].contains(path.last) {
                #expect(options.isSuperset(of: ["format", "utc"]), "\(path)")
            }
        }
    }

    /// The names are a contract: whoever changes one breaks somebody's script.
    @Test(arguments: [
        (
            ["log"],
            "failover_id access_code_id device_id event_id failed_at state reason attempts next_attempt_at opened_at closed_at original_name original_starts_at original_ends_at last_error_type last_request_id substitution_id backup_access_code_id backup_code backup_starts_at backup_ends_at substitution_state recorded_at delivery_state delivered_at"
        ),
        (
            ["failovers", "list"],
            "failover_id access_code_id device_id event_id failed_at state reason attempts next_attempt_at opened_at closed_at original_name original_starts_at original_ends_at last_error_type last_request_id substitution_id backup_access_code_id backup_code backup_starts_at backup_ends_at substitution_state recorded_at delivery_state delivered_at"
        ),
        (
            ["failovers", "retry", "--all", "--dry-run"],
            "failover_id access_code_id device_id original_name original_starts_at original_ends_at state reason action stopped_deliveries backup_access_code_id backup_ends_at note"
        ),
        (
            ["deliveries", "list"],
            "delivery_id substitution_id channel kind state attempts created_at next_attempt_at claimed_until delivered_at last_error original_access_code_id original_name original_starts_at device_id backup_access_code_id backup_code backup_starts_at backup_ends_at alert_id alert"
        ),
        (["explain", "guest-told"], "at kind reason access_code_id device_id backup_code detail"),
    ])
    func jsonAndCSVHaveTheNamesOfTheContract(arguments: [String], names: String) async throws {
        let story = try await Story()
        defer { story.end() }
        let json = try await story.command.run(arguments + ["--format", "json"])
        #expect(json.status == 0, "\(json.diagnostics)")
        let rows = try #require(try JSONValue(parsing: Array(json.output.utf8)).array)
        #expect(!rows.isEmpty)
        for row in rows {
            #expect(Set((row.members ?? []).map(\.key)) == Set(names.split(separator: " ").map(String.init)))
        }
        let csv = try await story.command.run(arguments + ["--format", "csv"])
        #expect(csv.output.prefix { $0 != "\r\n" } == names.replacing(" ", with: ",")[...])
        for text in [json.output, csv.output] { #expect(!text.contains("739146")) }
    }

    /// Truth values are true and false, lists are lists, and what is not known is null.
    @Test func aLockInJSON() async throws {
        let story = try await Story()
        defer { story.end() }
        try await story.ledger.keep(
            Device(
                id: "front-door", name: "Front door", timeZone: "Europe/Vienna", supportsBackupPool: true,
                isBackupPoolEnabled: false, errorCodes: ["hub_disconnected"]), now: story.start)
        let result = try await story.command.run("devices", "--format", "json")
        let rows = try #require(try JSONValue(parsing: Array(result.output.utf8)).array, "\(result.diagnostics)")
        let expected: [(String, JSONValue)] = [
            ("device_id", "front-door"), ("name", "Front door"), ("online", nil),
            ("supports_backup_access_code_pool", true), ("backup_access_code_pool_enabled", false),
            ("is_backup_access_code_available", nil), ("backups_in_use", 1), ("failovers_open", 1),
            ("error_codes", ["hub_disconnected"]), ("warning_codes", []), ("next_arrival_at", nil),
            ("time_zone", "Europe/Vienna"), ("read_at", "2026-11-20T16:20:02.400Z"), ("codes_read_at", nil),
        ]
        let row = try #require(rows.count == 1 ? rows.first : nil)
        #expect(row.names == expected.map(\.0).sorted())
        for (name, value) in expected { #expect((row[name] ?? .null) == value, "\(name)") }
        let csv = try await story.command.run("devices", "--format", "csv")
        #expect(csv.output.prefix { $0 != "\r\n" } == expected.map(\.0).joined(separator: ",")[...])
    }
}
