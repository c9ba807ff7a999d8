internal import Crypto
internal import HTTPServer
package import Ledger
package import Logging
package import Policy
internal import Seam
internal import ServiceLifecycle
package import Settings
internal import Signatures
internal import Synchronization
package import Time
internal import UnixSignals

/// The daemon: the public listener with its intake, the admin listener, and the workers, wired together and started here.
package final class Daemon: Sendable {
    private let settings: Mutex<Settings>
    private let reload: @Sendable () throws -> Settings
    private let environment: [String: String]
    private let surroundings: Workers.Surroundings
    private let intake: Intake
    private let pages: AdminPages
    private let publicServer: Server
    private let adminServer: Server
    /// Nil: plain HTTP.
    private let certificate: Certificate?
    private let manager: ServiceManager
    private let group = Mutex<ServiceGroup?>(nil)
    private let log: Logger

    /// Opens the database and makes everything ready; nothing is listened on yet.
    ///
    /// - Parameters:
    ///   - settings: complete, with secrets.
    ///   - observe: told of each failover's new state and reason.
    ///   - reload: reads the configuration anew, at SIGHUP.
    package init(
        settings: Settings, environment: [String: String], log: Logger, clock: any WallClock = SystemWallClock(),
        random: RandomSource = RandomSource(),
        observe: @escaping @Sendable (FailoverState, String) -> Void = { _, _ in },
        reload: @escaping @Sendable () throws -> Settings
    ) throws {
        let rules = try Self.rules(of: settings)
        let ledger = try Ledger(path: settings.database.path, random: random)
        let metrics = Metrics()
        var surroundings = Workers.Surroundings(
            ledger: ledger, clock: clock, random: random, metrics: metrics, health: Health(), log: log,
            inboxChanged: Wakeup(),
            intakeRefused: Wakeup(), failoversChanged: Wakeup(), deliveriesChanged: Wakeup(),
            substitutionsChanged: Wakeup(), observe: observe)
        let intake = Intake(
            rules: rules, ledger: ledger, clock: clock, metrics: metrics, health: surroundings.health, log: log,
            inboxChanged: surroundings.inboxChanged, refused: surroundings.intakeRefused)
        surroundings.isIntakeBusy = { intake.isBusy }
        let pages = AdminPages(
            ledger: ledger, clock: clock, metrics: metrics, health: surroundings.health,
            token: settings.admin.token?.reveal, delivery: settings.delivery)
        certificate = try settings.listen.tls.identityFiles.map { files in
            try Certificate(files, clock: clock, metrics: metrics, log: log)
        }
        let wire = certificate.map { certificate in { @Sendable () -> any Wire in TLSWire(certificate.context) } }
        self.settings = Mutex(settings)
        self.reload = reload
        self.environment = environment
        self.surroundings = surroundings
        self.intake = intake
        self.pages = pages
        self.log = log
        manager = ServiceManager(environment: environment)
        publicServer = Server(
            host: settings.listen.host, port: settings.listen.port, limits: settings.listen.limits,
            observer: { metrics.count($0, listener: "public", log: log) }, wire: wire,
            admission: { intake.admit($0) }, handler: { intake.handle($0, $1) })
        adminServer = Server(
            host: settings.admin.host, port: settings.admin.port, limits: .admin,
            observer: { metrics.count($0, listener: "admin", log: log) }, handler: { pages.handle($0, $1) })
        // A configuration whose key or URL cannot be used must stop the start, not a worker later.
        _ = try Workers(settings: settings, surroundings: surroundings)
    }

    /// Where Seam's webhooks are taken; known once the daemon is ready.
    package var webhookURL: String {
        let listen = settings.withLock { $0.listen }
        let scheme = certificate == nil ? "http" : "https"
        return "\(scheme)://\(listen.host == "0.0.0.0" ? "127.0.0.1" : listen.host):\(publicServer.port)\(listen.path)"
    }

    package var adminURL: String {
        "http://\(settings.withLock { $0.admin.host }):\(adminServer.port)"
    }

    /// Runs until SIGTERM, SIGINT or `stop`, then answers what was read, stops the workers and closes the database.
    ///
    /// - Parameters:
    ///   - stopsAtSignals: false where the process is not this daemon's own: then only `stop` ends it.
    ///   - ready: called once webhooks are taken.
    package func run(
        stopsAtSignals: Bool = true, ready: @escaping @Sendable () async -> Void = {}
    ) async throws {
        defer { surroundings.ledger.close() }
        // Trapped before anything says that this runs: a reload that comes with that word would end the process.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        try adminServer.start()
        try publicServer.start()
        // Stopped in the reverse order: the listener first, so that what it has read is still committed and answered.
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    ServiceGroupConfiguration.ServiceConfiguration(service: CertificateService(daemon: self)),
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: WorkerService(daemon: self, hangups: hangups)),
                    ServiceGroupConfiguration.ServiceConfiguration(
                        service: ListenerService(daemon: self, ready: ready)),
                ], gracefulShutdownSignals: stopsAtSignals ? [.sigterm, .sigint] : [], logger: log.quiet))
        self.group.withLock { $0 = group }
        try await group.run()
    }

    /// Asks for what SIGTERM asks for; `run` returns once it is done. Nothing happens before the daemon is ready.
    package func stop() async {
        await group.withLock { $0 }?.triggerGracefulShutdown()
    }

    // MARK: Reload

    private static func rules(of settings: Settings) throws -> Intake.Rules {
        let secrets = try settings.webhook.secrets.map { try SigningSecret($0.reveal) }
        return Intake.Rules(
            path: Array(settings.listen.path.utf8),
            verifier: try SignatureVerifier(secrets: secrets, tolerance: settings.webhook.tolerance))
    }

    /// Applies a new configuration as a whole, or refuses it as a whole and keeps the old one.
    ///
    /// - Returns: the new workers; nil when the configuration was refused.
    fileprivate func applyReload() -> Workers? {
        do {
            let new = try reload()
            let rules = try Self.rules(of: new)
            let workers = try Workers(settings: new, surroundings: surroundings)
            // The last that can fail, so that the certificate is not exchanged for a configuration that is refused.
            if let certificate, let files = new.listen.tls.identityFiles { try certificate.replace(with: files) }
            let old = settings.withLock { settings in
                defer { settings = new }
                return settings
            }
            intake.replaceRules(rules)
            pages.replace(new.delivery)
            publicServer.update(new.listen.limits)
            let changed = new.differences(from: old)
            log.notice("The configuration was loaded anew", metadata: ["changed": "\(changed.joined(separator: " "))"])
            for key in changed where Settings.restartOnlyKeys.contains(key) {
                log.warning("A changed key takes effect at the next start only", metadata: ["key": "\(key)"])
            }
            if (certificate == nil) != (new.listen.tls.files == nil) {
                log.warning(
                    "A changed key takes effect at the next start only", metadata: ["key": "listen.tls"])
            }
            surroundings.metrics.set(
                "sparekey_reload_success", to: 1, help: "Whether the last reload was applied: 1 or 0.")
            return workers
        } catch {
            log.error("The new configuration was refused, the old one stays", metadata: ["error": "\(error)"])
            surroundings.metrics.set(
                "sparekey_reload_success", to: 0, help: "Whether the last reload was applied: 1 or 0.")
            return nil
        }
    }

    // MARK: Services

    private struct WorkerService: Service {
        let daemon: Daemon
        let hangups: UnixSignalsSequence

        func run() async throws {
            let first = try Workers(settings: daemon.settings.withLock { $0 }, surroundings: daemon.surroundings)
            await cancelWhenGracefulShutdown {
                // A group would not do: what is added to one after its `cancelAll` is cancelled from the start.
                var running = Task { await first.run() }
                for await _ in hangups {
                    guard let workers = daemon.applyReload() else { continue }
                    running.cancel()
                    await running.value
                    running = Task { await workers.run() }
                }
                running.cancel()
                await running.value
            }
        }
    }

    /// Looks at the certificate's files every minute: whoever renews it need not tell.
    private struct CertificateService: Service {
        let daemon: Daemon

        func run() async throws {
            await cancelWhenGracefulShutdown {
                while (try? await Task.sleep(for: .seconds(60))) != nil { daemon.certificate?.refresh() }
            }
        }
    }

    private struct ListenerService: Service {
        let daemon: Daemon
        let ready: @Sendable () async -> Void

        func run() async throws {
            let (webhooks, admin) = (daemon.webhookURL, daemon.adminURL)
            daemon.log.notice("Ready", metadata: ["webhooks": "\(webhooks)", "admin": "\(admin)"])
            daemon.manager.notifyReady(status: "Taking webhooks at \(webhooks)")
            await ready()
            try? await gracefulShutdown()
            daemon.log.notice("Stopping: answering what was read")
            daemon.manager.notifyStopping()
            daemon.surroundings.health.noteShutdown()
            await daemon.publicServer.shutdown(deadline: .seconds(5))
            await daemon.intake.drain()
            await daemon.adminServer.shutdown(deadline: .seconds(1))
        }
    }
}

extension Settings.Delivery {
    package var plan: DeliveryPlan {
        var channels: [DeliveryChannel] = []
        if webhook.url != nil { channels.append(.webhook) }
        if command != nil { channels.append(.command) }
        if manual { channels.append(.manual) }
        let order = (order ?? []).compactMap { DeliveryChannel(rawValue: $0.rawValue) }.filter(channels.contains)
        return DeliveryPlan(
            order: order, beside: channels.filter { !order.contains($0) }, fallbackAfter: fallbackAfter)
    }
}

extension Settings.Listen {
    var limits: Limits {
        var limits = Limits()
        limits.maxConnections = maxConnections
        limits.maxConnectionsPerAddress = maxConnectionsPerAddress
        limits.maxBodyBytes = maxBodyBytes
        limits.headerTimeout = headerTimeout
        limits.idleTimeout = idleTimeout
        return limits
    }
}

extension Limits {
    /// The admin listener serves a few people and one scraper.
    static var admin: Limits {
        var limits = Limits()
        limits.maxConnections = 64
        limits.maxBodyBytes = 65_536
        limits.responseTimeout = .seconds(10)
        return limits
    }
}

extension Logger {
    /// The service group's own lines are of no use to an operator below warnings.
    fileprivate var quiet: Logger {
        var logger = self
        logger.logLevel = max(logLevel, .warning)
        return logger
    }
}

extension Metrics {
    func count(_ event: ServerEvent, listener: String, log: Logger) {
        switch event {
        case .refused(let status, let reason):
            add(
                to: "sparekey_http_refused_total",
                [("listener", listener), ("status", "\(status)"), ("reason", reason)],
                help: "Requests and connections that the HTTP server refused.")
        case .connectionOpened:
            add(to: "sparekey_http_connections_total", [("listener", listener)], help: "Connections accepted.")
        case .acceptPaused(let code):
            log.error(
                "No connection can be accepted: out of descriptors or memory",
                metadata: ["listener": "\(listener)", "errno": "\(code)"])
        case .acceptResumed:
            log.notice("Connections are accepted again", metadata: ["listener": "\(listener)"])
        case .responseTimedOut:
            countIntake("503", "response_timeout")
        case .wireFailed: countEnd("tls", listener)
        case .writeTimedOut: countEnd("write_timeout", listener)
        case .connectionReset: countEnd("reset", listener)
        case .evictedIdle: countEnd("evicted", listener)
        case .connectionRefused: countEnd("no_room", listener)
        case .addressRefused: countEnd("address", listener)
        case .connectionClosed: break
        }
    }
}

extension Metrics {
    private func countEnd(_ reason: String, _ listener: String) {
        add(
            to: "sparekey_http_connections_broken_total", [("listener", listener), ("reason", reason)],
            help: "Connections that ended before their time.")
    }
}

extension Daemon {
    /// Whether a start failed for what the configuration says, rather than for what the machine did.
    package static func isConfigurationFault(_ error: any Error) -> Bool {
        error is SeamConfigurationError || error is SecretError || error is SignatureVerifier.ConfigurationError
            || error is ConfigurationError || error is TLSFileError
    }
}
