package import Seam
package import Settings

/// Whether Seam has a webhook that leads here, with the events and the secret that are needed.
package struct WebhookRegistration: Sendable {
    private let publicURL: String?
    private let secrets: [String]
    private let triggerEvents: [String]

    package init(settings: Settings) {
        publicURL = settings.webhook.publicURL
        secrets = settings.webhook.secrets.map { Self.bare($0.reveal) }
        triggerEvents = settings.failover.triggerEvents
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
        guard !ours.isEmpty else {
            let others = webhooks.isEmpty ? "none at all" : "\(webhooks.count), with other URLs"
            return [
                CheckFinding(
                    "webhook.missing", .error, "Seam has no webhook to webhook.public_url",
                    detail: "\(publicURL); registered are \(others).", fix: "sparekey webhook register")
            ]
        }
        var findings = ours.flatMap(judge)
        if ours.count > 1 {
            findings.append(
                CheckFinding(
                    "webhook.twice", .warning, "Seam has \(ours.count) webhooks to webhook.public_url",
                    detail: ours.map(\.id).joined(separator: ", ") + ": each event comes as often.",
                    fix: "Delete all but one: sparekey webhook delete"))
        }
        return findings.isEmpty
            ? [CheckFinding("webhook.ok", .ok, "Seam's webhook leads here", detail: publicURL)] : findings
    }

    private func judge(_ webhook: Webhook) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        if !webhook.eventTypes.isEmpty, !webhook.eventTypes.contains("*") {
            let taken = Set(webhook.eventTypes)
            let triggers = triggerEvents.filter { !taken.contains($0) }
            let others = SeamEvent.usedTypes.filter { !taken.contains($0) && !triggerEvents.contains($0) }
            if !triggers.isEmpty {
                findings.append(
                    CheckFinding(
                        "webhook.events", .error, "The webhook lacks events that open a failover",
                        detail: "\(webhook.id) lacks \(triggers.joined(separator: ", ")).",
                        fix: "sparekey webhook register"))
            } else if !others.isEmpty {
                findings.append(
                    CheckFinding(
                        "webhook.events", .warning, "The webhook lacks events by which a stay is followed",
                        detail: "\(webhook.id) lacks \(others.joined(separator: ", ")).",
                        fix: "sparekey webhook register"))
            }
        }
        if let secret = webhook.secret, !secrets.isEmpty, !secrets.contains(Self.bare(secret)) {
            findings.append(
                CheckFinding(
                    "webhook.secret", .error, "Seam signs with another secret than webhook.secret",
                    detail: "Every webhook of \(webhook.id) is refused with 401.",
                    fix: "Copy the webhook's secret from Seam Console, or: sparekey webhook register"))
        }
        return findings
    }

    /// A secret is the same with its prefix and without.
    private static func bare(_ secret: String) -> String {
        secret.hasPrefix("whsec_") ? String(secret.dropFirst("whsec_".count)) : secret
    }
}
