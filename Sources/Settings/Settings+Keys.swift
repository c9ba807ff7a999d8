extension Settings {
    /// Every key there is, section by section. A new key is one row below, one field in `Settings` and a few lines in
    /// the sample.
    package static let keys: [SettingsKey] = {
        let rows =
            listenKeys + adminKeys + seamKeys + failoverKeys + deliveryKeys + keepingKeys + secretKeys.flatMap(\.keys)
        var sections: [Substring] = []
        for row in rows where !sections.contains(row.section) { sections.append(row.section) }
        return sections.flatMap { section in rows.filter { $0.section == section } }
    }()

    /// The keys that take effect only with the next start.
    package static let restartOnlyKeys: [String] = keys.filter(\.needsRestart).map(\.name)

    static let secretKeys: [SecretKey] = [
        .several(
            "webhook.secret", \.webhook.secrets, credential: "webhook-secret", check: SecretKey.signingSecret,
            required: { _ in true }, "the signing secret of Seam's webhook"),
        .one(
            "seam.api_key", \.seam.apiKey, credential: "seam-api-key", check: SecretKey.apiKey,
            required: { _ in true }, "Seam's API key"),
        .one(
            "admin.token", \.admin.token, credential: "admin-token", check: SecretKey.bearerToken, restart: true,
            required: { _ in false }, "the bearer token of /api"),
        .one(
            "delivery.webhook.secret", \.delivery.webhook.secret, credential: "delivery-webhook-secret",
            check: SecretKey.signingSecret, required: { $0.delivery.webhook.url != nil },
            "the secret that signs what is pushed to delivery.webhook.url"),
    ]

    private static let listenKeys: [SettingsKey] = [
        .init("listen.host", \.listen.host, .host, restart: true, "the address Seam's webhooks arrive at"),
        .init(
            "listen.port", \.listen.port, .number(0...65535), defaultText: "8443 with TLS, else 8080", restart: true,
            "the port Seam's webhooks arrive at; 0 lets the system choose"),
        .init("listen.path", \.listen.path, .requestPath, "the path Seam's webhooks are posted to"),
        .init("listen.tls.certificate_file", \.listen.tls.certificateFile, .path, "PEM, the full chain"),
        .init("listen.tls.private_key_file", \.listen.tls.privateKeyFile, .path, "PEM, the certificate's key"),
        .init("listen.max_connections", \.listen.maxConnections, .number(1...100_000), "connections open at a time"),
        .init(
            "listen.max_connections_per_address", \.listen.maxConnectionsPerAddress, .number(1...100_000),
            "connections open at a time from one address; this machine's own are not counted"),
        .init(
            "listen.max_body_bytes", \.listen.maxBodyBytes, .number(1024...67_108_864, unit: "bytes"),
            "the largest webhook accepted"),
        .init(
            "listen.header_timeout", \.listen.headerTimeout, .duration(.milliseconds(100) ... .seconds(300)),
            "for the TLS handshake and the header of a request"),
        .init(
            "listen.idle_timeout", \.listen.idleTimeout, .duration(.milliseconds(100) ... .seconds(3600)),
            "how long a connection may do nothing"),
    ]

    private static let adminKeys: [SettingsKey] = [
        .init(
            "admin.host", \.admin.host, .host, restart: true, "the address of health, metrics, status page and API"),
        .init(
            "admin.port", \.admin.port, .number(0...65535), restart: true, "its port; 0 lets the system choose"),
    ]

    private static let seamKeys: [SettingsKey] = [
        .init(
            "webhook.tolerance", \.webhook.tolerance, .duration(.seconds(1) ... .seconds(86_400)),
            "how old or how far ahead a webhook's timestamp may be"),
        .init("webhook.public_url", \.webhook.publicURL, .url(query: true), "the webhook's URL as Seam sees it"),
        .init("seam.base_url", \.seam.baseURL, .url(query: false), "where Seam's API is"),
        .init(
            "seam.timeout", \.seam.timeout, .duration(.milliseconds(100) ... .seconds(300)),
            "how long one request to Seam may take"),
        // Each request under way blocks a thread, and Dispatch has 255 for all of the process: with 256 requests that hang, a webhook
        // waited 13 s for its answer.
        .init(
            "seam.max_concurrent_requests", \.seam.maxConcurrentRequests, .number(1...128),
            "requests to Seam at a time"),
        .init("database.path", \.database.path, .path, restart: true, "the SQLite file"),
    ]

    private static let failoverKeys: [SettingsKey] = [
        .init(
            "failover.trigger_events", \.failover.triggerEvents, .accessCodeEvents,
            "the events that open a failover"),
        .init(
            "failover.lead_time", \.failover.leadTime, .duration(.zero ... .seconds(365 * 86_400)),
            "how long before the stay a backup code is pulled at the earliest"),
        .init(
            "failover.retry_initial", \.failover.retryInitial, .duration(.milliseconds(10) ... .seconds(3600)),
            "the longest wait before the first repeat"),
        .init(
            "failover.retry_max", \.failover.retryMax, .duration(.milliseconds(10) ... .seconds(86_400)),
            "the longest wait before any repeat"),
        .init(
            "failover.reserve", \.failover.reserve, .number(0...100),
            "backup codes of a lock kept for stays that start within a day"),
        .init(
            "failover.draw_delay", \.failover.drawDelay, .duration(.zero ... .seconds(3600)),
            "how long a failure is watched before a backup code is pulled"),
        .init("failover.on_cancel", \.failover.onCancel, .choice, "what becomes of a cancelled booking's backup code"),
        .init("failover.on_recovery", \.failover.onRecovery, .choice, "what is told when the original works after all"),
        .init(
            "reconcile.interval", \.reconcile.interval, .duration(.seconds(1) ... .seconds(86_400)),
            "how often Seam's list of events is swept"),
        .init(
            "reconcile.overlap", \.reconcile.overlap, .duration(.zero ... .seconds(30 * 86_400)),
            "how far a sweep looks back behind the one before"),
        .init(
            "reconcile.state_interval", \.reconcile.stateInterval, .duration(.seconds(10) ... .seconds(86_400)),
            "how often a lock's access codes are read"),
        .init(
            "reconcile.requests_per_minute", \.reconcile.requestsPerMinute, .number(1...6000),
            "how many requests those readings may take"),
        .init(
            "reconcile.horizon", \.reconcile.horizon, .duration(.zero ... .seconds(365 * 86_400)),
            "how long before the stay a failed code is taken up without an event"),
    ]

    private static let deliveryKeys: [SettingsKey] = [
        .init("delivery.webhook.url", \.delivery.webhook.url, .url(query: true), "where guests' new codes are pushed"),
        .init(
            "delivery.command", \.delivery.command, .command, "the program that gets a guest's new code on its input"),
        .init(
            "delivery.retry_initial", \.delivery.retryInitial, .duration(.milliseconds(10) ... .seconds(3600)),
            "the longest wait before the first repeat"),
        .init(
            "delivery.retry_max", \.delivery.retryMax, .duration(.milliseconds(10) ... .seconds(86_400)),
            "the longest wait before any repeat"),
        .init(
            "delivery.timeout", \.delivery.timeout, .duration(.milliseconds(100) ... .seconds(600)),
            "how long one push or command may take"),
        .init(
            "delivery.claim_lease", \.delivery.claimLease, .duration(.seconds(1) ... .seconds(86_400)),
            "how long a claimed delivery waits for its acknowledgement"),
        .init(
            "delivery.manual", \.delivery.manual, .flag, defaultText: "true where no other way is configured",
            "whether there is a delivery for whoever claims it"),
        .init(
            "delivery.not_before", \.delivery.notBefore, .duration(.zero ... .seconds(365 * 86_400)),
            "how long before the stay a guest is told at the earliest"),
        .init(
            "delivery.order", \.delivery.order, .words(), "the ways that are tried one after the other"),
        .init(
            "delivery.fallback_after", \.delivery.fallbackAfter, .duration(.seconds(1) ... .seconds(86_400)),
            "how long a way of delivery.order has before the next is tried"),
        .init("delivery.language", \.delivery.language, .language, "the language of the texts for guests"),
        .init(
            "delivery.messages_folder", \.delivery.messagesFolder, .path,
            "the folder of texts that replace those that come with the program"),
        .init("delivery.message", \.delivery.message, .template, "the text for a guest with a new code"),
    ]

    private static let keepingKeys: [SettingsKey] = [
        .init(
            "retention.pins", \.retention.pins, .duration(.zero ... .seconds(3650 * 86_400)),
            "how long after the stay its backup code is kept"),
        .init(
            "retention.events", \.retention.events, .duration(.seconds(86_400) ... .seconds(3650 * 86_400)),
            "how long events are kept"),
        .init("heartbeat.url", \.heartbeat.url, .url(query: true), "the dead man's switch, called while all is well"),
        .init(
            "heartbeat.interval", \.heartbeat.interval, .duration(.seconds(1) ... .seconds(86_400)),
            "how often it is called"),
        .init("log.level", \.log.level, .choice, "what is logged"),
        .init("log.format", \.log.format, .choice, restart: true, "how it is logged"),
    ]
}
