internal import ArgumentParser
internal import Ledger
internal import Presentation
internal import Settings
internal import Time

struct PurgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "purge", abstract: "Apply retention now: remove old PINs and event bodies.",
        discussion: """
            The daemon does so once a day. PINs go retention.pins after the end of their stay, event bodies retention.events \
            after they came; rows and history stay. What is removed is overwritten in the database, and its WAL is emptied.
            """)

    @Flag(
        help:
            "Also write the whole file anew, as is done by itself up to 32 MB: a larger one keeps copies of removed rows in gaps of its pages. The daemon answers 503 for as long as that takes, and Seam sends again."
    )
    var rewrite = false

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        try await exiting {
            let settings = try options.settings()
            let progress = ProgressLine()
            defer { progress.end() }
            let report = try await withSharedLedger(settings) { ledger in
                try await ledger.purge(
                    pins: settings.retention.pins, events: settings.retention.events, now: SystemWallClock().now(),
                    rewritesAll: rewrite
                ) { report in
                    progress.show("Event bodies removed: \(report.removedBodies), masked: \(report.maskedEvents)")
                }
            }
            progress.end()
            try Terminal.write(
                "PINs removed: \(report.pins)\nevents masked: \(report.maskedEvents)\nevent bodies removed: \(report.removedBodies)\n"
            )
            guard report.isWALEmpty else {
                Terminal.diagnose(
                    "The WAL could not be emptied, for another program reads the database: what was removed may still be in it. Try again."
                )
                throw ExitCode.failure
            }
        }
    }
}
