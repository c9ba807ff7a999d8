import Daemon
import Foundation
import Logging
import Settings
import Testing

/// The URLs that the log and the service's status line show.
struct URLTests {
    @Test(arguments: [
        ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"),
        ("locks.example.com", "locks.example.com"),
    ])
    func namesAHostThatCanBeAsked(host: String, shown: String) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sparekey-url-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var settings = Settings()
        settings.listen.host = host
        settings.admin.host = host
        settings.webhook.secrets = [SecretText(House.newSecret())]
        settings.seam.apiKey = SecretText("seam_test_key")
        settings.database.path = folder.appendingPathComponent("sparekey.db").path
        let daemon = try Daemon(
            settings: settings, environment: [:], log: Logger(label: "urls") { _ in SwiftLogNoOpLogHandler() }
        ) { Settings() }
        #expect(daemon.webhookURL == "http://\(shown):0/webhooks/seam")
        #expect(daemon.adminURL == "http://\(shown):0")
    }
}
