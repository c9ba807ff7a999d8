internal import CLinux
internal import Dispatch
internal import Glibc
internal import HTTPClient
internal import JSON
internal import Synchronization
internal import Time

/// Runs the operator's program with the message as JSON on its standard input. The PIN is in neither its arguments nor its
/// environment, which other users of the machine may read.
///
/// Exit 0 is delivered, 75 (`EX_TEMPFAIL` of sysexits.h) and a signal are tried again, anything else fails for good.
package struct CommandWay: DeliveryWay {
    /// How long a command goes on once the daemon stops: ending it at once would tell a guest twice.
    private static let grace = Duration.seconds(5)

    private let arguments: [String]
    private let timeout: Duration

    /// - Parameter arguments: the program's absolute path, then its arguments.
    package init(arguments: [String], timeout: Duration) {
        self.arguments = arguments
        self.timeout = timeout
    }

    package func send(_ message: DeliveryMessage) async -> SendOutcome {
        let input = message.json.bytes + [0x0A]
        let deadline = CommandDeadline(.now + timeout)
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<SendOutcome, Never>) in
                // Waiting for a child blocks, so it has a thread of its own.
                DispatchQueue(label: "sparekey.delivery.command").async {
                    continuation.resume(returning: Self.run(arguments, input: input, deadline: deadline))
                }
            }
        } onCancel: {
            deadline.shorten(to: .now + Self.grace)
        }
    }

    private static func run(_ arguments: [String], input: [UInt8], deadline: CommandDeadline) -> SendOutcome {
        guard let child = Child(arguments: arguments) else { return .retry("cannot_start", retryAfter: nil) }
        withoutBrokenPipeSignal { child.write(input, until: deadline) }
        let isInTime = child.exits(before: deadline)
        if !isInTime { child.killGroup() }
        switch child.status() {
        case _ where !isInTime: return .retry("timeout", retryAfter: nil)
        case .exited(0): return .delivered
        case .exited(75): return .retry("exit_75", retryAfter: nil)
        case .exited(let code): return .refused("exit_\(code)")
        case .signalled(let signal): return .retry("signal_\(signal)", retryAfter: nil)
        }
    }
}

/// When a command has to be done: what stops the daemon may bring it forward.
private final class CommandDeadline: Sendable {
    private let instant: Mutex<ContinuousClock.Instant>

    init(_ instant: ContinuousClock.Instant) { self.instant = Mutex(instant) }

    var timeLeft: Duration { instant.withLock { $0 - .now } }

    func shorten(to other: ContinuousClock.Instant) { instant.withLock { $0 = min($0, other) } }
}

/// A child process in a process group of its own, its standard input a pipe, its output thrown away, without any other descriptor.
private struct Child {
    enum Status {
        case exited(Int32)
        case signalled(Int32)
    }

    private let processID: pid_t
    private let processDescriptor: Int32
    private let input: Int32

    init?(arguments: [String]) {
        guard let program = arguments.first else { return nil }
        var ends: [Int32] = [-1, -1]
        guard sparekey_pipe(&ends) == 0 else { return nil }
        let pipe = (read: ends[0], write: ends[1])
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, pipe.read, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        // libcurl opens its sockets, among them the connections to Seam, without FD_CLOEXEC.
        sparekey_spawn_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A child started from a Dispatch worker inherits a mask that blocks SIGTERM.
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var child: pid_t = 0
        let argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        let path: [UnsafeMutablePointer<CChar>?] = [
            strdup("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), nil,
        ]
        defer { for pointer in argv + path { free(pointer) } }
        let failure = posix_spawn(&child, program, &actions, &attributes, argv, path)
        close(pipe.read)
        guard failure == 0 else {
            close(pipe.write)
            return nil
        }
        processID = child
        processDescriptor = sparekey_pidfd_open(child)
        input = pipe.write
        _ = fcntl(input, F_SETFL, O_NONBLOCK)
    }

    /// Writes as much as the child takes before `deadline`, then closes its input. A child that reads nothing may still succeed.
    func write(_ bytes: [UInt8], until deadline: CommandDeadline) {
        defer { close(input) }
        var written = 0
        while written < bytes.count {
            let count = bytes[written...].withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
            if count > 0 {
                written += count
            } else if errno == EAGAIN {
                guard wait(for: input, POLLOUT, until: deadline) else { return }
            } else if errno != EINTR {
                return
            }
        }
    }

    func exits(before deadline: CommandDeadline) -> Bool {
        wait(for: processDescriptor, POLLIN, until: deadline)
    }

    /// Before `status`: as long as the child is not waited for, nobody else can have its ID.
    func killGroup() {
        kill(-processID, SIGKILL)
    }

    /// Waits for the child. What a child that did its work left running in its group goes on: mail programs deliver that way.
    func status() -> Status {
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0 && errno == EINTR {}
        if processDescriptor >= 0 { close(processDescriptor) }
        let signal = status & 0x7F
        return signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
    }

    private func wait(for descriptor: Int32, _ events: Int32, until deadline: CommandDeadline) -> Bool {
        while true {
            let left = deadline.timeLeft.wholeMilliseconds
            guard left > 0 else { return false }
            var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            // No longer at a time than a deadline that is brought forward may go unnoticed.
            let ready = poll(&entry, 1, Int32(min(left, 1000)))
            if ready > 0 { return true }
            if ready < 0 && errno != EINTR { return false }
        }
    }
}
