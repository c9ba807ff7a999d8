internal import Crypto
internal import Glibc
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
    let current: Current
    private let reload: @Sendable () throws -> Settings
    let surroundings: Workers.Surroundings
    let intake: Intake
    let lateness: Lateness
    private let pages: AdminPages
    let publicServer: Server
    let adminServer: Server
    /// As it was at the start: some of it a reload does not change.
    private let startedWith: Settings
    /// Nil: plain HTTP.
    let certificate: Certificate?
    let manager: ServiceManager
    /// Whether systemd has handed over a socket for the public listener.
    let hasSocketUnit: Bool
    private let group = Mutex<ServiceGroup?>(nil)
    let log: Logger
    private let output: LogOutput?

    /// Opens the database and makes everything ready; nothing is listened on yet.
    ///
    /// - Parameters:
    ///   - settings: complete, with secrets.
    ///   - output: what `log` writes to, where a reload can set its level.
    ///   - pulseClock: monotonic; what the watchdog goes by.
    ///   - observe: told of each failover's new state and reason.
    ///   - interruption: called around each commit; may block, as a disk does that hangs.
    ///   - reload: reads the configuration anew, at SIGHUP.
    package init(
        settings: Settings, environment: [String: String], log: Logger, output: LogOutput? = nil,
        clock: any WallClock = SystemWallClock(), random: RandomSource = RandomSource(),
        pulseClock: @escaping @Sendable () -> SuspendingClock.Instant = { SuspendingClock.now },
        observe: @escaping @Sendable (FailoverState, String) -> Void = { _, _ in },
        interruption: @escaping @Sendable (WriteMoment) throws -> Void = { _ in },
        reload: @escaping @Sendable () throws -> Settings
    ) throws {
        let rules = try Self.rules(of: settings)
        let ledger = try Ledger(path: settings.database.path, random: random, interruption: interruption) { file in
            log.error(
                "The database was replaced while it was open: the WAL of the former one was moved aside",
                metadata: ["file": "\(file)"])
        }
        let metrics = Metrics()
        let pulse = Pulse(now: pulseClock)
        var surroundings = Workers.Surroundings(
            ledger: ledger, clock: clock, random: random, metrics: metrics, health: Health(pulse: pulse),
            pulse: pulse, log: log, outage: Outage(log: log),
            inboxChanged: Wakeup(),
            intakeRefused: Wakeup(), failoversChanged: Wakeup(), deliveriesChanged: Wakeup(),
            substitutionsChanged: Wakeup(), observe: observe)
        let lateness = Lateness(limit: settings.listen.limits.responseTimeout, log: log)
        let intake = Intake(
            rules: rules, ledger: ledger, clock: clock, metrics: metrics, health: surroundings.health,
            part: pulse.begin("intake"), log: log, outage: surroundings.outage,
            lateness: lateness,
            inboxChanged: surroundings.inboxChanged, refused: surroundings.intakeRefused)
        surroundings.isIntakeBusy = { intake.isBusy }
        let certificate = try settings.listen.tls.identityFiles.map { files in
            try Certificate(files, clock: clock, metrics: metrics, health: surroundings.health, log: log)
        }
        let wire = certificate.map { certificate in { @Sendable () -> any Wire in TLSWire(certificate.context) } }
        let (health, startedAt) = (surroundings.health, clock.now())
        let current = Current(settings)
        let pages = try AdminPages(
            ledger: ledger, clock: clock, metrics: metrics, health: health,
            token: settings.admin.token?.reveal, delivery: settings.delivery, acknowledgements: intake.acknowledgements
        ) {
            StatusPage.Facts(
                version: Release.version, startedAt: startedAt, certificateDays: certificate?.remainingDays,
                clockSkewSeconds: health.clockSkewSeconds,
                toleranceSeconds: current.settings.webhook.tolerance.components.seconds,
                sweepInterval: current.settings.reconcile.interval)
        }
        self.current = current
        self.certificate = certificate
        self.reload = reload
        self.surroundings = surroundings
        self.intake = intake
        self.lateness = lateness
        self.pages = pages
        self.log = log
        self.output = output
        let processID = getpid()
        manager = ServiceManager(environment: environment, processID: processID)
        let sockets = ActivatedSockets(environment: environment, processID: processID)
        hasSocketUnit = !sockets.webhooks.isEmpty
        let date: @Sendable () -> String = { [clock = surroundings.clock] in clock.now().httpDate }
        startedWith = settings
        publicServer = Server(
            host: settings.listen.host, port: settings.listen.port, sockets: sockets.webhooks,
            limits: settings.listen.limits,
            observer: { metrics.count($0, listener: "public", log: log) }, wire: wire,
            admission: { intake.admit($0) }, date: date, drained: { intake.commit() },
            handler: { intake.handle($0, $1) })
        adminServer = Server(
            host: settings.admin.host, port: settings.admin.port, sockets: sockets.admin, limits: .admin,
            observer: { metrics.count($0, listener: "admin", log: log) }, date: date,
            handler: { pages.handle($0, $1) })
        // A configuration whose key or URL cannot be used must stop the start, not a worker later.
        _ = try Workers(settings: settings, surroundings: surroundings)
    }

    /// Where Seam's webhooks are taken; known once the daemon is ready.
    package var webhookURL: String {
        Self.url(certificate == nil ? "http" : "https", startedWith.listen.host, publicServer.port)
            + current.settings.listen.path
    }

    package var adminURL: String {
        Self.url("http", startedWith.admin.host, adminServer.port)
    }

    /// One that can be asked on this machine, also where every address is listened on.
    private static func url(_ scheme: String, _ host: String, _ port: Int) -> String {
        let shown = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host
        // RFC 3986, 3.2.2: an IPv6 address is in brackets.
        return "\(scheme)://\(shown.contains(":") ? "[\(shown)]" : shown):\(port)"
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
        do {
            try await intake.acknowledgements.restore(
                from: surroundings.ledger, now: surroundings.clock.now())
        } catch {
            log.warning("The history of answers could not be read", metadata: ["error": "\(error)"])
        }
        try adminServer.start()
        try publicServer.start()
        // Stopped in the reverse order: the listener first, so that what it has read is still committed and answered.
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    ServiceGroupConfiguration.ServiceConfiguration(service: WatchdogService(daemon: self)),
                    ServiceGroupConfiguration.ServiceConfiguration(service: CertificateService(daemon: self)),
                    ServiceGroupConfiguration.ServiceConfiguration(service: HistoryService(daemon: self)),
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
    func applyReload() -> Workers? {
        manager.notifyReloading()
        defer { manager.notifyReady(status: status) }
        do {
            let new = try reload()
            let rules = try Self.rules(of: new)
            let workers = try Workers(settings: new, surroundings: surroundings)
            // The last that can fail, so that the certificate is not exchanged for a configuration that is refused.
            if let files = new.listen.tls.identityFiles {
                // What is listened on with TLS from the next start on must not fail then, when nobody may be there.
                if let certificate { try certificate.replace(with: files) } else { _ = try TLSIdentity(files) }
            }
            let old = current.exchange(for: new)
            intake.replaceRules(rules)
            pages.replace(new.delivery)
            publicServer.update(new.listen.limits)
            output?.apply(new.log.level)
            let changed = new.differences(from: old)
            log.notice("The configuration was loaded anew", metadata: ["changed": "\(changed.joined(separator: " "))"])
            for key in new.differences(from: startedWith) where Settings.restartOnlyKeys.contains(key) {
                log.warning("A changed key takes effect at the next start only", metadata: ["key": "\(key)"])
            }
            if (certificate == nil) != (new.listen.tls.files == nil) {
                log.warning(
                    "A changed key takes effect at the next start only", metadata: ["key": "listen.tls"])
            }
            for warning in new.warnings { log.warning("\(warning)") }
            noteReload(succeeded: true)
            return workers
        } catch {
            log.error("The new configuration was refused, the old one stays", metadata: ["error": "\(error)"])
            noteReload(succeeded: false)
            return nil
        }
    }

    private func noteReload(succeeded: Bool) {
        surroundings.health.noteReload(succeeded: succeeded)
        surroundings.metrics.set(
            "sparekey_reload_success", to: succeeded ? 1 : 0, help: "Whether the last reload was applied: 1 or 0.")
    }

    /// The line that `systemctl status` shows.
    var status: String {
        let problems = surroundings.health.report().problems
        return "Taking webhooks at \(webhookURL)" + (problems.isEmpty ? "" : "; " + problems.joined(separator: ", "))
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
        // `curl -X POST` says none.
        limits.requiresLength = false
        limits.responseTimeout = .seconds(10)
        return limits
    }
}

extension Logger {
    /// The service group's own lines are of no use to an operator below warnings. `log.level` may ask for less still.
    fileprivate var quiet: Logger {
        var logger = self
        logger.logLevel = .warning
        return logger
    }
}

extension Daemon {
    /// Whether a start failed for what the configuration says, rather than for what the machine did.
    package static func isConfigurationFault(_ error: any Error) -> Bool {
        error is SeamConfigurationError || error is SecretError || error is SignatureVerifier.ConfigurationError
            || error is ConfigurationError || error is TLSFileError
    }
}
