internal import ArgumentParser
internal import JSON
internal import Ledger
internal import Policy
internal import Presentation

struct DevicesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "devices",
        abstract: "Print each lock: its pool of backup codes, warnings, errors and next arrival.",
        discussion: """
            Shows the locks as the daemon last read them. Seam publishes no count of the codes that are left: \
            what is shown is whether one is available, and the backups in use that Sparekey knows of.
            """)

    @OptionGroup var output: OutputOptions
    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        try await exiting {
            let reader = try LogReader(path: try options.databasePath())
            let rows = try await reader.devices().map { readable($0.json(showingPINs: false)) }
            try output.print(
                rows, fields: LogReader.deviceColumns, columns: Self.columns,
                nothing: "No lock has been read yet: the daemon reads them when it starts.")
        }
    }

    /// Truth values are 0 and 1 in SQLite, and lists are JSON text: in JSON output they are what they mean.
    private func readable(_ row: JSONValue) -> JSONValue {
        var row = row
        for key in [
            "online", "supports_backup_access_code_pool", "backup_access_code_pool_enabled",
            "is_backup_access_code_available",
        ] {
            if let value = row[key]?.integer { row[key] = .bool(value != 0) }
        }
        for key in ["error_codes", "warning_codes"] {
            guard let text = row[key]?.string, let list = try? JSONValue(parsing: Array(text.utf8)) else { continue }
            row[key] =
                output.format == .json ? list : .string((list.array ?? []).compactMap(\.string).joined(separator: " "))
        }
        return row
    }

    private static let columns = [
        TableColumn("DEVICE", field: "device_id", expectedWidth: 36),
        TableColumn("NAME", field: "name", minimumWidth: 8, expectedWidth: 24),
        TableColumn("ONLINE", field: "online", expectedWidth: 6, omission: 3),
        TableColumn("POOL", field: "backup_access_code_pool_enabled", expectedWidth: 5),
        TableColumn("CODE LEFT", field: "is_backup_access_code_available", expectedWidth: 9),
        TableColumn("IN USE", field: "backups_in_use", expectedWidth: 6),
        TableColumn("OPEN", field: "failovers_open", expectedWidth: 4, omission: 4),
        TableColumn("ERRORS", field: "error_codes", minimumWidth: 8, expectedWidth: 20, omission: 1),
        TableColumn("WARNINGS", field: "warning_codes", minimumWidth: 8, expectedWidth: 20, omission: 2),
        TableColumn("NEXT ARRIVAL", field: "next_arrival_at", expectedWidth: 20, omission: 5, isTime: true),
    ]
}
