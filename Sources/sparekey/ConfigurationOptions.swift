internal import ArgumentParser
internal import Foundation
internal import Presentation
internal import Settings

/// The option that every command has: where the configuration is.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: "The configuration file; else $SPAREKEY_CONFIG, else /etc/sparekey/sparekey.yaml.")
    var path: String?

    /// - Parameter requireSecrets: false for the commands that only read the log.
    /// - Throws: `ExitCode` 78 (`EX_CONFIG` of sysexits.h), after saying on standard error what is wrong with which key.
    func load(requireSecrets: Bool) throws -> Settings {
        do {
            return try read(requireSecrets: requireSecrets)
        } catch {
            throw configurationFailure("\(error)")
        }
    }

    /// As `load`, and leaves it to the caller to say what is wrong.
    func read(requireSecrets: Bool) throws(ConfigurationError) -> Settings {
        try Settings.load(path: path, environment: ProcessInfo.processInfo.environment, requireSecrets: requireSecrets)
    }
}

extension ConfigurationOptions {
    /// For the commands that need no secrets.
    func settings() throws -> Settings {
        try Settings.load(path: path, environment: ProcessInfo.processInfo.environment, requireSecrets: false)
    }

    func databasePath() throws -> String { try settings().database.path }
}

/// Says what is wrong with the configuration and gives the exit code for it.
func configurationFailure(_ text: String) -> ExitCode {
    Terminal.diagnose(text)
    return .configurationError
}
