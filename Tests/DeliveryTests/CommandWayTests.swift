import Foundation
import JSON
import Testing

@testable import Delivery

@Suite(.timeLimit(.minutes(5)))
struct CommandWayTests {
    private let message = DeliveryMessage(
        id: "dlv_1", json: ["id": "dlv_1", "data": ["backup_code": .string(DeliveryBench.pin)]])

    private func outcome(
        of script: String, timeout: Duration = .seconds(30), folder: TemporaryFolder? = nil,
        message: DeliveryMessage? = nil
    ) async throws -> SendOutcome {
        let folder = try folder ?? TemporaryFolder()
        let program = try folder.script("tell", script)
        return await CommandWay(arguments: ["/bin/sh", program, folder.path], timeout: timeout).send(
            message ?? self.message)
    }

    private func isRunning(_ processID: String) -> Bool {
        guard let id = pid_t(processID.trimmingCharacters(in: .whitespacesAndNewlines)) else { return false }
        // A zombie that nobody has waited for runs no more.
        guard let status = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { return false }
        return !status.contains(") Z ")
    }

    @Test func theMessageIsOnItsInputAndTheArgumentsAreItsOwn() async throws {
        let folder = try TemporaryFolder()
        #expect(try await outcome(of: "cat > \"$1/got\"", folder: folder) == .delivered)
        #expect(folder.contents("got") == message.json.description + "\n")
    }

    @Test func exitsMeanWhatTheySay() async throws {
        #expect(try await outcome(of: "exit 0") == .delivered)
        #expect(try await outcome(of: "exit 75") == .retry("exit_75", retryAfter: nil))
        #expect(try await outcome(of: "exit 3") == .refused("exit_3"))
        #expect(try await outcome(of: "kill -TERM $$") == .retry("signal_15", retryAfter: nil))
        let missing = await CommandWay(arguments: ["/no/such/program"], timeout: .seconds(5)).send(message)
        #expect(missing == .retry("cannot_start", retryAfter: nil))
    }

    @Test func thePINIsNeitherInArgumentsNorInTheEnvironment() async throws {
        let folder = try TemporaryFolder()
        let script =
            "tr '\\0' '\\n' < /proc/$$/cmdline > \"$1/seen\"; tr '\\0' '\\n' < /proc/$$/environ >> \"$1/seen\"; cat >/dev/null"
        #expect(try await outcome(of: script, folder: folder) == .delivered)
        let seen = try #require(folder.contents("seen"))
        #expect(seen.contains("PATH=") && !seen.contains(DeliveryBench.pin))
    }

    /// libcurl's sockets are not closed at an exec, and what a command leaves running would hold them.
    @Test func itHoldsNothingOfTheDaemons() async throws {
        let folder = try TemporaryFolder()
        let held = open(folder.path + "/held", O_CREAT | O_RDWR, 0o600)
        defer { close(held) }
        #expect(held > 2)
        #expect(try await outcome(of: "readlink /proc/$$/fd/* > \"$1/seen\"; exit 0", folder: folder) == .delivered)
        let seen = try #require(folder.contents("seen"))
        #expect(seen.contains("/dev/null") && !seen.contains("/held"))
    }

    @Test func aCommandThatHangsIsKilledWithItsGroup() async throws {
        let folder = try TemporaryFolder()
        let script = "sleep 600 & echo $! > \"$1/grandchild\"; echo $$ > \"$1/child\"; wait"
        #expect(
            try await outcome(of: script, timeout: .milliseconds(700), folder: folder)
                == .retry("timeout", retryAfter: nil))
        let child = try #require(folder.contents("child"))
        let grandchild = try #require(folder.contents("grandchild"))
        #expect(await eventually { !isRunning(child) && !isRunning(grandchild) })
    }

    @Test func whatASuccessfulCommandLeftRunningGoesOn() async throws {
        let folder = try TemporaryFolder()
        // It ends by itself once the test has seen it.
        let script =
            "(while [ ! -e \"$1/stop\" ]; do sleep 0.05; done; echo done > \"$1/end\") & echo $! > \"$1/child\""
        #expect(try await outcome(of: script, folder: folder) == .delivered)
        #expect(isRunning(try #require(folder.contents("child"))))
        try "".write(toFile: folder.path + "/stop", atomically: true, encoding: .utf8)
        #expect(await eventually { folder.contents("end") == "done\n" })
    }

    @Test func aCommandNeedNotReadItsInput() async throws {
        let long = DeliveryMessage(id: "dlv_1", json: ["message": .string(String(repeating: "x", count: 1 << 20))])
        #expect(try await outcome(of: "exit 0", message: long) == .delivered)
        #expect(try await outcome(of: "exec 0<&-; exit 0", message: long) == .delivered)
        #expect(
            try await outcome(of: "sleep 600", timeout: .milliseconds(300), message: long)
                == .retry("timeout", retryAfter: nil))
    }

    @Test func whatItSaysIsThrownAway() async throws {
        let said = try await outcome(of: "head -c 20000000 /dev/zero; head -c 20000000 /dev/zero >&2")
        #expect(said == .delivered)
    }

    @Test func aDaemonThatStopsWaitsAMomentForACommand() async throws {
        let folder = try TemporaryFolder()
        let script = "echo > \"$1/began\"; while [ ! -e \"$1/go\" ]; do sleep 0.05; done"
        let program = try folder.script("tell", script)
        let running = Task {
            await CommandWay(arguments: ["/bin/sh", program, folder.path], timeout: .seconds(30)).send(message)
        }
        #expect(await eventually { folder.contents("began") != nil })
        running.cancel()
        try "".write(toFile: folder.path + "/go", atomically: true, encoding: .utf8)
        #expect(await running.value == .delivered)
    }
}
