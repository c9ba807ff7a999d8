internal import ArgumentParser
internal import Daemon

@main
struct SparekeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sparekey",
        abstract: "Gets a backup door code to the guest when a lock did not take theirs.",
        version: Release.version,
        subcommands: [
            ServeCommand.self, SandboxCommand.self, LogCommand.self, ExplainCommand.self, DevicesCommand.self,
            FailoversCommand.self, DeliveriesCommand.self, CodesCommand.self, WebhookCommand.self, CheckCommand.self,
            BackupCommand.self, PurgeCommand.self,
        ])
}
