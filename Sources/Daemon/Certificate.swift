internal import Crypto
internal import Logging
internal import Settings
internal import Time

/// The listener's certificate, with what an operator is told of it.
final class Certificate: Sendable {
    private let identity: TLSIdentity
    private let clock: any WallClock
    private let metrics: Metrics
    private let health: Health
    private let log: Logger

    init(
        _ files: TLSIdentity.Files, clock: any WallClock, metrics: Metrics, health: Health, log: Logger
    ) throws(TLSFileError) {
        identity = try TLSIdentity(files)
        self.clock = clock
        self.metrics = metrics
        self.health = health
        self.log = log
        report(isSound: true)
        if remainingSeconds <= 0 {
            log.warning(
                "The certificate has expired; Seam will not connect", metadata: ["file": "\(files.certificate)"])
        }
    }

    /// What the next connection gets.
    var context: TLSContext { identity.context }

    /// Takes files that a reload names; throws when they cannot be used, and the old certificate stays.
    func replace(with files: TLSIdentity.Files) throws(TLSFileError) {
        do {
            try identity.replace(with: files)
            report(isSound: true)
        } catch {
            report(isSound: false)
            throw error
        }
    }

    /// Takes the files anew if they have changed; says so, or why they cannot be used.
    func refresh() {
        do {
            guard try identity.refresh() else {
                report(isSound: nil)
                return
            }
            report(isSound: true)
            log.notice("The certificate was loaded anew", metadata: ["days": "\(remainingSeconds / 86_400)"])
        } catch {
            report(isSound: false)
            log.error("The changed certificate was refused, the old one stays", metadata: ["error": "\(error)"])
        }
    }

    var remainingDays: Double { Double(remainingSeconds) / 86_400 }

    private var remainingSeconds: Int64 { identity.context.expiresAt - clock.now().secondsSinceEpoch }

    private func report(isSound: Bool?) {
        health.noteCertificate(isExpired: remainingSeconds <= 0)
        metrics.set(
            "sparekey_tls_certificate_days", to: remainingDays,
            help: "Days until the listener's certificate expires.")
        if let isSound {
            metrics.set(
                "sparekey_tls_reload_success", to: isSound ? 1 : 0,
                help: "Whether the certificate's files could be used when they were last read: 1 or 0.")
        }
    }
}

extension Settings.TLS {
    var identityFiles: TLSIdentity.Files? {
        files.map { TLSIdentity.Files(certificate: $0.certificate, privateKey: $0.privateKey) }
    }
}
