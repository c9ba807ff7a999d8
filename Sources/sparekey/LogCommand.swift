internal import ArgumentParser
internal import JSON
internal import Ledger
internal import Policy
internal import Presentation
internal import Time

struct LogCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log",
        abstract: "Print the failover and substitution log.",
        discussion: """
            Reads the database file, so it works while the daemon runs and while it does not. A time is ISO 8601 \
            (2026-11-20T16:20:00Z, or 2026-11-20; UTC where it names no offset) or a duration back from now (24h, 7d); it is \
            compared with the time at which a failover was opened.
            """)

    @Option(help: ArgumentHelp("Only failovers opened at this time or later.", valueName: "time"))
    var since: TimeArgument?

    @Option(help: ArgumentHelp("Only failovers opened before this time; --follow ends then.", valueName: "time"))
    var until: TimeArgument?

    @Option(help: ArgumentHelp("Only failovers of this lock.", valueName: "device id"))
    var device: String?

    @Option(help: "Only failovers in this state.")
    var state: FailoverState?

    @Flag(help: "Go on printing failovers as they change; in JSON, one object a line.")
    var follow = false

    @OptionGroup var output: OutputOptions
    @OptionGroup var options: ConfigurationOptions

    func validate() throws {
        let now = SystemWallClock().now()
        if let since, let until, since.instant(now: now) >= until.instant(now: now) {
            throw ValidationError("--since must be before --until.")
        }
    }

    func run() async throws {
        try await exiting {
            let reader = try LogReader(path: try databasePath(configuration: options.path))
            try await print(from: reader, clock: SystemWallClock())
        }
    }

    private func print(from reader: LogReader, clock: some WallClock) async throws {
        let now = clock.now()
        var query = FailoverLogQuery(
            since: since?.instant(now: now), until: until?.instant(now: now), deviceID: device, state: state)
        var printer = RowPrinter(
            output.format, fields: FailoverLogPage.columns, columns: Self.columns, width: output.width,
            isFollowing: follow)
        var news = ChangedRows(key: "failover_id")

        func printPage() async throws -> Int {
            let page = try await reader.failoverLog(query)
            query.after = page.place
            let rows = news.changed(page.rows.map { $0.json(showingPINs: output.showsPINs) })
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
        TableColumn("STATE", field: "state", expectedWidth: 11),
        TableColumn("REASON", field: "reason", expectedWidth: 16, omission: 2),
        TableColumn("ACCESS CODE", field: "access_code_id", expectedWidth: 36),
        TableColumn("NAME", field: "original_name", minimumWidth: 8, expectedWidth: 16, omission: 1),
        TableColumn("PIN", field: "backup_code", expectedWidth: 8, omission: 3),
        TableColumn("DELIVERY", field: "delivery_state", expectedWidth: 9, omission: 4),
        TableColumn("STARTS", field: "original_starts_at", expectedWidth: 20, omission: 5, isTime: true),
        TableColumn("DEVICE", field: "device_id", expectedWidth: 36, omission: 6),
    ]
}

extension TimeArgument: ExpressibleByArgument {
    public init?(argument: String) { self.init(argument) }
}

extension FailoverState: ExpressibleByArgument {}
