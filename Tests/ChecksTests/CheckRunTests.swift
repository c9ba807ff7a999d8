import Foundation
import HTTPClient
import JSON
import Ledger
import Sandbox
import Settings
import Testing
import Time

@testable import Checks

@Suite struct CheckRunTests {
    /// A simulated Seam, a folder, and a configuration of which nothing is wrong.
    final class Scene {
        let model = SandboxModel(clock: SystemWallClock(), random: RandomSource(SeededGenerator(seed: 1)))
        let server: SandboxServer
        let folder = FileManager.default.temporaryDirectory.appending(path: "checks-\(UUID().uuidString)").path
        let secret = "whsec_" + Data((0..<24).map { UInt8($0) }).base64EncodedString()
        let webhookURL = "https://sparekey.example/webhooks/seam"
        var settings = Settings()
        var volume = Volume(kind: .disk, freeBytes: 1 << 40)
        var account = ServiceAccount.ofThisProcess
        let deviceID: String

        init() throws {
            server = SandboxServer(
                model: model, transport: CurlTransport(maxConcurrentRequests: 1, maxQueued: 4, userAgent: "test"))
            try server.start()
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            deviceID = model.createDevice(SandboxDeviceSpecification(name: "Front door"))
            settings.seam.baseURL = server.url
            settings.seam.apiKey = SecretText("seam_test1")
            settings.seam.timeout = .seconds(10)
            settings.webhook.secrets = [SecretText(secret)]
            settings.webhook.publicURL = webhookURL
            settings.database.path = folder + "/sparekey.db"
            (settings.listen.port, settings.admin.port) = (0, 0)
        }

        var now: Timestamp { SystemWallClock().now() }

        static func run(_ body: (Scene) async throws -> Void) async throws {
            let scene = try Scene()
            do { try await body(scene) } catch {
                await scene.close()
                throw error
            }
            await scene.close()
        }

        func register(eventTypes: [String] = ["*"], secret: String? = nil) {
            _ = model.createWebhook(url: webhookURL, eventTypes: eventTypes, secret: secret ?? self.secret)
        }

        func report() async -> CheckReport {
            let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 4, userAgent: "test")
            return await report(transport)
        }

        func report(_ transport: any HTTPTransport) async -> CheckReport {
            await CheckRun(settings: settings, transport: transport, account: account) { [volume] _ in volume }.report()
        }

        /// What is wrong, by id.
        func wrong() async -> [String] { await report().findings.filter { $0.severity != .ok }.map(\.id).sorted() }

        func finding(_ id: String) async throws -> CheckFinding {
            let found = await report().findings
            return try #require(found.first { $0.id == id }, "\(id) is not among \(found.map(\.id))")
        }

        func severity(_ id: String) async throws -> CheckFinding.Severity { try await finding(id).severity }

        func close() async {
            await server.stop()
            try? FileManager.default.removeItem(atPath: folder)
        }
    }

    private func scene(_ body: (Scene) async throws -> Void) async throws { try await Scene.run(body) }

    @Test(.timeLimit(.minutes(5))) func nothingIsWrong() async throws {
        try await scene { scene in
            scene.register()
            let report = await scene.report()
            #expect(report.isOK)
            #expect(
                report.findings.map(\.id) == [
                    "configuration.ok", "secrets.ok", "clock.ok", "listen.ok", "tls.none", "database.new",
                    "disk.ok", "seam.ok",
                    "webhook.ok",
                    "pool.ok", "delivery.manual.ok",
                ])
            let json = try JSONValue(parsing: Array(report.jsonText.utf8))
            #expect(json["ok"]?.bool == true)
            #expect(json["findings"]?.array?.first?["severity"]?.string == "ok")
            // Looking makes nothing.
            #expect(try FileManager.default.contentsOfDirectory(atPath: scene.folder) == [])
        }
    }

    /// Its own, and no other's.
    @Test func anInstancesFolderIsMadeAtItsStart() async throws {
        let units = FileManager.default.temporaryDirectory.appending(path: "units-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: units, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: units) }
        var settings = Settings()
        settings.file = "/etc/sparekey/a-new-one.yaml"
        settings.database.path = "/var/lib/sparekey/a-new-one/sparekey.db"
        func findings() async -> [String] {
            await DatabaseCheck(settings, account: .ofThisProcess, unitFolders: [units.path]).findings().map(\.id)
        }
        #expect(await findings() == ["database.folder"])
        try Data().write(to: units.appending(path: "sparekey@.service"))
        #expect(await findings() == ["database.new"])
        settings.database.path = "/var/lib/sparekey/another/sparekey.db"
        #expect(await findings() == ["database.folder"])
    }

    @Test func whatTheUnitKeepsFromTheServiceIsFound() async throws {
        let units = FileManager.default.temporaryDirectory.appending(path: "units-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: units) }
        let dropIns = units.appending(path: "sparekey@two.service.d")
        try FileManager.default.createDirectory(at: dropIns, withIntermediateDirectories: true)
        var settings = Settings()
        settings.database.path = "/srv/sparekey/sparekey.db"
        settings.delivery.command = ["/home/ops/bin/tell"]
        func findings() async -> [String] {
            await UnitCheck(settings, unitFolders: [units.path]).findings().map { "\($0.id): \($0.title)" }
        }
        // By hand, and where the unit is not installed, nothing is kept from it.
        #expect(await findings() == [])
        settings.file = "/etc/sparekey/two.yaml"
        #expect(await findings() == [])
        let shipped = URL(filePath: #filePath).appending(path: "../../../systemd/sparekey@.service").standardized
        try FileManager.default.copyItem(at: shipped, to: units.appending(path: "sparekey@.service"))
        let hidden = "unit.hidden: The service does not see what delivery.command names"
        #expect(await findings() == [hidden, "unit.read_only: The service may not write to the database's folder"])
        try Data("[Service]\nReadWritePaths=-/mnt /srv/sparekey\n".utf8).write(to: dropIns.appending(path: "a.conf"))
        #expect(await findings() == [hidden])
        try Data("[Service]\nProtectHome=no\n".utf8).write(to: dropIns.appending(path: "b.conf"))
        #expect(await findings() == [])
        // By their names, wherever they are; of one name the instance's counts.
        let template = units.appending(path: "sparekey@.service.d")
        try FileManager.default.createDirectory(at: template, withIntermediateDirectories: true)
        try Data("[Service]\nProtectHome=yes\n".utf8).write(to: template.appending(path: "b.conf"))
        #expect(await findings() == [])
        try Data("[Service]\nReadWritePaths=\n".utf8).write(to: template.appending(path: "c.conf"))
        #expect(await findings() == ["unit.read_only: The service may not write to the database's folder"])
        for path in ["/var/lib/sparekey/two/sparekey.db", "/var/lib/sparekey/two/more/sparekey.db"] {
            settings.database.path = path
            #expect(await findings() == [])
        }
        settings.database.path = "/tmp/sparekey.db"
        #expect(await findings() == ["unit.hidden: The service does not see what database.path names"])
    }

    // MARK: Seam

    @Test(.timeLimit(.minutes(5))) func theKeyIsRefused() async throws {
        try await scene { scene in
            scene.model.configure { $0.apiKey = "seam_another" }
            #expect(await scene.wrong() == ["seam.unauthorized"])
        }
    }

    @Test(.timeLimit(.minutes(5)), arguments: ["seam_at_personal", "seam_pk_page", "whatever", ""])
    func theKeyIsNone(key: String) async throws {
        try await scene { scene in
            scene.settings.seam.apiKey = SecretText(key)
            #expect(await scene.wrong() == ["seam.key"])
            let text = await scene.report().jsonText
            #expect(key.isEmpty || !text.contains(key))
        }
    }

    @Test(.timeLimit(.minutes(5))) func seamIsAway() async throws {
        try await scene { scene in
            await scene.server.stop()
            #expect(await scene.wrong() == ["seam.unreachable"])
        }
    }

    @Test(.timeLimit(.minutes(5))) func seamAnswersForThePartOnly() async throws {
        try await scene { scene in
            scene.register()
            scene.model.addFault(SandboxFault(.html(status: 502), route: "/devices/list", count: nil))
            #expect(await scene.wrong() == ["pool.unreachable"])
        }
    }

    // MARK: Webhook

    @Test(.timeLimit(.minutes(5))) func noWebhookIsRegistered() async throws {
        try await scene { scene in
            let finding = try await scene.finding("webhook.missing")
            #expect(finding.severity == .error)
            #expect(finding.fix.hasPrefix("sparekey webhook register"))
            scene.settings.webhook.publicURL = nil
            let unknown = try await scene.severity("webhook.unknown")
            #expect(unknown == .error)
        }
    }

    @Test(.timeLimit(.minutes(5))) func theWebhookLacksEvents() async throws {
        try await scene { scene in
            scene.register(eventTypes: ["access_code.failed_to_issue", "device.connected"])
            let finding = try await scene.finding("webhook.events")
            #expect(finding.severity == .error)
            #expect(finding.detail.contains("access_code.failed_to_set_on_device"))
            #expect(!finding.detail.contains("access_code.failed_to_issue"))
        }
        try await scene { scene in
            scene.register(eventTypes: scene.settings.failover.triggerEvents)
            let lacking = try await scene.severity("webhook.events")
            #expect(lacking == .warning)
        }
        try await scene { scene in
            scene.register(eventTypes: ["*"])
            #expect(await scene.wrong() == [])
        }
    }

    @Test(.timeLimit(.minutes(5))) func theWebhookHasAnotherSecret() async throws {
        let other = "whsec_" + Data((0..<24).map { _ in 7 }).base64EncodedString()
        try await scene { scene in
            scene.register(secret: other)
            #expect(await scene.wrong() == ["webhook.secret"])
            let report = await scene.report()
            let text = report.jsonText
            #expect(!text.contains(other.dropFirst(6)) && !text.contains(scene.secret.dropFirst(6)))
            #expect(!text.contains("seam_test1"))
            // The same secret without its prefix is the same, and so is a second one while rotating.
            scene.settings.webhook.secrets.append(SecretText(String(other.dropFirst(6))))
            #expect(await scene.wrong() == [])
            scene.register(secret: other)
            #expect(await scene.wrong() == ["webhook.twice"])
        }
    }

    // MARK: Pools

    @Test(.timeLimit(.minutes(5))) func locksWithoutBackups() async throws {
        try await scene { scene in
            scene.register()
            var salto = SandboxDeviceSpecification(name: "Cellar")
            salto.supportsBackupPool = false
            scene.model.createDevice(salto)
            var unused = SandboxDeviceSpecification(name: "Attic")
            unused.isBackupPoolEnabled = false
            scene.model.createDevice(unused)
            let drained = scene.model.createDevice(SandboxDeviceSpecification(name: "Side door"))
            scene.model.emptyPool(of: drained, refills: false)
            #expect(await scene.wrong() == ["pool.disabled", "pool.empty"])
            let unsupported = try await scene.finding("pool.unsupported")
            #expect(unsupported.severity == .ok && unsupported.detail.hasPrefix("Cellar, "))
            let disabled = try await scene.finding("pool.disabled")
            #expect(disabled.severity == .warning && disabled.fix.contains("sparekey codes create --device "))
            let empty = try await scene.finding("pool.empty")
            #expect(empty.detail == "Side door, \(drained)")
            let good = try await scene.finding("pool.ok")
            #expect(good.title.hasPrefix("1 of 4"))
        }
    }

    // MARK: Database and disk

    @Test(.timeLimit(.minutes(5))) func theDatabaseInUseIsLookedAt() async throws {
        try await scene { scene in
            scene.register()
            let ledger = try Ledger(path: scene.settings.database.path)
            _ = ledger.append([
                InboxMessage(
                    svixID: "msg_1", source: .webhook, receivedAt: SystemWallClock().now(), body: Array("{}".utf8))
            ])
            #expect(await scene.wrong() == [])
            let sound = try await scene.finding("database.ok")
            #expect(sound.detail == scene.settings.database.path)
            ledger.close()
            #expect(await scene.wrong() == [])
        }
    }

    @Test(.timeLimit(.minutes(5))) func theDatabaseIsNone() async throws {
        try await scene { scene in
            scene.register()
            try Data(repeating: 0x41, count: 8192).write(to: URL(filePath: scene.settings.database.path))
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o644], ofItemAtPath: scene.settings.database.path)
            #expect(await scene.wrong() == ["database.corrupt", "database.mode"])
            scene.settings.database.path = scene.folder + "/none/sparekey.db"
            #expect(await scene.wrong() == ["database.folder"])
        }
    }

    @Test(.timeLimit(.minutes(5))) func theDatabaseIsDamaged() async throws {
        try await scene { scene in
            scene.register()
            let path = scene.settings.database.path
            let ledger = try Ledger(path: path)
            let now = SystemWallClock().now()
            _ = ledger.append(
                (0..<400).map {
                    InboxMessage(
                        svixID: "msg_\($0)", source: .webhook, receivedAt: now,
                        body: Array(String(repeating: "x", count: 500).utf8))
                })
            ledger.close()
            var bytes = try Data(contentsOf: URL(filePath: path))
            let page = bytes.count / 2 / 4096 * 4096
            bytes.replaceSubrange(page..<page + 4096, with: Data(repeating: 0xFF, count: 4096))
            try bytes.write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: path)
            #expect(await scene.wrong() == ["database.corrupt"])
        }
    }

    @Test(.timeLimit(.minutes(5))) func theDisk() async throws {
        try await scene { scene in
            scene.register()
            scene.volume = Volume(kind: .network, freeBytes: 10)
            #expect(await scene.wrong() == ["disk.network", "disk.space"])
            let full = try await scene.severity("disk.space")
            #expect(full == .error)
            scene.volume = Volume(kind: .memory, freeBytes: 500 << 20)
            #expect(await scene.wrong() == ["disk.memory", "disk.space"])
            let nearlyFull = try await scene.severity("disk.space")
            #expect(nearlyFull == .warning)
            #expect(Volume(holding: scene.folder) != nil)
            #expect(Volume(holding: scene.folder + "/none") == nil)
        }
    }

    // MARK: Delivery

    @Test(.timeLimit(.minutes(5))) func theCommand() async throws {
        try await scene { scene in
            scene.register()
            let program = scene.folder + "/tell"
            scene.settings.delivery.command = [program]
            #expect(await scene.wrong() == ["delivery.command.missing"])
            try Data("#!/bin/sh\n".utf8).write(to: URL(filePath: program))
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: program)
            #expect(await scene.wrong() == ["delivery.command.not_executable"])
            try FileManager.default.setAttributes([.posixPermissions: 0o757], ofItemAtPath: program)
            #expect(await scene.wrong() == ["delivery.command.writable"])
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
            #expect(await scene.wrong() == [])
            scene.settings.delivery.command = nil
            scene.settings.delivery.manual = false
            #expect(await scene.wrong() == ["delivery.none"])
        }
    }
}
