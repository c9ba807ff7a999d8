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

    /// With every secret that is required.
    ///
    /// - Throws: `ExitCode` 78 (`EX_CONFIG` of sysexits.h), after saying on standard error what is wrong with which key.
    func load() throws -> Settings {
        do {
            return try read()
        } catch {
            throw configurationFailure("\(error)")
        }
    }

    /// As `load`, and leaves it to the caller to say what is wrong.
    func read() throws(ConfigurationError) -> Settings { try read(requireSecrets: true) }

    /// For the commands that do without the secrets, or say themselves which they lack.
    func settings() throws(ConfigurationError) -> Settings { try read(requireSecrets: false) }

    func databasePath() throws -> String { try settings().database.path }

    private func read(requireSecrets: Bool) throws(ConfigurationError) -> Settings {
        try Settings.load(path: path, environment: ProcessInfo.processInfo.environment, requireSecrets: requireSecrets)
    }
}

/// Says what is wrong with the configuration and gives the exit code for it.
func configurationFailure(_ text: String) -> ExitCode {
    Terminal.diagnose(text)
    return .configurationError
}
