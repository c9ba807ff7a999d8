import Foundation
import Testing

/// The built executable, run as a user would.
struct Command {
    struct Result {
        var status: Int32
        var output: String
        var diagnostics: String
    }

    let folder: String
    var environment: [String: String] = ["COLUMNS": "120"]

    /// A folder of its own; remove it with `remove()`.
    init() throws {
        folder = NSTemporaryDirectory() + "/sparekey-command-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        environment["SPAREKEY_DATABASE_PATH"] = database
    }

    var database: String { folder + "/sparekey.db" }

    func remove() { try? FileManager.default.removeItem(atPath: folder) }

    /// The build puts the executable next to the test bundle.
    static var executable: String {
        var bundle = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &bundle, bundle.count - 1)
        let path = String(decoding: bundle.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
        return URL(fileURLWithPath: path).deletingLastPathComponent().path + "/sparekey"
    }

    func run(_ arguments: String...) async throws -> Result {
        let output = folder + "/output-" + UUID().uuidString
        let process = try start(arguments, output: output, diagnostics: output + "-diagnostics")
        let status = await Self.end(of: process)
        return Result(
            status: status, output: try String(contentsOfFile: output, encoding: .utf8),
            diagnostics: try String(contentsOfFile: output + "-diagnostics", encoding: .utf8))
    }

    /// Starts it with its output going to files, the signals as a shell leaves them.
    func start(_ arguments: [String], output: String, diagnostics: String) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, diagnostics, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        let argv = ([Self.executable] + arguments).map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + variables { free(pointer) } }
        var process = pid_t()
        let failure = posix_spawn(&process, Self.executable, &actions, &attributes, argv, variables)
        try #require(failure == 0, "\(Self.executable): \(String(cString: strerror(failure)))")
        return process
    }

    /// The exit code, or the negative number of the signal that ended it.
    static func end(of process: pid_t) async -> Int32 {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var status: Int32 = 0
                while waitpid(process, &status, 0) < 0, errno == EINTR {}
                let signal = status & 0x7F
                continuation.resume(returning: signal == 0 ? (status >> 8) & 0xFF : -signal)
            }
        }
    }
}
