internal import ArgumentParser
internal import JSON
internal import Presentation
internal import Seam
internal import Settings

struct WebhookCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "webhook", abstract: "Manage the webhook at Seam.",
        subcommands: [WebhookRegisterCommand.self, List.self, Delete.self])

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the workspace's webhooks, without their secrets.")

        @OptionGroup var output: OutputOptions
        @OptionGroup var options: ConfigurationOptions

        func run() async throws {
            try await exiting {
                let settings = try options.settings()
                let needed = SeamEvent.usedTypes(triggers: settings.failover.triggerEvents)
                let rows = try await seamClient(settings).webhooks().map { webhook -> JSONValue in
                    let types = webhook.eventTypes.isEmpty ? ["*"] : webhook.eventTypes
                    return [
                        "webhook_id": .string(webhook.id), "url": .string(webhook.url),
                        "is_public_url": .bool(webhook.url == settings.webhook.publicURL),
                        "event_types": .array(types.map(JSONValue.string)),
                        "missing_event_types": .array(needed.filter { !webhook.takes($0) }.map(JSONValue.string)),
                    ]
                }
                try output.print(
                    output.format == .table ? rows.map(Self.counted) : rows,
                    fields: ["webhook_id", "url", "is_public_url", "event_types", "missing_event_types"],
                    columns: Self.columns, nothing: "Seam has no webhook: sparekey webhook register")
            }
        }

        /// How many types, instead of their names.
        private static func counted(_ row: JSONValue) -> JSONValue {
            var row = row
            let types = row["event_types"]?.array ?? []
            row["event_types"] = types.contains("*") ? "all" : .integer(Int64(types.count))
            row["missing_event_types"] = .integer(Int64(row["missing_event_types"]?.array?.count ?? 0))
            row["is_public_url"] = row["is_public_url"]?.bool == true ? "yes" : "no"
            return row
        }

        private static let columns = [
            TableColumn("WEBHOOK", field: "webhook_id", expectedWidth: 36),
            TableColumn("OURS", field: "is_public_url", expectedWidth: 4, omission: 1),
            TableColumn("EVENTS", field: "event_types", expectedWidth: 6, omission: 3),
            TableColumn(
                "MISSING", field: "missing_event_types", expectedWidth: 7, omission: 2,
                colour: { $0 == "0" ? .green : .red }),
            TableColumn("URL", field: "url", minimumWidth: 16, expectedWidth: 48),
        ]
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a webhook at Seam, which then sends nothing to it any more.",
            discussion: "A stored secret stays where it is: remove it where nothing signs with it any more.")

        @Argument(help: ArgumentHelp("The webhook, as `sparekey webhook list` names it.", valueName: "webhook id"))
        var id: String

        @OptionGroup var options: ConfigurationOptions

        func validate() throws {
            if id.isEmpty { throw ValidationError("The ID is empty.") }
        }

        func run() async throws {
            try await exiting {
                try await seamClient(try options.settings()).deleteWebhook(id: id)
                try Terminal.write("Deleted webhook \(TerminalText.escaped(id)).\n")
            }
        }
    }
}
