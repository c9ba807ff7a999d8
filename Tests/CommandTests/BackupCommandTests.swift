import Foundation
import JSON
import Ledger
import Policy
import Testing

@Suite(.timeLimit(.minutes(5))) struct BackupCommandTests {
    @Test func theCopyIsAWholeDatabase() async throws {
        let story = try await Story()
        defer { story.end() }
        let file = story.command.folder + "/copy.db"
        // While the daemon, here the story's ledger, has the database and what it wrote is in the WAL.
        let result = try await story.command.run("backup", file, "--json")
        #expect(result.status == 0, "\(result.diagnostics)")
        let report = try JSONValue(parsing: Array(result.output.utf8))
        #expect(report.names == ["bytes", "failovers", "file", "integrity", "substitutions", "webhook_events"])
        #expect(report["integrity"] == "ok" && report["failovers"] == 3 && report["substitutions"] == 1)
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: story.command.folder).filter { $0.hasPrefix("copy") }
                == ["copy.db"])

        // It is read alone, and a daemon starts on it.
        var other = story.command
        other.environment["SPAREKEY_DATABASE_PATH"] = file
        #expect(try await other.run("log", "--show-pins").output.contains("739146"))
        let restored = try Ledger(path: file)
        _ = try await story.fail("guest-later")
        #expect(try await restored.failover(accessCodeID: "guest-told")?.state == .substituted)
        #expect(try await restored.failover(accessCodeID: "guest-later") == nil)
        restored.close()
    }

    @Test func nothingIsOverwrittenUnasked() async throws {
        let story = try await Story()
        defer { story.end() }
        let file = story.command.folder + "/precious"
        try Data("precious".utf8).write(to: URL(fileURLWithPath: file))
        let refused = try await story.command.run("backup", file)
        #expect(refused.status == 1 && refused.output.isEmpty && refused.diagnostics.contains("is there already"))
        #expect(try String(contentsOfFile: file, encoding: .utf8) == "precious")
        #expect(try await story.command.run("backup", file, "--overwrite").status == 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)).starts(with: Data("SQLite format 3".utf8)))
        let log = try await story.command.run("log", "--format", "json")
        let own = ["", "-wal", "-shm", ".lock"].map { story.command.database + $0 }
        for wrong in own + [story.command.folder, story.command.folder + "/no/such/copy"] {
            let result = try await story.command.run("backup", wrong, "--overwrite")
            #expect(result.status == 1 && result.output.isEmpty, "\(wrong)")
        }
        #expect(try await story.command.run("log", "--format", "json").output == log.output)
    }

    /// SQLite would read it as the copy's own.
    @Test(arguments: ["-wal", "-shm", "-journal"]) func whatAnotherDatabaseLeftIsNotMixedIn(suffix: String) async throws
    {
        let story = try await Story()
        defer { story.end() }
        let file = story.command.folder + "/copy.db"
        try Data("left".utf8).write(to: URL(fileURLWithPath: file + suffix))
        let refused = try await story.command.run("backup", file)
        #expect(refused.status == 1 && refused.diagnostics.contains("belongs to another database"))
        #expect(!FileManager.default.fileExists(atPath: file))
        #expect(try String(contentsOfFile: file + suffix, encoding: .utf8) == "left")
    }

    @Test func aDamagedDatabaseIsNoBackup() async throws {
        let story = try await Story()
        defer { story.command.remove() }
        story.ledger.close()
        let database = URL(fileURLWithPath: story.command.database)
        var bytes = try Data(contentsOf: database)
        // The last page holds the youngest of some table or index.
        bytes.replaceSubrange(bytes.count - 4096..<bytes.count, with: Data(repeating: 0xA5, count: 4096))
        try bytes.write(to: database)
        let file = story.command.folder + "/copy.db"
        let result = try await story.command.run("backup", file)
        #expect(result.status == 1, "\(result.output)")
        #expect(!FileManager.default.fileExists(atPath: file))
    }
}
