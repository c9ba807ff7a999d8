import Daemon
import Foundation
import HTTPClient
import JSON
import Ledger
import Logging
import Policy
import Sandbox
import Settings
import Synchronization
import Testing
import Time

/// The daemon and a simulated Seam on sockets, with a database of their own.
final class House: Sendable {
    static let token = "a-token-for-the-admin-api"

    let model: SandboxModel
    let clock = MovableClock()
    let secret = House.newSecret()
    let folder: URL
    // Each request under way blocks a thread, of which Dispatch has 255 for all houses together.
    let client = CurlTransport(maxConcurrentRequests: 8, maxQueued: 4096, userAgent: "sparekey-tests")
    private let seam: SandboxServer
    private let state: Mutex<State>

    private struct State {
        var settings: Settings
        var surroundings: Surroundings
        var running: (daemon: Daemon, task: Task<Void, any Error>)?
        var hasWebhook = false
        var canBeReloaded = true
    }

    /// What the daemon is started with besides its configuration.
    struct Surroundings: Sendable {
        var environment: [String: String] = [:]
        var pulseClock: @Sendable () -> SuspendingClock.Instant = { SuspendingClock.now }
        var observe: @Sendable (FailoverState, String) -> Void = { _, _ in }
        var interruption: @Sendable (WriteMoment) throws -> Void = { _ in }
    }

    /// Runs `body` in a house whose daemon takes webhooks. Few houses stand at a time, so that none of them starves.
    static func with(
        options: SandboxOptions = .quick, settings change: (inout Settings) -> Void = { _ in },
        surroundings: Surroundings = Surroundings(), isolation: isolated (any Actor)? = #isolation,
        _ body: (House) async throws -> Void
    ) async throws {
        Self.processSetup
        await Street.shared.enter()
        defer { Street.shared.leave() }
        let house = try House(options: options, surroundings, change)
        let result: Result<Void, any Error>
        do {
            try await house.start()
            try await body(house)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await house.stop()
        await house.seam.stop()
        try FileManager.default.removeItem(at: house.folder)
        try result.get()
    }

    /// As `serve` does: a child that ends without reading must not end the process.
    private static let processSetup: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    private init(
        options: SandboxOptions, _ surroundings: Surroundings, _ change: (inout Settings) -> Void
    ) throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("sparekey-house-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        model = SandboxModel(options: options, clock: SystemWallClock(), random: RandomSource())
        seam = SandboxServer(
            model: model,
            transport: CurlTransport(maxConcurrentRequests: 8, maxQueued: 256, userAgent: SandboxDelivery.userAgent))
        try seam.start()
        var settings = Settings()
        settings.listen.host = "127.0.0.1"
        settings.listen.port = 0
        settings.admin.port = 0
        settings.admin.token = SecretText(House.token)
        settings.webhook.secrets = [SecretText(secret)]
        settings.seam.baseURL = seam.url
        settings.seam.apiKey = SecretText("seam_test_key")
        settings.database.path = folder.appendingPathComponent("sparekey.db").path
        settings.failover.retryInitial = .milliseconds(100)
        settings.failover.retryMax = .milliseconds(400)
        settings.delivery.retryInitial = .milliseconds(100)
        settings.delivery.retryMax = .milliseconds(400)
        change(&settings)
        state = Mutex(State(settings: settings, surroundings: surroundings))
    }

    static func newSecret() -> String {
        "whsec_" + Data((0..<24).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
    }

    // MARK: The daemon

    /// What the next start or reload reads.
    var settings: Settings {
        get { state.withLock { $0.settings } }
        set { state.withLock { $0.settings = newValue } }
    }

    var canBeReloaded: Bool {
        get { state.withLock { $0.canBeReloaded } }
        set { state.withLock { $0.canBeReloaded = newValue } }
    }

    func newDaemon() throws -> Daemon {
        let surroundings = state.withLock { $0.surroundings }
        return try Daemon(
            settings: settings, environment: surroundings.environment,
            log: Logger(label: "house") { _ in SwiftLogNoOpLogHandler() }, clock: clock,
            pulseClock: surroundings.pulseClock, observe: surroundings.observe,
            interruption: surroundings.interruption, reload: { [self] in try reloaded() })
    }

    private func reloaded() throws -> Settings {
        guard state.withLock({ $0.canBeReloaded }) else { throw UnreadableConfiguration() }
        return settings
    }

    private struct UnreadableConfiguration: Error {}

    /// Starts a daemon on the house's database, at the port it had before.
    func start() async throws {
        let daemon = try newDaemon()
        let (ready, signal) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            defer { signal.finish() }
            try await daemon.run(stopsAtSignals: false) { signal.yield() }
        }
        var isReady = false
        for await _ in ready {
            isReady = true
            break
        }
        guard isReady else { return try await task.value }
        let isFirst = state.withLock { state in
            state.running = (daemon, task)
            defer { state.hasWebhook = true }
            return !state.hasWebhook
        }
        guard isFirst else { return }
        state.withLock { $0.settings.listen.port = URL(string: daemon.webhookURL)?.port ?? 0 }
        _ = model.createWebhook(url: daemon.webhookURL, secret: secret)
    }

    /// Stops the daemon as SIGTERM does, and returns once the database is closed.
    func stop() async throws {
        let running = state.withLock { state in
            defer { state.running = nil }
            return state.running
        }
        guard let running else { return }
        await running.daemon.stop()
        try await running.task.value
    }

    /// Starts the daemon anew in another environment.
    func restart(environment: [String: String]) async throws {
        try await stop()
        state.withLock { $0.surroundings.environment = environment }
        try await start()
    }

    private var daemon: Daemon? { state.withLock { $0.running?.daemon } }
    var webhookURL: String { daemon?.webhookURL ?? "" }
    var adminURL: String { daemon?.adminURL ?? "" }

    // MARK: The guests

    /// A lock whose pool does not fill by itself.
    func lock(pool: Int = 3, _ change: (inout SandboxDeviceSpecification) -> Void = { _ in }) -> String {
        var specification = SandboxDeviceSpecification(name: "Front door")
        specification.poolSize = pool
        specification.refillDelay = .seconds(86_400)
        change(&specification)
        return model.createDevice(specification)
    }

    /// A code that does not reach its lock; that shows once it is told to fail.
    func guest(
        on deviceID: String, from start: Duration = .seconds(-3600), to end: Duration = .seconds(86_400)
    ) -> String {
        let now = model.now
        var specification = SandboxCodeSpecification(
            deviceID: deviceID, name: "Guest", startsAt: now + start, endsAt: now + end)
        specification.isBroken = true
        return model.createCode(specification)
    }

    /// A code that reached its lock.
    func happyGuest(on deviceID: String) -> String {
        let now = model.now
        return model.createCode(
            SandboxCodeSpecification(
                deviceID: deviceID, name: "Guest", startsAt: now - .seconds(3600), endsAt: now + .seconds(86_400),
                isSet: true))
    }

    /// Sends an event about a code, whatever the code is like.
    func tell(_ type: String, of codeID: String, on deviceID: String) {
        model.emitEvent(
            type,
            members: [
                .init("access_code_id", .string(codeID)), .init("device_id", .string(deviceID)),
                .init("occurred_at", .string(model.now.description)),
            ])
    }
}

/// The machine's time, moved ahead at will; it never stands still.
final class MovableClock: WallClock {
    private let offset = Mutex<Duration>(.zero)

    func now() -> Timestamp { SystemWallClock().now() + offset.withLock { $0 } }
    func sleep(for duration: Duration) async throws { try await Task.sleep(for: duration) }
    func move(by duration: Duration) { offset.withLock { $0 += duration } }
}

/// Lets in so many houses at a time.
private final class Street: Sendable {
    static let shared = Street(places: 6)

    private struct State {
        var free: Int
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state: Mutex<State>

    init(places: Int) { state = Mutex(State(free: places)) }

    func enter() async {
        await withCheckedContinuation { continuation in
            let isIn = state.withLock { state in
                if state.free > 0 {
                    state.free -= 1
                    return true
                }
                state.waiting.append(continuation)
                return false
            }
            if isIn { continuation.resume() }
        }
    }

    func leave() {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.waiting.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiting.removeFirst()
        }
        next?.resume()
    }
}

extension SandboxOptions {
    /// What takes seconds at Seam takes milliseconds.
    static var quick: SandboxOptions {
        SandboxOptions(
            settingDelay: .milliseconds(20), programmingTime: .milliseconds(20), removalTime: .milliseconds(20),
            refillDelay: .seconds(86_400), retryTimeFactor: 0.02)
    }
}
