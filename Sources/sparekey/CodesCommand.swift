internal import ArgumentParser
internal import Daemon
internal import JSON
internal import Policy
internal import Presentation
internal import Seam
internal import Time

struct CodesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "codes", abstract: "Work with access codes.", subcommands: [CreateCommand.self])

    /// Creating a code with `use_backup_access_code_pool` is how a lock's pool is activated, once for each lock.
    struct CreateCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Create a time-bound code, which activates its lock's pool of backup codes.",
            discussion: """
                Times are ISO 8601 with an offset from UTC: a stay is where the lock is, whose zone may be another than this machine's. The \
                new code is printed as one JSON object, with its times in UTC.
                """)

        @Option(help: ArgumentHelp("The lock.", valueName: "device id"))
        var device: String

        @Option(help: "The code's name.")
        var name: String

        @Option(
            help: ArgumentHelp("When the stay starts, such as 2026-11-20T15:00+01:00.", valueName: "time"),
            transform: Self.instant)
        var startsAt: Timestamp?

        @Option(
            help: ArgumentHelp("When the stay ends, such as 2026-11-23T11:00+01:00.", valueName: "time"),
            transform: Self.instant)
        var endsAt: Timestamp?

        @OptionGroup var options: ConfigurationOptions

        func validate() throws {
            // Seam supports backups for time-bound codes only.
            guard let startsAt, let endsAt else {
                throw ValidationError(
                    "A code with backup codes has a start and an end: give --starts-at and --ends-at. Open-ended codes have no backups."
                )
            }
            guard startsAt < endsAt else { throw ValidationError("--starts-at must be before --ends-at.") }
            guard endsAt > SystemWallClock().now() else { throw ValidationError("--ends-at has passed.") }
        }

        func run() async throws {
            guard let startsAt, let endsAt else { return }
            try await exiting {
                let seam = try seamClient(try options.settings())
                let lock = try await seam.device(id: device)
                guard lock.supportsBackupPool != false else {
                    Terminal.diagnose(
                        "sparekey: \(TerminalText.escaped(lock.name ?? device)) does not support backup codes; nothing was created."
                    )
                    throw ExitCode.failure
                }
                let code = try await seam.createAccessCode(
                    NewAccessCode(deviceID: device, name: name, startsAt: startsAt, endsAt: endsAt))
                let result: JSONValue = [
                    "access_code_id": .string(code.id), "device_id": .string(code.deviceID),
                    "name": JSONValue(code.name),
                    "starts_at": JSONValue(code.startsAt?.description),
                    "ends_at": JSONValue(code.endsAt?.description),
                    "is_backup_access_code_available": code.isBackupAvailable.map(JSONValue.bool) ?? .null,
                ]
                try Terminal.write(result.indented + "\n")
            }
        }

        /// Nothing is guessed where a guest's door depends on it.
        private static func instant(_ text: String) throws -> Timestamp {
            switch TimeArgument(text) {
            case .at(let instant): return instant
            case .clock:
                throw ValidationError("It has no offset from UTC: add one, such as +01:00, or Z for UTC itself.")
            case .back, nil: throw ValidationError("It is no time such as 2026-11-20T15:00+01:00.")
            }
        }
    }
}
