internal import ArgumentParser
internal import Daemon
internal import Foundation
internal import Logging
internal import Policy
internal import Settings

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Runs the daemon in the foreground.",
        discussion: """
            With --sandbox it also runs a simulated Seam on loopback, breaks one guest code and shows the failover: \
            no account, key or configuration is needed. Where one is given, all of it that leads outside is replaced, \
            the database too.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Run against an embedded simulated Seam.")
    var sandbox = false

    func run() async throws {
        // A child that ends, or a peer that goes, must not end the daemon.
        signal(SIGPIPE, SIG_IGN)
        // A core would hold PINs.
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        if sandbox {
            try await SandboxRun(configurationPath: options.path).run()
        } else {
            let settings = try options.load()
            allowDescriptors(for: settings)
            try await serve(settings) { [options] in
                let settings = try options.read()
                allowDescriptors(for: settings)
                return settings
            }
        }
    }
}

/// Raises the limit of descriptors that a shell sets low by default, as far as it may be.
private func allowDescriptors(for settings: Settings) {
    let count = settings.listen.maxConnections + 256
    var limit = rlimit()
    let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
    guard getrlimit(resource, &limit) == 0, limit.rlim_cur < rlim_t(count) else { return }
    limit.rlim_cur = min(limit.rlim_max, rlim_t(count))
    setrlimit(resource, &limit)
}

/// Runs the daemon with `settings` until it is told to stop.
///
/// - Throws: `ExitCode` 78 for a configuration that cannot be used, 1 for anything else, after saying why.
func serve(
    _ settings: Settings, observe: SandboxRun.Observer? = nil,
    ready: @escaping @Sendable (Daemon) async -> Void = { _ in },
    reload: @escaping @Sendable () throws -> Settings
) async throws {
    let environment = ProcessInfo.processInfo.environment
    let output = LogOutput(format: settings.log.format, level: settings.log.level, environment: environment)
    defer { output.flush() }
    let log = output.logger(label: "sparekey")
    for warning in settings.warnings { log.warning("\(warning)") }
    do {
        let daemon = try Daemon(
            settings: settings, environment: environment, log: log, output: output, observe: { observe?($0, $1) },
            reload: reload)
        try await daemon.run { await ready(daemon) }
    } catch {
        log.critical("Stopped", metadata: ["error": "\(error)"])
        output.flush()
        throw Daemon.isConfigurationFault(error) ? ExitCode.configurationError : ExitCode.failure
    }
}
