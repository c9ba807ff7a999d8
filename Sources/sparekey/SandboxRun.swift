internal import ArgumentParser
internal import Daemon
internal import Foundation
internal import JSON
internal import Policy
internal import Presentation
internal import Sandbox
internal import Settings
internal import Synchronization
internal import Time

/// `serve --sandbox`: the daemon, a simulated Seam beside it, and one guest code that fails.
struct SandboxRun {
    typealias Observer = @Sendable (FailoverState, String) -> Void

    /// So that the request for `/api` that is shown can be copied.
    private static let token = "sparekey-sandbox"

    let configurationPath: String?

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let clock = SystemWallClock()
        let model = SandboxModel(clock: clock, random: RandomSource())
        let simulated = SandboxServer(model: model, transport: WebhookSender.transport())
        try simulated.start()
        let secret = "whsec_" + Data((0..<24).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
        let configured = try configured(environment: environment)
        let settings = try isolated(configured, environment: environment, seamURL: simulated.url, secret: secret)
        // What was set, and not what has its default.
        let given = Set(configured.differences(from: Settings()))
        let replaced = settings.differences(from: configured).filter(given.contains).joined(separator: ", ")

        let shown = Mutex(false)
        let database = settings.database.path
        let configuration = try writeConfiguration(database: database)
        let adminURL = Mutex("")
        try await serve(settings) { state, _ in
            let isFirst = shown.withLock { isShown in
                defer { isShown = true }
                return !isShown
            }
            guard state == .substituted, isFirst else { return }
            Self.explain(
                configuration: configuration, database: database, adminURL: adminURL.withLock { $0 },
                isDatabaseGiven: environment["SPAREKEY_DATABASE_PATH"] != nil)
        } ready: { daemon in
            adminURL.withLock { $0 = daemon.adminURL }
            _ = model.createWebhook(url: daemon.webhookURL, secret: secret)
            _ = SandboxScenario.demo.install(in: model)
            try? Terminal.write(
                """
                Sparekey runs against a simulated Seam at \(simulated.url).
                \(replaced.isEmpty ? "" : "Of the configuration it replaces what leads outside: \(replaced).\n")\
                In about two seconds the code of a guest whose stay has begun fails to reach the lock.

                """)
        } reload: {
            settings
        }
        await simulated.stop()
    }

    /// The file of an installed Sparekey is read only where it is named.
    private func configured(environment: [String: String]) throws -> Settings {
        do {
            if let configurationPath {
                return try Settings.load(path: configurationPath, environment: environment, requireSecrets: false)
            }
            return try Settings.loadWithoutFile(environment: environment, requireSecrets: false)
        } catch {
            throw configurationFailure("\(error)")
        }
    }

    /// The configuration with everything that leads outside replaced: this run reaches no address but loopback's, runs no command, and
    /// writes to a database of its own. In a real one, the simulated Seam would know none of the codes, and their guests would be told
    /// that theirs are gone.
    private func isolated(
        _ configured: Settings, environment: [String: String], seamURL: String, secret: String
    ) throws -> Settings {
        var settings = configured
        settings.listen.host = "127.0.0.1"
        settings.listen.tls = Settings().listen.tls
        settings.admin.host = "127.0.0.1"
        if environment["SPAREKEY_LISTEN_PORT"] == nil { settings.listen.port = 0 }
        if environment["SPAREKEY_ADMIN_PORT"] == nil { settings.admin.port = 0 }
        settings.admin.token = SecretText(Self.token)
        settings.seam.baseURL = seamURL
        settings.seam.apiKey = SecretText("seam_sandbox_key")
        settings.webhook.secrets = [SecretText(secret)]
        settings.delivery.webhook = Settings().delivery.webhook
        settings.delivery.command = nil
        settings.delivery.manual = true
        settings.delivery.order = nil
        settings.heartbeat.url = nil
        settings.database.path = try makeFolder() + "/sparekey.db"
        return settings
    }

    /// A folder of this run's own, which its user may look at afterwards.
    private func makeFolder() throws -> String {
        let base = ProcessInfo.processInfo.environment["TMPDIR"] ?? "/tmp"
        guard let folder = mkdtemp(strdup(base + "/sparekey-sandbox-XXXXXX")) else {
            throw ValidationError("No folder can be made in \(base): \(String(cString: strerror(errno)))")
        }
        defer { free(folder) }
        return String(cString: folder)
    }

    /// What the commands that are shown are to read: the configuration of an installed Sparekey is not for everybody.
    private func writeConfiguration(database: String) throws -> String {
        let path = database.parentFolder + "/sparekey.yaml"
        // JSON is YAML.
        let settings: JSONValue = ["database": ["path": .string(database)]]
        try Data((settings.description + "\n").utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// - Parameter isDatabaseGiven: whether the environment names another database, which would count more than the file.
    private static func explain(configuration: String, database: String, adminURL: String, isDatabaseGiven: Bool) {
        let name = CommandLine.arguments.first ?? "sparekey"
        let program = isDatabaseGiven ? "SPAREKEY_DATABASE_PATH=\(database) \(name)" : name
        try? Terminal.write(
            """

            A backup code was pulled and recorded. Look at it:

              \(program) log --config \(configuration)
              \(program) explain --config \(configuration) $(sqlite3 \(database) 'select original_access_code_id from substitutions')
              sqlite3 -box \(database) 'select * from substitution_log'
              curl -H 'Authorization: Bearer \(token)' \(adminURL)/api/substitutions
              \(adminURL)/ in a browser

            Ctrl-C stops it.

            """)
    }
}
