package import Policy
package import Words

/// The configuration, checked as a whole. Every key that users set has one field here and one row in
/// `Settings.keys`; the initial values are the defaults.
package struct Settings: Sendable, Equatable {
    package var listen = Listen()
    package var admin = Admin()
    package var webhook = Webhook()
    package var seam = Seam()
    package var database = Database()
    package var failover = Failover()
    package var reconcile = Reconcile()
    package var delivery = Delivery()
    package var retention = Retention()
    package var heartbeat = Heartbeat()
    package var log = Log()

    /// The file that was read; nil where there was none.
    package var file: String?
    /// Where each secret was found, or would be looked for, by the secret's own key (`webhook.secret`).
    package var secretPlaces: [String: SecretPlace] = [:]
    /// Why a secret that is needed is not there, by its own key (`seam.api_key`); only where secrets were not required.
    package var missingSecrets: [String: Finding] = [:]
    /// What works but is unwise, such as a secret in a file that anyone on the machine can read.
    package var warnings: [Finding] = []

    /// The defaults.
    package init() {}

    /// The public listener.
    package struct Listen: Sendable, Equatable {
        package var host = "0.0.0.0"
        /// 8443 where TLS is configured and no port is. 0 lets the system choose.
        package var port = 8080
        package var path = "/webhooks/seam"
        package var tls = TLS()
        package var maxConnections = 4096
        package var maxConnectionsPerAddress = 512
        package var maxBodyBytes = 1_572_864
        package var headerTimeout: Duration = .seconds(10)
        package var idleTimeout: Duration = .seconds(60)
    }

    /// Loading makes sure that either both files are named or none.
    package struct TLS: Sendable, Equatable {
        /// PEM, the full chain, the server's own certificate first.
        package var certificateFile: String?
        /// PEM.
        package var privateKeyFile: String?

        /// Both files, or nil for plain HTTP.
        package var files: (certificate: String, privateKey: String)? {
            guard let certificateFile, let privateKeyFile else { return nil }
            return (certificateFile, privateKeyFile)
        }
    }

    /// The listener for health, metrics, status page and API.
    package struct Admin: Sendable, Equatable {
        package var host = "127.0.0.1"
        /// 0 lets the system choose.
        package var port = 9464
        /// Nil: `/api/*` answers nobody.
        package var token: SecretText?
    }

    /// Seam's webhooks.
    package struct Webhook: Sendable, Equatable {
        /// All that are valid, several while rotating.
        package var secrets: [SecretText] = []
        /// How far a message's timestamp may lie from now, either way.
        package var tolerance: Duration = .seconds(5 * 60)
        /// As Seam sees it.
        package var publicURL: String?
    }

    /// Seam's API.
    package struct Seam: Sendable, Equatable {
        package var baseURL = "https://connect.getseam.com"
        /// Nil only where secrets were not required.
        package var apiKey: SecretText?
        package var timeout: Duration = .seconds(15)
        package var maxConcurrentRequests = 8
    }

    package struct Database: Sendable, Equatable {
        package var path = "/var/lib/sparekey/sparekey.db"
    }

    package struct Failover: Sendable, Equatable {
        package var triggerEvents = ["access_code.failed_to_set_on_device", "access_code.failed_to_issue"]
        /// Nil: a backup code is pulled at once, however far away the stay is.
        package var leadTime: Duration?
        package var retryInitial: Duration = .seconds(2)
        package var retryMax: Duration = .seconds(5 * 60)
        /// Codes of a lock kept for stays that start within a day.
        package var reserve = 0
        /// How long a failure is watched before a backup is drawn for it.
        package var drawDelay: Duration = .zero
        package var onCancel = CancelPolicy.endBackup
        package var onRecovery = RecoveryPolicy.keepBackup
    }

    /// The sweeps over Seam's own list of events, and over the locks and their access codes.
    package struct Reconcile: Sendable, Equatable {
        package var interval: Duration = .seconds(5 * 60)
        package var overlap: Duration = .seconds(60 * 60)
        /// From one reading of a lock's access codes to the next.
        package var stateInterval: Duration = .seconds(15 * 60)
        package var requestsPerMinute = 60
        /// Stays that start within this are looked after.
        package var horizon: Duration = .seconds(72 * 3600)
    }

    /// How the guest's side is told.
    package struct Delivery: Sendable, Equatable {
        package var webhook = DeliveryWebhook()
        /// The program's absolute path and its arguments; nil: none.
        package var command: [String]?
        package var retryInitial: Duration = .seconds(5)
        package var retryMax: Duration = .seconds(15 * 60)
        package var timeout: Duration = .seconds(15)
        package var claimLease: Duration = .seconds(5 * 60)
        /// On by itself only where no other way is configured.
        package var manual = true
        /// Nil: a guest is told at once.
        package var notBefore: Duration?
        /// The ways that are tried one after the other; those that are not in it are told at once. Nil: all are.
        package var order: [DeliveryWayName]?
        /// How long a way of the order has before the next is tried, too.
        package var fallbackAfter: Duration = .seconds(2 * 60)
        package var language = "en"
        /// Where texts are looked for before those that come with the program.
        package var messagesFolder: String?
        /// In place of the language's own text for a new code.
        package var message: String?
        /// What the three keys above come to; loading makes sure that it can be used.
        package var texts = MessageTexts.english
    }

    package enum DeliveryWayName: String, Sendable, CaseIterable { case webhook, command, manual }

    /// The signed push. Loading makes sure that a URL comes with a secret, where secrets are required.
    package struct DeliveryWebhook: Sendable, Equatable {
        package var url: String?
        package var secret: SecretText?
    }

    package struct Retention: Sendable, Equatable {
        /// Counted from the end of the stay.
        package var pins: Duration = .seconds(30 * 86_400)
        package var events: Duration = .seconds(90 * 86_400)
    }

    /// The dead man's switch.
    package struct Heartbeat: Sendable, Equatable {
        /// Called while all is well; nil: none is.
        package var url: String?
        package var interval: Duration = .seconds(60)
    }

    package struct Log: Sendable, Equatable {
        package var level = Level.info
        package var format = Format.auto

        /// From the most to the least that is written.
        package enum Level: String, Sendable, CaseIterable { case debug, info, notice, warning, error }

        /// `auto` is the journal's form under systemd, else text.
        package enum Format: String, Sendable, CaseIterable { case auto, journal, text, json }
    }
}
