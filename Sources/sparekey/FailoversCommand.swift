internal import ArgumentParser
internal import Daemon
internal import JSON
internal import Ledger
internal import Policy
internal import Presentation
internal import Settings
internal import Time

struct FailoversCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failovers", abstract: "Work with single failovers.",
        subcommands: [List.self, Retry.self, Cancel.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print failovers with their attempts, the next look and the last error.",
            discussion: FailoverFilter.times)

        @Flag(help: "Only failovers that are pending or waiting.")
        var open = false

        @OptionGroup var filter: FailoverFilter
        @OptionGroup var output: OutputOptions
        @OptionGroup var pins: PINOptions
        @OptionGroup var options: ConfigurationOptions

        func validate() throws { try filter.validate(zone: output.zone) }

        func run() async throws {
            try await exiting {
                let reader = try LogReader(path: try options.databasePath())
                var query = filter.query(now: SystemWallClock().now(), zone: output.zone)
                query.isOpen = open
                let rows = try await reader.failoverLog(query).rows.map { $0.json(showingPINs: pins.showsPINs) }
                try output.print(
                    rows, fields: FailoverLogPage.columns, columns: Self.columns, nothing: "No failover matches.")
            }
        }

        private static let columns = [
            TableColumn("FAILOVER", field: "failover_id", expectedWidth: 28),
            TableColumn("STATE", field: "state", expectedWidth: 11, colour: Colour.ofState),
            TableColumn("REASON", field: "reason", expectedWidth: 16, omission: 2),
            TableColumn("TRIES", field: "attempts", expectedWidth: 5, omission: 5),
            TableColumn("NEXT LOOK", field: "next_attempt_at", expectedWidth: 20, omission: 3, isTime: true),
            TableColumn("NAME", field: "original_name", minimumWidth: 8, expectedWidth: 16, omission: 1),
            TableColumn("STARTS", field: "original_starts_at", expectedWidth: 20, omission: 4, isTime: true),
            TableColumn("LAST ERROR", field: "last_error_type", minimumWidth: 10, expectedWidth: 16, omission: 6),
            TableColumn("ACCESS CODE", field: "access_code_id", expectedWidth: 36, omission: 7),
            TableColumn("DEVICE", field: "device_id", expectedWidth: 36, omission: 8),
        ]
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have failovers looked at now.",
            discussion: """
                A failover that is closed without a backup code is opened again where it is named by its ID or state; other filters mean \
                those that are pending or waiting. The daemon does it within seconds. \(FailoverFilter.times)
                """)

        @OptionGroup var selection: FailoverSelection

        func validate() throws { try selection.validateForCommand() }
        func run() async throws { try await selection.carryOut(.retry) }
    }

    struct Cancel: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Stop failovers: nothing is pulled, and what is not told yet is not told.",
            discussion: """
                A backup code that was pulled already stays on its lock, and a guest who was told of it can use it: to take it back, delete \
                it at Seam. What was still to be told of it is stopped where the failover is named by its ID or state; other filters \
                mean failovers that are pending or waiting. A later failure of the same access code opens a cancelled failover again. \
                \(FailoverFilter.times)
                """)

        @OptionGroup var selection: FailoverSelection

        func validate() throws { try selection.validateForCommand() }
        func run() async throws { try await selection.carryOut(.cancel) }
    }
}

/// Which failovers a command is for, and how it says what it did.
struct FailoverSelection: ParsableArguments {
    @Argument(help: ArgumentHelp("Failovers or their access codes.", valueName: "id"))
    var ids: [String] = []

    @Flag(help: "All failovers that are pending or waiting.")
    var all = false

    @Flag(name: .customLong("dry-run"), help: "Only print what would be done.")
    var isTrial = false

    @OptionGroup var filter: FailoverFilter
    @OptionGroup var output: OutputOptions
    @OptionGroup var options: ConfigurationOptions

    /// An option group is validated alone, before the others are known.
    func validateForCommand() throws {
        try filter.validate(zone: output.zone)
        if ids.contains("") { throw ValidationError("An ID is empty.") }
        guard !ids.isEmpty || all || !filter.isEmpty else {
            throw ValidationError("Name failovers by their IDs, by a filter, or all of them with --all.")
        }
    }

    func carryOut(_ request: FailoverRequest) async throws {
        try await exiting {
            let settings = try options.settings()
            let now = SystemWallClock().now()
            var query = filter.query(now: now, zone: output.zone)
            query.ids = ids
            query.isOpen = ids.isEmpty && filter.state == nil
            let changes = try await withSharedLedger(settings) { ledger in
                try await ledger.carryOut(
                    request, query, channels: settings.delivery.plan.initial, isTrial: isTrial, now: now)
            }
            try output.print(
                changes.map(\.json), fields: FailoverChange.columns, columns: Self.columns,
                nothing: "No failover matches.")
            if output.format == .table { try tell(changes) }
            if !changes.isEmpty, changes.allSatisfy({ $0.action == .none }) { throw ExitCode.failure }
        }
    }

    /// What a line of the table is too short for.
    private func tell(_ changes: [FailoverChange]) throws {
        for change in changes where !change.note.isEmpty {
            let text = (change.failover.text("failover_id") ?? "") + ": " + output.zone.shown(in: change.note)
            try Terminal.write(
                TerminalText.wrapped(TerminalText.escaped(text), to: output.width).joined(separator: "\n  ") + "\n")
        }
        if isTrial, !changes.isEmpty { Terminal.diagnose("Nothing was changed (--dry-run).") }
    }

    private static let columns = [
        TableColumn("FAILOVER", field: "failover_id", expectedWidth: 28),
        TableColumn("WAS", field: "state", expectedWidth: 11, colour: Colour.ofState),
        TableColumn("REASON", field: "reason", expectedWidth: 16, omission: 2),
        TableColumn("ACTION", field: "action", expectedWidth: 10),
        TableColumn("NAME", field: "original_name", minimumWidth: 8, expectedWidth: 16, omission: 1),
        TableColumn("STARTS", field: "original_starts_at", expectedWidth: 20, omission: 3, isTime: true),
        TableColumn("ACCESS CODE", field: "access_code_id", expectedWidth: 36, omission: 4),
        TableColumn("DEVICE", field: "device_id", expectedWidth: 36, omission: 5),
    ]
}
