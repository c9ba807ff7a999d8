internal import ArgumentParser
internal import JSON
internal import Ledger
internal import Presentation
internal import Time

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Print the failover and substitution log.",
        discussion: """
            Reads the database file, so it works while the daemon runs and while it does not. \(FailoverFilter.times) \
            --follow ends at --until.
            """)

    @OptionGroup var filter: FailoverFilter

    @Flag(help: "Go on printing failovers as they change; in JSON, one object a line.")
    var follow = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var pins: PINOptions
    @OptionGroup var options: ConfigurationOptions

    func validate() throws { try filter.validate(zone: output.zone) }

    func run() async throws {
        try await exiting {
            let reader = try LogReader(path: try options.databasePath())
            try await print(from: reader, clock: SystemWallClock())
        }
    }

    private func print(from reader: LogReader, clock: some WallClock) async throws {
        var query = filter.query(now: clock.now(), zone: output.zone)
        var printer = output.printer(fields: FailoverLogPage.columns, columns: Self.columns, isFollowing: follow)
        var news = ChangedRows(key: "failover_id")

        func printPage() async throws -> Int {
            let page = try await reader.failoverLog(query)
            query.after = page.place
            let rows = news.changed(page.rows.map { $0.json(showingPINs: pins.showsPINs) })
            try Terminal.write(printer.text(rows))
            return rows.count
        }

        let count = try await printPage()
        while follow, query.until.map({ clock.now() < $0 }) ?? true {
            try await clock.sleep(for: .milliseconds(500))
            _ = try await printPage()
        }
        try Terminal.write(printer.end())
        if count == 0, !follow, output.format == .table { Terminal.diagnose("No failover matches.") }
    }

    private static let columns = [
        TableColumn("OPENED", field: "opened_at", expectedWidth: 20, isTime: true),
        TableColumn("STATE", field: "state", expectedWidth: 11, colour: Colour.ofState),
        TableColumn("REASON", field: "reason", expectedWidth: 16, omission: 2),
        TableColumn("ACCESS CODE", field: "access_code_id", expectedWidth: 36),
        TableColumn("NAME", field: "original_name", minimumWidth: 8, expectedWidth: 16, omission: 1),
        TableColumn("PIN", field: "backup_code", expectedWidth: 8, omission: 3),
        TableColumn("DELIVERY", field: "delivery_state", expectedWidth: 9, omission: 4, colour: Colour.ofState),
        TableColumn("STARTS", field: "original_starts_at", expectedWidth: 20, omission: 5, isTime: true),
        TableColumn("DEVICE", field: "device_id", expectedWidth: 36, omission: 6),
    ]
}
