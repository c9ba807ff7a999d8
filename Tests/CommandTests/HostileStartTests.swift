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

    @Test(arguments: ["65536", "70000", "-1"])
    func aPortThatDoesNotExistIsWrongUsage(port: String) async throws {
        let command = try Command()
        defer { command.remove() }
        let result = try await command.run("sandbox", "--port=\(port)", "--tls-certificate", "/nowhere")
        #expect(result.status == 64)
        #expect(result.diagnostics.contains("--port must be from 0 to 65535"), "\(result.diagnostics)")
    }
}
