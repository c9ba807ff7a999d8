import ChildProcess
import Foundation
import Testing

/// What a command says, and how it ends, where what it is given cannot be used.
@Suite(.timeLimit(.minutes(5))) struct HostileStartTests {
    /// Runs the program with a descriptor of the shell's closed or redirected.
    private func status(_ command: Command, _ arguments: String) async throws -> Int32 {
        let shell = try ChildProcess(
            ["/bin/sh", "-c", "exec \"$0\" \(arguments)", Command.executable], environment: command.environment,
            output: command.folder + "/shell")
        return await shell.end()
    }

    @Test func standardErrorThatIsClosedHidesNoExitCode() async throws {
        let command = try Command()
        defer { command.remove() }
        for redirection in ["2>&-", "2>/dev/full"] {
            #expect(try await status(command, "serve --config /nowhere \(redirection)") == 78)
            #expect(try await status(command, "serve --sandbox --config /nowhere \(redirection)") == 78)
            let files = "--tls-certificate /nowhere --tls-key /nowhere"
            #expect(try await status(command, "sandbox --port 0 \(files) \(redirection)") == 1)
        }
    }

    /// Whoever reads the result has to know that there is none.
    @Test func aResultThatCannotBeWrittenIsAFailure() async throws {
        let command = try Command()
        defer { command.remove() }
        for arguments in ["check --json", "check"] {
            #expect(try await status(command, "\(arguments) >/dev/full") == 1, "\(arguments)")
        }
    }

    @Test(arguments: ["65536", "70000", "-1"])
    func aPortThatDoesNotExistIsWrongUsage(port: String) async throws {
        let command = try Command()
        defer { command.remove() }
        let result = try await command.run("sandbox", "--port=\(port)", "--tls-certificate", "/nowhere")
        #expect(result.status == 64)
        #expect(result.diagnostics.contains("--port must be from 0 to 65535"), "\(result.diagnostics)")
    }

    private static let callers = [
        ["webhook", "list"], ["webhook", "register", "--url", "https://locks.example.com/webhooks/seam"],
        ["webhook", "delete", "some-webhook"],
        [
            "codes", "create", "--device", "lock", "--name", "Ada", "--starts-at", "2126-11-20T15:00Z", "--ends-at",
            "2126-11-23T11:00Z",
        ],
    ]

    /// The key's place is named, and what is wrong there, by every command that asks Seam.
    @Test(arguments: callers) func aKeyThatCannotBeReadIsNamed(arguments: [String]) async throws {
        var command = try Command()
        defer { command.remove() }
        let file = command.folder + "/key"
        command.environment["SPAREKEY_SEAM_API_KEY_FILE"] = file
        let missing = try await command.run(arguments)
        #expect(missing.status == 78)
        #expect(missing.diagnostics.contains("seam.api_key_file: \(file) cannot be read: No such file"))
        try "seam_one\nseam_two\n".write(toFile: file, atomically: true, encoding: .utf8)
        let doubled = try await command.run(arguments)
        #expect(doubled.status == 78)
        #expect(doubled.diagnostics.contains("seam.api_key_file: \(file) has 2 lines"))
        #expect(doubled.diagnostics.contains("Fix: leave only its line."))
        command.environment["SPAREKEY_SEAM_API_KEY_FILE"] = nil
        command.environment["SPAREKEY_CONFIG"] = command.folder + "/empty.yaml"
        try "".write(toFile: command.folder + "/empty.yaml", atomically: true, encoding: .utf8)
        let none = try await command.run(arguments)
        #expect(none.status == 78)
        #expect(none.diagnostics.contains("seam.api_key: is missing"), "\(none.diagnostics)")
        #expect(none.diagnostics.contains("set SPAREKEY_SEAM_API_KEY"))
        for result in [missing, doubled, none] { #expect(result.output.isEmpty) }
    }
}
