internal import ArgumentParser
internal import JSON
internal import Ledger
internal import Presentation

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Print every event, decision, API call and delivery of one access code, substitution or event.",
        discussion: """
            Reads the database file, so it works while the daemon runs and while it does not. In JSON and CSV it is the timeline, one \
            entry a row.
            """)

    @Argument(
        help: ArgumentHelp(
            "The ID of an access code or its backup, a substitution, a failover, a delivery, or an event (or its svix-id).",
            valueName: "id"))
    var id: String

    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PINOptions
    @OptionGroup var options: ConfigurationOptions

    func validate() throws {
        if id.isEmpty { throw ValidationError("The ID is empty.") }
    }

    func run() async throws {
        try await exiting {
            let reader = try LogReader(path: try options.databasePath())
            guard let explanation = try await reader.explain(id) else {
                Terminal.diagnose(
                    """
                    sparekey: nothing is known of \(TerminalText.escaped(id)). \
                    The log has the IDs of what failed (`sparekey log`); events are kept for retention.events.
                    """)
                throw ExitCode.failure
            }
            try print(explanation)
        }
    }

    private func print(_ explanation: Explanation) throws {
        let entries = explanation.timeline.map { $0.json(showingPINs: pins.showsPINs) }
        guard output.format == .table else {
            var printer = output.printer(fields: TimelineEntry.columns, columns: [])
            try Terminal.write(printer.text(entries) + printer.end())
            return
        }
        let heads = explanation.failovers.map {
            FailoverSummary.lines($0.json(showingPINs: pins.showsPINs), zone: output.zone)
        }
        let blocks = heads + [TimelineText(width: output.width, zone: output.zone).lines(entries)]
        try Terminal.write(blocks.map { $0.map { $0 + "\n" }.joined() }.joined(separator: "\n"))
    }
}
