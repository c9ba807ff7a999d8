import Foundation
import Testing

@testable import Settings

/// A directory of the test's own, gone with it.
final class Scratch {
    let directory: URL

    init() throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("sparekey-settings-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// The path of a new file.
    func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
        try write(name, Data(text.utf8), mode: mode)
    }

    func write(_ name: String, _ data: Data, mode: Int = 0o600) throws -> String {
        let url = directory.appendingPathComponent(name)
        try data.write(to: url)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: url.path)
        return url.path
    }

    func path(_ name: String) -> String { directory.appendingPathComponent(name).path }

    /// Loads `yaml` as an explicit file, with nothing else but `environment`.
    func load(
        _ yaml: String, _ environment: [String: String] = [:], secrets: Bool = false, mode: Int = 0o600
    ) throws -> Settings {
        try Settings.load(
            path: try write("sparekey.yaml", yaml, mode: mode), environment: environment, requireSecrets: secrets)
    }

    /// The findings of `yaml`, each as `line key: problem. Fix: fix.`.
    func findings(
        _ yaml: String, _ environment: [String: String] = [:], secrets: Bool = false
    ) throws -> [String] {
        do {
            _ = try load(yaml, environment, secrets: secrets)
            return []
        } catch let error as ConfigurationError {
            let prefix = path("sparekey.yaml") + ":"
            for finding in error.findings {
                if case .file(path("sparekey.yaml")) = finding.source {
                    #expect(finding.description.hasPrefix(prefix))
                }
            }
            return error.description.split(separator: "\n").map {
                $0.hasPrefix(prefix) ? String($0.dropFirst(prefix.count)) : String($0)
            }
        }
    }
}

/// Sound secrets, none of which may ever be seen in a message.
enum Sample {
    static let webhookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw"
    static let secondWebhookSecret = "whsec_c3BhcmVrZXktdGVzdC1zZWNyZXQtdHdv"
    static let apiKey = "seam_test2bMS_94SrGUXuNR2JmJkjtvBQDg5c"
    static let token = "0123456789abcdef0123456789abcdef"

    static let environment = [
        "SPAREKEY_WEBHOOK_SECRET": webhookSecret, "SPAREKEY_SEAM_API_KEY": apiKey,
    ]
}
