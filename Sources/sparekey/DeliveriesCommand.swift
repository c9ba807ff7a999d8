internal import ArgumentParser
internal import Daemon
internal import Delivery
internal import Foundation
internal import JSON
internal import Ledger
internal import Presentation
internal import Settings
internal import Time

struct DeliveriesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deliveries", abstract: "Work with what guests are to be told.",
        discussion: """
            A script can tell guests by hand: it claims the next delivery, sends it, and acknowledges it. What is claimed and \
            not acknowledged within delivery.claim_lease is handed out again, under the same ID.
            """, subcommands: [List.self, Claim.self, Acknowledge.self, Retry.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print deliveries in the order of their creation.")

        @Option(help: "Only deliveries in this state.")
        var state: DeliveryState?

        @OptionGroup var output: OutputOptions
        @OptionGroup var pins: PINOptions
        @OptionGroup var options: ConfigurationOptions

        func run() async throws {
            try await exiting {
                let reader = try LogReader(path: try options.databasePath())
                let rows = try await reader.deliveries(state: state, now: SystemWallClock().now())
                    .map { $0.json(showingPINs: pins.showsPINs) }
                try output.print(
                    rows, fields: LogReader.deliveryColumns, columns: Self.columns, nothing: "No delivery matches.")
            }
        }

        private static let columns = [
            TableColumn("DELIVERY", field: "delivery_id", expectedWidth: 28),
            TableColumn("WAY", field: "channel", expectedWidth: 7),
            TableColumn("KIND", field: "kind", expectedWidth: 9),
            TableColumn("STATE", field: "state", expectedWidth: 9, colour: Colour.ofState),
            TableColumn("TRIES", field: "attempts", expectedWidth: 5, omission: 4),
            TableColumn("LAST ERROR", field: "last_error", minimumWidth: 8, expectedWidth: 16, omission: 3),
            TableColumn("NAME", field: "original_name", minimumWidth: 8, expectedWidth: 16, omission: 2),
            TableColumn("PIN", field: "backup_code", expectedWidth: 8, omission: 5),
            TableColumn("NEXT", field: "next_attempt_at", expectedWidth: 20, omission: 1, isTime: true),
        ]
    }

    struct Claim: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take the delivery by hand whose guest arrives first, and print it with its PIN.",
            discussion: "Exits with 1 where none waits, so that a script may loop until then.")

        @Flag(help: "Print it as the JSON that the webhook and the command get.")
        var json = false

        @OptionGroup var options: ConfigurationOptions

        func run() async throws {
            try await exiting {
                let settings = try options.settings()
                let claimed = try await withSharedLedger(settings) { ledger in
                    try await ledger.claimManualDelivery(
                        now: SystemWallClock().now(), lease: settings.delivery.claimLease)
                }
                guard let claimed else {
                    Terminal.diagnose("No delivery waits to be claimed.")
                    throw ExitCode.failure
                }
                let message = DeliveryMessage(claimed, texts: settings.delivery.texts).json
                try Terminal.write(json ? message.description + "\n" : Self.text(message))
                if !json { Terminal.diagnose("Once it is sent: sparekey deliveries ack \(claimed.id)") }
            }
        }

        private static func text(_ message: JSONValue) -> String {
            let data = message["data"] ?? .null
            let lines = [
                ("delivery", message["id"]), ("type", message["type"]), ("guest code", data["original_name"]),
                ("lock", data["device_name"] ?? data["device_id"]), ("PIN", data["backup_code"]),
                ("from", data["backup_starts_at"]), ("until", data["backup_ends_at"]), ("message", data["message"]),
            ]
            return lines.compactMap { title, value in
                value?.string.map { "\(title): \(TerminalText.escaped($0))\n" }
            }.joined()
        }
    }

    struct Acknowledge: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ack", abstract: "Settle a delivery that was claimed and sent.")

        @Argument(help: ArgumentHelp("The delivery.", valueName: "id"))
        var id: String

        @OptionGroup var options: ConfigurationOptions

        func run() async throws {
            try await exiting {
                let settings = try options.settings()
                let isSettled = try await withSharedLedger(settings) { ledger in
                    try await ledger.acknowledgeDelivery(
                        id, plan: settings.delivery.plan, now: SystemWallClock().now())
                }
                guard isSettled else {
                    Terminal.diagnose("\(id) is no delivery by hand that could be acknowledged.")
                    throw ExitCode.failure
                }
            }
        }
    }

    struct Retry: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Have a delivery tried again now that failed, or that waits for its next attempt.",
            discussion: "The daemon does it within seconds. A code whose stay is over is not told any more.")

        @Argument(help: ArgumentHelp("The delivery.", valueName: "id"))
        var id: String

        @OptionGroup var options: ConfigurationOptions

        func run() async throws {
            try await exiting {
                let isTriedAgain = try await withSharedLedger(try options.settings()) { ledger in
                    try await ledger.retryDelivery(id, now: SystemWallClock().now())
                }
                guard isTriedAgain else {
                    Terminal.diagnose("\(id) is no delivery that failed or waits.")
                    throw ExitCode.failure
                }
            }
        }
    }
}

extension DeliveryState: ExpressibleByArgument {}

/// A few short writes into the database, which a daemon may have open as well.
func withSharedLedger<Value>(_ settings: Settings, _ work: (Ledger) async throws -> Value) async throws -> Value {
    let ledger = try Ledger(sharing: settings.database.path)
    defer { ledger.close() }
    return try await work(ledger)
}
