package import Seam
package import Settings

/// Whether Seam has a webhook that leads here, with the events and the secret that are needed.
package struct WebhookRegistration: Sendable {
    private let publicURL: String?
    private let secrets: [SecretText]
    private let triggerEvents: [String]
    /// The path on which this machine itself takes webhooks; nil behind a proxy, which may have another.
    private let ownPath: String?
    private let isSeamRemote: Bool

    package init(settings: Settings) {
        publicURL = settings.webhook.publicURL
        secrets = settings.webhook.secrets
        triggerEvents = settings.failover.triggerEvents
        ownPath = settings.listen.tls.files == nil ? nil : settings.listen.path
        isSeamRemote = settings.seam.baseURL.hasPrefix("https://")
    }

    package func findings(_ webhooks: [Webhook]) -> [CheckFinding] {
        guard let publicURL else {
            let known =
                webhooks.isEmpty ? "Seam has no webhook." : "Seam has \(webhooks.count), perhaps one of them ours."
            return [
                CheckFinding(
                    "webhook.unknown", webhooks.isEmpty ? .error : .warning, "webhook.public_url is not set",
                    detail: known, fix: "Set webhook.public_url to the URL as Seam sees it, then check again.")
            ]
        }
        let ours = webhooks.filter { $0.url == publicURL }
        var findings = judgeURL(publicURL)
        guard !ours.isEmpty else {
            let others =
                webhooks.isEmpty ? "nothing at all" : webhooks.map { Self.withoutQuery($0.url) }.joined(separator: ", ")
            let missing = CheckFinding(
                "webhook.missing", .error, "Seam has no webhook to webhook.public_url",
                detail: "\(Self.withoutQuery(publicURL)) is not registered; registered is \(others).",
                fix: "sparekey webhook register, or set webhook.public_url to the URL that is registered.")
            return findings + [missing]
        }
        findings += ours.flatMap(judge)
        if ours.count > 1 {
            findings.append(
                CheckFinding(
                    "webhook.twice", .warning, "Seam has \(ours.count) webhooks to webhook.public_url",
                    detail: ours.map(\.id).joined(separator: ", ") + ": each event comes as often.",
                    fix: "Delete all but one: "
                        + ours.dropFirst().map { "sparekey webhook delete \($0.id)" }.joined(separator: "; ")))
        }
        return findings.isEmpty
            ? [CheckFinding("webhook.ok", .ok, "Seam's webhook leads here", detail: Self.withoutQuery(publicURL))]
            : findings
    }

    private func judgeURL(_ url: String) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        // Loading lets only loopback be without TLS.
        if url.hasPrefix("http://"), isSeamRemote {
            findings.append(
                CheckFinding(
                    "webhook.local_url", .error, "webhook.public_url leads to this machine only",
                    detail: "\(Self.withoutQuery(url)) is no URL that Seam can reach.",
                    fix: "Set webhook.public_url to the https:// URL at which the internet finds this machine."))
        }
        if let ownPath, Self.path(of: url) != ownPath {
            findings.append(
                CheckFinding(
                    "webhook.path", .error, "webhook.public_url has another path than listen.path",
                    detail: "Seam posts to \(Self.path(of: url)); everything but \(ownPath) is answered 404.",
                    fix: "Make both the same, and then: sparekey webhook register"))
        }
        return findings
    }

    /// A query may hold a token.
    private static func withoutQuery(_ url: String) -> String { String(url.prefix { $0 != "?" }) }

    private static func path(of url: String) -> Substring {
        let authority = withoutQuery(url).drop { $0 != ":" }.dropFirst(3)
        let path = authority.drop { $0 != "/" }
        return path.isEmpty ? "/" : path
    }

    private func judge(_ webhook: Webhook) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        let missing = SeamEvent.usedTypes(triggers: triggerEvents).filter { !webhook.takes($0) }
        if !missing.isEmpty {
            let triggers = missing.filter(triggerEvents.contains)
            findings.append(
                CheckFinding(
                    "webhook.events", triggers.isEmpty ? .warning : .error,
                    triggers.isEmpty
                        ? "The webhook lacks events by which a stay is followed"
                        : "The webhook lacks events that open a failover",
                    detail: "\(webhook.id) lacks \((triggers.isEmpty ? missing : triggers).joined(separator: ", ")).",
                    fix: "sparekey webhook register"))
        }
        if let secret = webhook.secret.map(SecretText.init), !secrets.isEmpty,
            !secrets.contains(where: { $0.isSameSecret(as: secret) })
        {
            findings.append(
                CheckFinding(
                    "webhook.secret", .error, "Seam signs with another secret than webhook.secret",
                    detail: "Every webhook of \(webhook.id) is refused with 401.",
                    fix: "sparekey webhook register, or copy the webhook's secret from Seam Console"))
        }
        return findings
    }
}
