internal import Foundation
internal import Settings

/// Where the database lies.
///
/// - Parameter configuration: the configuration file that `--config` names.
/// - Throws: `ConfigurationError`.
func databasePath(configuration: String?) throws -> String {
    try Settings.load(
        path: configuration, environment: ProcessInfo.processInfo.environment, requireSecrets: false
    ).database.path
}
