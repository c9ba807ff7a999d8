internal import ArgumentParser
internal import FoundationEssentials
internal import JSON
internal import Presentation

/// The options of every command that prints a list.
struct OutputOptions: ParsableArguments {
    @Option(help: "How to print the result: table, json or csv.")
    var format = OutputFormat.table

    @Flag(
        help:
            "Show times in UTC instead of this machine's zone, and take times without an offset for UTC. JSON and CSV are always in UTC."
    )
    var utc = false

    var zone: ShownZone { utc ? .utc : .local }

    var width: Int { Terminal.width(environment: ProcessInfo.processInfo.environment) }

    var showsColours: Bool { Terminal.showsColours(environment: ProcessInfo.processInfo.environment) }

    /// - Parameters:
    ///   - fields: what JSON and CSV have of each row.
    ///   - columns: what the table shows.
    func printer(fields: [String], columns: [TableColumn], isFollowing: Bool = false) -> RowPrinter {
        RowPrinter(
            format, fields: fields, columns: columns, width: width, isFollowing: isFollowing, zone: zone,
            showsColours: showsColours)
    }

    /// Prints a list that is complete.
    ///
    /// - Parameter nothing: what a person is told where there are no rows.
    func print(_ rows: [JSONValue], fields: [String], columns: [TableColumn], nothing: String) throws {
        var printer = printer(fields: fields, columns: columns)
        try Terminal.write(printer.text(rows) + printer.end())
        if rows.isEmpty, format == .table { Terminal.diagnose(nothing) }
    }
}

/// The option of the commands whose rows have PINs.
struct PINOptions: ParsableArguments {
    @Flag(name: .customLong("show-pins"), help: "Print PINs instead of masking them.")
    var showsPINs = false
}

extension OutputFormat: ExpressibleByArgument {}
