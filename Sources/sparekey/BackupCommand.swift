internal import ArgumentParser
internal import Foundation
internal import JSON
internal import Ledger
internal import Presentation
internal import UnixSignals

struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy the database into a file, while the daemon runs or not.",
        discussion: """
            The copy is consistent and is read again from end to end before it gets its name. It holds the guests' PINs and has mode \
            0600. To restore it, stop sparekey.socket and sparekey.service together, for a webhook that reaches the socket starts the daemon \
            again; remove the database with its -wal and -shm files, put the copy in its place, give it to the daemon's user, and start \
            the daemon: what happened since is found by its sweeps.
            """)

    @Argument(help: ArgumentHelp("Where to put the copy.", valueName: "file"))
    var file: String

    @Flag(help: "Replace the file if it is there already.")
    var overwrite = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @OptionGroup var options: ConfigurationOptions

    func validate() throws {
        if file.isEmpty { throw ValidationError("The file's name is empty.") }
    }

    func run() async throws {
        try await exiting {
            let progress = ProgressLine()
            defer { progress.end() }
            let reader = try LogReader(path: try options.databasePath())
            let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
            let interruption = Task { [file] in
                for await signal in signals {
                    LogReader.discardBackup(to: file)
                    Foundation.exit(128 + signal.rawValue)
                }
            }
            defer { interruption.cancel() }
            let report = try await reader.backUp(to: file, replacing: overwrite) { step in
                switch step {
                case .copying(let pages, let total): progress.show("Copying: \(100 * pages / max(1, total)) %")
                case .verifying: progress.show("Verifying the copy")
                }
            }
            progress.end()
            try Terminal.write(json ? Self.json(report).description + "\n" : Self.text(report))
        }
    }

    private static func json(_ report: BackupReport) -> JSONValue {
        [
            "file": .string(report.path), "bytes": .integer(report.bytes), "integrity": "ok",
            "failovers": .integer(Int64(report.failovers)), "substitutions": .integer(Int64(report.substitutions)),
            "webhook_events": .integer(Int64(report.events)),
        ]
    }

    private static func text(_ report: BackupReport) -> String {
        """
        \(report.path): \(report.bytes) bytes, integrity_check ok
        failovers: \(report.failovers), substitutions: \(report.substitutions), events: \(report.events)

        """
    }
}
