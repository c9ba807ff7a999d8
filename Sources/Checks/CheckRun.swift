package import HTTPClient
internal import Seam
package import Settings
package import Time

/// All checks of one configuration, in the order in which things are set up.
package struct CheckRun: Sendable {
    private let checks: [any Check]

    /// - Parameters:
    ///   - settings: complete, with secrets.
    ///   - volume: what holds a folder; tests say so themselves.
    package init(
        settings: Settings, transport: any HTTPTransport, clock: any WallClock = SystemWallClock(),
        volume: @escaping @Sendable (String) -> Volume? = { Volume(holding: $0) }
    ) {
        var checks: [any Check] = [
            ConfigurationCheck(settings),
            ClockCheck(
                baseURL: settings.seam.baseURL, transport: transport, clock: clock,
                tolerance: settings.webhook.tolerance, timeout: settings.seam.timeout),
            CertificateCheck(settings: settings, clock: clock),
            DatabaseCheck(path: settings.database.path, volume: volume),
        ]
        do {
            let key = try APIKey(settings.seam.apiKey?.reveal ?? "")
            let seam = try SeamClient(
                baseURL: settings.seam.baseURL, apiKey: key, transport: transport, timeout: settings.seam.timeout,
                clock: clock)
            checks.append(SeamCheck(seam, settings: settings))
        } catch {
            let finding = CheckFinding(
                "seam.key", .error, "The API key cannot be used", detail: "\(error).",
                fix: "Create an API key in Seam Console under Developer > API Keys, and set it as seam.api_key.")
            checks.append(Known(finding))
        }
        checks.append(DeliveryCheck(settings.delivery))
        self.checks = checks
    }

    package func report() async -> CheckReport {
        var findings: [CheckFinding] = []
        for check in checks { findings += await check.findings() }
        return CheckReport(findings: findings)
    }
}

/// What is known before anything is looked at.
private struct Known: Check {
    let finding: CheckFinding

    init(_ finding: CheckFinding) {
        self.finding = finding
    }

    func findings() async -> [CheckFinding] { [finding] }
}
