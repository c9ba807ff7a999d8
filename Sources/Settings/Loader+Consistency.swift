internal import HTTPClient
internal import Time

extension Loader {
    /// What each key allows alone but not together with others. A key that was refused already is left out.
    mutating func checkConsistency() {
        checkTLS()
        checkListeners()
        checkRetries()
        checkDelivery()
        checkRetention()
    }

    private func areSound(_ keys: String...) -> Bool { !keys.contains(where: refused.contains) }

    private mutating func checkTLS() {
        let certificate = "listen.tls.certificate_file"
        let privateKey = "listen.tls.private_key_file"
        guard areSound(certificate, privateKey) else { return }
        let tls = settings.listen.tls
        if tls.certificateFile != nil, tls.privateKeyFile == nil {
            report(certificate, "is given without \(privateKey)", fix: "give both, or neither for plain HTTP")
        } else if tls.certificateFile == nil, tls.privateKeyFile != nil {
            report(privateKey, "is given without \(certificate)", fix: "give both, or neither for plain HTTP")
        }
    }

    private mutating func checkListeners() {
        guard areSound("listen.host", "listen.port", "admin.host", "admin.port") else { return }
        let (listen, admin) = (settings.listen, settings.admin)
        let wildcards = ["0.0.0.0", "::"]
        let hostsMeet =
            listen.host == admin.host || wildcards.contains(listen.host) || wildcards.contains(admin.host)
        if listen.port != 0, listen.port == admin.port, hostsMeet {
            report(
                given("admin.port") == nil && given("listen.port") != nil ? "listen.port" : "admin.port",
                "listen and admin would share port \(admin.port)", fix: "give one of them another port")
        }
        if !isLoopback(host: admin.host) {
            warn(
                "admin.host", "shows metrics and the status page, which have no password, beyond this machine",
                fix: "use 127.0.0.1, or let a firewall or proxy decide who gets there")
        }
    }

    private mutating func checkRetries() {
        let failover = settings.failover
        if areSound("failover.retry_initial", "failover.retry_max"), failover.retryInitial > failover.retryMax {
            reportRetry("failover", initial: failover.retryInitial, max: failover.retryMax)
        }
        let delivery = settings.delivery
        if areSound("delivery.retry_initial", "delivery.retry_max"), delivery.retryInitial > delivery.retryMax {
            reportRetry("delivery", initial: delivery.retryInitial, max: delivery.retryMax)
        }
    }

    private mutating func reportRetry(_ section: String, initial: Duration, max: Duration) {
        let key = given("\(section).retry_initial") == nil ? "\(section).retry_max" : "\(section).retry_initial"
        report(
            key, "retry_initial (\(initial.configured)) is longer than retry_max (\(max.configured))",
            fix: "give a shorter \(section).retry_initial or a longer \(section).retry_max")
    }

    private mutating func checkDelivery() {
        guard areSound("delivery.webhook.url", "delivery.command", "delivery.manual") else { return }
        let delivery = settings.delivery
        for way in areSound("delivery.order") ? delivery.order ?? [] : [] {
            let isThere =
                switch way {
                case .webhook: delivery.webhook.url != nil
                case .command: delivery.command != nil
                case .manual: delivery.manual
                }
            if !isThere {
                report(
                    "delivery.order", "`\(way.rawValue)` is no way that is configured",
                    fix: way == .manual ? "turn delivery.manual on" : "configure it, or leave it out of the order")
            }
        }
        let secretKeys = ["delivery.webhook.secret", "delivery.webhook.secret_file"]
        if delivery.webhook.url == nil, let key = secretKeys.first(where: { given($0) != nil }) {
            warn(key, "is given, but no delivery.webhook.url to push to", fix: "give the URL, or remove the secret")
        }
        if !delivery.manual, delivery.webhook.url == nil, delivery.command == nil {
            warn(
                "delivery.manual", "is off, and no other way is configured, so nobody tells a guest the new code",
                fix: "set delivery.webhook.url or delivery.command, or turn delivery.manual on")
        }
    }

    /// An event that is forgotten while a sweep can still list it would be taken for a new one.
    private mutating func checkRetention() {
        guard areSound("retention.events", "reconcile.overlap"),
            settings.retention.events < settings.reconcile.overlap
        else { return }
        report(
            given("retention.events") == nil ? "reconcile.overlap" : "retention.events",
            "retention.events is shorter than reconcile.overlap, so a sweep would find events again",
            fix: "give a longer retention.events or a shorter reconcile.overlap")
    }
}
