package import HTTPClient
internal import Ledger
internal import Seam
package import Settings
package import Time

/// All checks of one configuration, in the order in which things are set up.
package struct CheckRun: Sendable {
    private let checks: [(area: String, check: any Check)]

    /// - Parameters:
    ///   - settings: complete, with secrets.
    ///   - account: the user that runs the service; nil to find out.
    ///   - volume: what holds a folder; tests say so themselves.
    package init(
        settings: Settings, transport: any HTTPTransport, clock: any WallClock = SystemWallClock(),
        account: ServiceAccount? = nil, volume: @escaping @Sendable (String) -> Volume? = { Volume(holding: $0) }
    ) {
        let database = settings.database.path
        let account = account ?? ServiceAccount(databasePath: database)
        checks = [
            ("the configuration", ConfigurationCheck(settings, account: account)),
            ("the service's unit", UnitCheck(settings)),
            (
                "the clock",
                ClockCheck(
                    baseURL: settings.seam.baseURL, transport: transport, clock: clock,
                    tolerance: settings.webhook.tolerance, timeout: settings.seam.timeout)
            ),
            ("the ports", ListenCheck(settings: settings)),
            ("the certificate", CertificateCheck(settings: settings, clock: clock, account: account)),
            ("the database", DatabaseCheck(settings, account: account, volume: volume)),
            ("Seam", Self.seamCheck(settings, transport: transport, clock: clock)),
            ("the ways of delivery", DeliveryCheck(settings.delivery, transport: transport, account: account)),
        ]
    }

    /// - Parameter progress: told what is looked at next.
    package func report(progress: (String) -> Void = { _ in }) async -> CheckReport {
        var findings: [CheckFinding] = []
        for (area, check) in checks {
            progress(area)
            findings += await check.findings()
        }
        return CheckReport(findings: findings)
    }

    private static func seamCheck(
        _ settings: Settings, transport: any HTTPTransport, clock: any WallClock
    ) -> any Check {
        do {
            let key = try APIKey(settings.seam.apiKey?.reveal ?? "")
            let seam = try SeamClient(
                baseURL: settings.seam.baseURL, apiKey: key, transport: transport, timeout: settings.seam.timeout,
                clock: clock)
            return SeamCheck(seam, settings: settings) { [path = settings.database.path] in
                let rows = try? await LogReader(path: path).devices()
                return Set((rows ?? []).compactMap { $0.text("device_id") })
            }
        } catch {
            return Known(
                CheckFinding(
                    "seam.key", .error, "The API key cannot be used", detail: "\(error).",
                    fix: "Create an API key in Seam Console under Developer > API Keys, and set it as seam.api_key."))
        }
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
