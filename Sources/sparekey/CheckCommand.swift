internal import ArgumentParser
internal import Checks
internal import Daemon
internal import Foundation
internal import HTTPClient
internal import Settings

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Finds what would go wrong before a guest does.",
        discussion: """
            Looks at the configuration, the secrets, the clock, the certificate, the database and its disk, Seam's API key, the registered \
            webhook, each lock's pool and the ways of delivery. It changes nothing and works while the daemon runs. \
            Exits with 0 only when nothing is wrong, with 2 for any error or warning, with 78 where the configuration \
            cannot be loaded.
            """)

    @OptionGroup var options: ConfigurationOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let settings: Settings
        do {
            settings = try Settings.load(
                path: options.path, environment: ProcessInfo.processInfo.environment, requireSecrets: true)
        } catch {
            show(CheckReport(findings: ConfigurationCheck.findings(of: error)))
            throw ExitCode(78)
        }
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 4, userAgent: Release.userAgent)
        let report = await CheckRun(settings: settings, transport: transport).report()
        show(report)
        if !report.isOK { throw ExitCode(2) }
    }

    private func show(_ report: CheckReport) {
        printToStandardOutput(json ? report.jsonText : report.text)
    }
}
