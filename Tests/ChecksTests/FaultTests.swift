import Checks
import Foundation
import HTTPClient
import JSON
import Ledger
import Policy
import Seam
import Settings
import Testing

/// Faults that need another user, another Seam or another clock than a test of the whole program has.
@Suite(.timeLimit(.minutes(5))) struct FaultTests {
    /// Seam's own answers, one of them changed.
    private struct Changing: HTTPTransport {
        let route: String
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 4, userAgent: "test")
        let change: @Sendable (inout JSONValue) -> Void

        func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
            var response = try await transport.send(request)
            guard request.url.hasSuffix(route), var json = try? JSONValue(parsing: response.body) else {
                return response
            }
            change(&json)
            response.body = json.bytes
            return response
        }
    }

    private func wrong(_ report: CheckReport) -> [String] {
        for finding in report.findings { #expect(finding.fix.isEmpty == (finding.severity == .ok), "\(finding.id)") }
        return report.findings.filter { $0.severity != .ok }.map(\.id).sorted()
    }

    @Test func theWorkspaceIsSuspended() async throws {
        try await CheckRunTests.Scene.run { scene in
            scene.register()
            let report = await scene.report(
                Changing(route: "/workspaces/get") { json in json["workspace"]?["is_suspended"] = true })
            #expect(wrong(report) == ["seam.suspended"])
        }
    }

    @Test func theKeyIsAnotherWorkspaces() async throws {
        try await CheckRunTests.Scene.run { scene in
            scene.register()
            let ledger = try Ledger(path: scene.settings.database.path)
            try await ledger.keep(Device(id: "a-lock-of-the-other"), now: scene.now)
            #expect(wrong(await scene.report()) == ["seam.other_workspace"])
            try await ledger.keep(Device(id: scene.deviceID), now: scene.now)
            #expect(wrong(await scene.report()) == [])
            ledger.close()
        }
    }

    /// As root judges for the user whom the database's folder belongs to.
    @Test func filesOfSomebodyElse() async throws {
        try await CheckRunTests.Scene.run { scene in
            scene.register()
            let ledger = try Ledger(path: scene.settings.database.path)
            ledger.close()
            func write(_ name: String, _ text: String, mode: Int) throws -> String {
                let path = scene.folder + "/" + name
                try Data(text.utf8).write(to: URL(filePath: path))
                try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
                return path
            }
            scene.settings.file = try write("sparekey.yaml", "", mode: 0o640)
            scene.settings.secretPlaces = ["webhook.secret": .file(try write("secret", scene.secret, mode: 0o600))]
            scene.settings.delivery.command = [try write("tell", "#!/bin/sh\n", mode: 0o750)]
            #expect(wrong(await scene.report()) == [])
            scene.account = .ofNobodyHere
            #expect(
                wrong(await scene.report()) == [
                    "configuration.owner", "database.folder", "database.owner", "delivery.command.not_executable",
                    "secrets.owner",
                ])
            // A folder that nobody else may enter hides what is in it.
            for path in [scene.settings.file, scene.settings.database.path].compactMap(\.self) {
                try FileManager.default.setAttributes([.posixPermissions: 0o666], ofItemAtPath: path)
            }
            try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: scene.folder)
            #expect(
                wrong(await scene.report()) == [
                    "configuration.writable", "database.folder_mode", "database.mode",
                    "delivery.command.not_executable",
                    "secrets.owner",
                ])
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: scene.folder)
            #expect(wrong(await scene.report()).contains("database.owner"))
            #expect(wrong(await scene.report()).contains("configuration.owner"))
        }
    }

    @Test func theDiskIsReadOnly() async throws {
        try await CheckRunTests.Scene.run { scene in
            scene.register()
            scene.volume.isReadOnly = true
            #expect(wrong(await scene.report()) == ["disk.read_only"])
        }
    }

    @Test func thePublicURL() throws {
        var settings = Settings()
        settings.webhook.publicURL = "http://localhost:8080/webhooks/seam?token=hush"
        func found() -> [String: String] {
            let webhooks = [Webhook(id: "w", url: settings.webhook.publicURL ?? "")]
            let findings = WebhookRegistration(settings: settings).findings(webhooks)
            for finding in findings { #expect(!finding.detail.contains("hush")) }
            return Dictionary(uniqueKeysWithValues: findings.map { ($0.id, $0.detail) })
        }
        #expect(Array(found().keys) == ["webhook.local_url"])
        settings.webhook.publicURL = "https://hooks.example.com/seam?token=hush"
        #expect(Array(found().keys) == ["webhook.ok"])
        // Behind a proxy the path may be another; with the certificate here it may not.
        (settings.listen.tls.certificateFile, settings.listen.tls.privateKeyFile) = ("/c", "/k")
        #expect(Array(found().keys) == ["webhook.path"])
        settings.webhook.publicURL = "https://hooks.example.com"
        #expect(found()["webhook.path"]?.contains("Seam posts to /;") == true)
        settings.webhook.publicURL = "https://hooks.example.com:8443/webhooks/seam?token=hush"
        #expect(Array(found().keys) == ["webhook.ok"])
    }
}
