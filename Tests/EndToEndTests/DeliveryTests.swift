import Foundation
import HTTPClient
import HTTPServer
import JSON
import Policy
import Sandbox
import Settings
import Signatures
import Synchronization
import Testing
import Time

/// The guest's side is told, in each of the three ways, and the substitution is followed to its end.
@Suite(.timeLimit(.minutes(10)))
struct DeliveryTests {
    @Test func signedWebhookIsDelivered() async throws {
        let receiver = try Receiver()
        try await House.with(settings: receiver.configure) { house in
            let code = house.guest(on: house.lock { $0.customMetadata = [.init("property", "Mill Lane")] })
            house.model.failCode(code)
            let entry = try await house.expectSubstituted(code)
            try await eventually("it is delivered") {
                try house.count("deliveries WHERE kind = 'created' AND state = 'delivered'") == 1
            }
            let message = try #require(receiver.messages.first { $0["type"]?.string == "substitution.created" })
            let data = try #require(message["data"])
            #expect(data["original_access_code_id"]?.string == code)
            #expect(data["backup_access_code_id"]?.string == entry["backup_access_code_id"])
            #expect(data["backup_code"]?.string == entry["backup_code"])
            #expect(data["substitution_id"]?.string == entry["substitution_id"])
            #expect(data["original_ends_at"]?.string == entry["original_ends_at"])
            #expect(data["device_name"]?.string == "Front door")
            #expect(data["time_zone"]?.string == "Europe/Vienna")
            #expect(data["custom_metadata"]?["property"]?.string == "Mill Lane")
            #expect(entry["backup_code"].map { data["message"]?.string?.contains($0) == true } == true)
            let delivery = try #require(try house.rows("SELECT * FROM deliveries WHERE kind = 'created'").first)
            #expect(message["id"]?.string == delivery["delivery_id"])
            #expect(delivery["channel"] == "webhook")
            #expect(receiver.refusals == 0, "every signature was good")
        }
        await receiver.stop()
    }

    @Test(arguments: [500, 503, 429, 302, 400])
    func webhookThatFailsIsSentAgainUnderTheSameID(status: Int) async throws {
        let receiver = try Receiver(failing: 3, with: status)
        try await House.with(settings: receiver.configure) { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            try await eventually("it is delivered") {
                try house.count("deliveries WHERE kind = 'created' AND state = 'delivered'") == 1
            }
            let attempts = receiver.messages.filter { $0["type"]?.string == "substitution.created" }
            #expect(attempts.count == 4)
            #expect(Set(attempts.compactMap { $0["id"]?.string }).count == 1)
            #expect(try house.rows("SELECT attempts FROM deliveries WHERE kind = 'created'") == [["attempts": "4"]])
        }
        await receiver.stop()
    }

    @Test func receiverThatIsAwayIsTriedUntilItComes() async throws {
        let receiver = try Receiver()
        let port = receiver.port
        await receiver.stop()
        try await House.with(settings: receiver.configure) { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            try await eventually("it was tried") {
                try house.count("deliveries WHERE attempts > 1 AND state = 'pending'") == 1
            }
            let late = try Receiver(secret: receiver.secret, port: port)
            try await eventually("it is delivered") { try house.count("deliveries WHERE state = 'delivered'") == 1 }
            await late.stop()
        }
    }

    @Test func commandGetsTheMessageOnItsInput() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sparekey-told-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let script = folder.appendingPathComponent("tell.sh")
        try "env > \"$1.environment\"; cat > \"$1.part\" && mv \"$1.part\" \"$1\"\n".write(
            to: script, atomically: true, encoding: .utf8)
        let file = folder.appendingPathComponent("told.json").path
        let configure: (inout Settings) -> Void = {
            $0.delivery.manual = false
            $0.delivery.command = ["/bin/sh", script.path, file]
        }
        try await House.with(settings: configure) { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            let entry = try await house.expectSubstituted(code)
            try await eventually("it is delivered") { try house.count("deliveries WHERE state = 'delivered'") == 1 }
            let message = try JSONValue(parsing: Array(try Data(contentsOf: URL(fileURLWithPath: file))))
            #expect(message["type"]?.string == "substitution.created")
            #expect(message["data"]?["backup_code"]?.string == entry["backup_code"])
            let environment = try String(contentsOfFile: file + ".environment", encoding: .utf8)
            let pin = try #require(entry["backup_code"])
            #expect(!environment.contains(pin))
        }
    }

    @Test(arguments: [("exit 1", "exit_1"), ("exit 64", "exit_64")])
    func commandThatRefusesFailsForGood(script: String, error: String) async throws {
        let configure: (inout Settings) -> Void = {
            $0.delivery.manual = false
            $0.delivery.command = ["/bin/sh", "-c", "cat > /dev/null; " + script]
        }
        try await House.with(settings: configure) { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            try await eventually("it failed") {
                try house.count("deliveries WHERE kind = 'created' AND state = 'failed'") == 1
            }
            #expect(
                try house.rows("SELECT last_error FROM deliveries WHERE kind = 'created'") == [["last_error": error]])
        }
    }

    @Test(arguments: ["exit 75", "kill -9 $$", "sleep 60"])
    func commandThatFailsForNowIsTriedAgain(script: String) async throws {
        let configure: (inout Settings) -> Void = {
            $0.delivery.manual = false
            $0.delivery.timeout = .milliseconds(500)
            $0.delivery.command = ["/bin/sh", "-c", script]
        }
        try await House.with(settings: configure) { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            try await eventually("it is tried again") {
                try house.count("deliveries WHERE attempts >= 2 AND state = 'pending' AND last_error IS NOT NULL") == 1
            }
        }
    }

    @Test func manualDeliveryIsClaimedAndAcknowledged() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            let entry = try await house.expectSubstituted(code)
            let claim = "/api/deliveries/claim"
            for token in [nil, "another-token", ""] {
                let refused = try await house.admin("POST", claim, token: token)
                #expect(refused.status == 401)
                #expect(refused.header("www-authenticate") == "Bearer")
                #expect(refused.body.isEmpty)
                #expect(try await house.admin("GET", "/api/substitutions", token: token).status == 401)
                #expect(try await house.admin("GET", "/api/deliveries", token: token).status == 401)
            }
            let claimed = try await house.admin("POST", claim)
            #expect(claimed.status == 200)
            let message = try JSONValue(parsing: claimed.body)
            let id = try #require(message["id"]?.string)
            #expect(message["data"]?["backup_code"]?.string == entry["backup_code"])
            #expect(
                try house.rows("SELECT state FROM deliveries WHERE delivery_id = ?", [id]) == [["state": "claimed"]])
            #expect(try await house.admin("POST", claim).status == 204, "handed out once")
            #expect(try await house.admin("POST", "/api/deliveries/\(id)/ack", token: nil).status == 401)
            #expect(try await house.admin("POST", "/api/deliveries/dlv_unknown/ack").status == 404)
            #expect(try await house.admin("POST", "/api/deliveries/\(id)/ack").status == 204)
            #expect(try await house.admin("POST", "/api/deliveries/\(id)/ack").status == 204, "as often as one likes")
            let log = try house.rows("SELECT delivery_state, delivered_at FROM substitution_log")
            #expect(log.first?["delivery_state"] == "delivered")
            #expect(log.first?["delivered_at"] != nil)
            let listed = try await house.admin("GET", "/api/substitutions")
            #expect(listed.status == 200)
            #expect(listed.text.contains(try #require(entry["substitution_id"])))
        }
    }

    @Test func claimThatIsNotAcknowledgedComesAgain() async throws {
        try await House.with(settings: { $0.delivery.claimLease = .seconds(60) }) { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            let first = try JSONValue(parsing: try await house.admin("POST", "/api/deliveries/claim").body)
            #expect(try await house.admin("POST", "/api/deliveries/claim").status == 204)
            house.clock.move(by: .seconds(61))
            let second = try JSONValue(parsing: try await house.admin("POST", "/api/deliveries/claim").body)
            #expect(first["id"]?.string != nil)
            #expect(first["id"] == second["id"])
        }
    }

    @Test func guestIsToldNoSoonerThanConfigured() async throws {
        let receiver = try Receiver()
        let configure: (inout Settings) -> Void = {
            receiver.configure(&$0)
            $0.delivery.notBefore = .seconds(3600)
        }
        try await House.with(settings: configure) { house in
            let code = house.guest(on: house.lock(), from: .seconds(7200))
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            let startsAt = try #require(house.model.code(code)?.startsAt)
            let due = try house.rows("SELECT next_attempt_at FROM deliveries WHERE kind = 'created'")
            #expect(due == [["next_attempt_at": (startsAt - .seconds(3600)).description]])
            #expect(receiver.messages.isEmpty)
            house.clock.move(by: .seconds(3700))
            try await eventually("it is delivered") { try house.count("deliveries WHERE state = 'delivered'") == 1 }
        }
        await receiver.stop()
    }

    @Test func removedBackupIsRevoked() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            let entry = try await house.expectSubstituted(code)
            house.model.deleteCode(try #require(entry["backup_access_code_id"]))
            try await eventually("it is revoked") { try house.count("substitutions WHERE state = 'revoked'") == 1 }
        }
    }

    @Test func substitutionEndsWithItsStay() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock(), to: .seconds(7200))
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            house.clock.move(by: .seconds(7300))
            try await eventually("it has ended") { try house.count("substitutions WHERE state = 'ended'") == 1 }
        }
    }

    @Test func noPINIsInJournalOrMetricsOrStatusPage() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.failCode(code)
            let backup = try #require(house.model.device(lock)?.pool.first)
            let pin = try #require(house.model.code(backup)?.pin)
            try await house.expectSubstituted(code)
            // As a word of its own: times and identifiers are full of digits.
            func tells(_ text: String) -> Bool {
                text.split { !($0.isLetter || $0.isNumber || ".:-_".contains($0)) }.contains { $0 == pin }
            }
            #expect(tells(#"{"text":"code \#(pin) was removed"}"#))
            let details = try house.rows("SELECT detail FROM journal").compactMap { $0["detail"] }
            #expect(!details.isEmpty && !details.contains(where: tells))
            for path in ["/", "/metrics", "/readyz"] {
                let page = try await house.admin("GET", path, token: nil)
                #expect(page.status == 200)
                #expect(!tells(page.text), "\(path)")
            }
        }
    }
}
