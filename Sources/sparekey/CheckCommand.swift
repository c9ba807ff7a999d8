internal import ArgumentParser
internal import Checks
internal import Daemon
internal import Foundation
internal import HTTPClient
internal import Presentation
internal import Settings

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Finds what would go wrong before a guest does.",
        discussion: """
            Looks at the configuration, the secrets, the clock, the ports, the certificate, the database and its disk, Seam's API key, the \
            registered webhook, each lock's pool and the ways of delivery. It changes nothing and works while the daemon runs. As root \
            it judges files by the user that the database's folder belongs to. \
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
            try await show(CheckReport(findings: ConfigurationCheck.findings(of: error)))
            throw ExitCode(78)
        }
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 4, userAgent: Release.userAgent)
        let progress = ProgressLine()
        let report = await CheckRun(settings: settings, transport: transport).report {
            progress.show("Looking at \($0)")
        }
        progress.end()
        try await show(report)
        if !report.isOK { throw ExitCode(2) }
    }

    private func show(_ report: CheckReport) async throws {
        let environment = ProcessInfo.processInfo.environment
        let text = FindingsText(
            width: Terminal.width(environment: environment),
            showsColours: Terminal.showsColours(environment: environment))
        try await exiting { try Terminal.write(json ? report.jsonText + "\n" : text.text(report.json)) }
    }
}
