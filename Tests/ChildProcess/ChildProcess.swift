internal import Foundation

/// A program started by a test, its input and output files. Foundation's `Process` is unfit here: children inherit a signal mask that
/// blocks SIGTERM, exits get lost, and many at a time have crashed in `run()`.
package struct ChildProcess: Sendable {
    package struct CannotStart: Error, CustomStringConvertible {
        package var description: String
    }

    /// What a sanitizer goes by, handed on in any environment, for the program was built with it as the test was.
    private static let sanitizerVariables = ["ASAN_OPTIONS", "TSAN_OPTIONS", "LD_PRELOAD"]

    package let processID: Int32

    /// - Parameters:
    ///   - arguments: the program, found on the PATH where it is a plain name, and its arguments.
    ///   - environment: the whole of it; nil hands on this process's own.
    ///   - diagnostics: where standard error goes; nil: with the output.
    package init(
        _ arguments: [String], environment: [String: String]? = nil, input: String = "/dev/null", output: String,
        diagnostics: String? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        if let diagnostics {
            posix_spawn_file_actions_addopen(&actions, 2, diagnostics, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        } else {
            posix_spawn_file_actions_adddup2(&actions, 1, 2)
        }
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The signals as a shell leaves them.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        let own = ProcessInfo.processInfo.environment
        let variables = (environment ?? own).merging(own.filter { Self.sanitizerVariables.contains($0.key) }) {
            given, _ in given
        }
        let argv = arguments.map { strdup($0) } + [nil]
        let envp = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var started = pid_t()
        let failure = posix_spawnp(&started, arguments[0], &actions, &attributes, argv, envp)
        guard failure == 0 else {
            throw CannotStart(description: "\(arguments[0]): \(String(cString: strerror(failure)))")
        }
        processID = started
    }

    /// Waits for its end.
    ///
    /// - Returns: the exit code, or the negative number of the signal that ended it.
    package func end() async -> Int32 {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var status: Int32 = 0
                while waitpid(processID, &status, 0) < 0, errno == EINTR {}
                let signal = status & 0x7F
                continuation.resume(returning: signal == 0 ? (status >> 8) & 0xFF : -signal)
            }
        }
    }
}
