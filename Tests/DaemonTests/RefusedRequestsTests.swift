import Foundation
import HTTPClient
import HTTPServer
import Ledger
import Logging
import Signatures
import Synchronization
import Testing
import Time

@testable import Daemon

/// What the intake tells of requests that it refuses, on real sockets.
@Suite(.timeLimit(.minutes(2))) struct RefusedRequestsTests {
    private static let path = "/webhooks/seam"

    /// An intake behind a listener, with what it tells.
    private struct Door {
        let lines = Lines()
        let refused = Wakeup()
        let secret: String
        let server: Server
        let intake: Intake
        let folder: URL
        let client = CurlTransport(maxConcurrentRequests: 2, maxQueued: 8, userAgent: "t")

        init() throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("sparekey-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            secret = Self.newSecret()
            let pulse = Pulse()
            let verifier = try SignatureVerifier(secrets: [SigningSecret(secret)])
            let intake = Intake(
                rules: Intake.Rules(path: Array(RefusedRequestsTests.path.utf8), verifier: verifier),
                ledger: try Ledger(path: folder.appendingPathComponent("sparekey.db").path),
                clock: SystemWallClock(), metrics: Metrics(), health: Health(pulse: pulse),
                part: pulse.begin("intake"), log: lines.logger, outage: Outage(log: lines.logger),
                lateness: Lateness(limit: nil, log: lines.logger), inboxChanged: Wakeup(), refused: refused)
            self.intake = intake
            server = Server(
                host: "127.0.0.1", port: 0, admission: { intake.admit($0) }, drained: { intake.commit() },
                handler: { intake.handle($0, $1) })
            try server.start()
        }

        static func newSecret() -> String {
            "whsec_" + Data((0..<24).map { _ in UInt8.random(in: 0...255) }).base64EncodedString()
        }

        func headers(_ secret: String, secondsAgo: Int64 = 0) throws -> [(String, String)] {
            let signer = SignatureSigner(secret: try SigningSecret(secret))
            let time = SystemWallClock().now().secondsSinceEpoch - secondsAgo
            let body: [UInt8] = [0x7B, 0x7D]
            return try signer.headers(family: .svix, id: "msg_1", timestamp: time, body: body.span).map {
                ($0.name, $0.value)
            }
        }

        func post(_ headers: [(String, String)], to path: String = path) async throws -> Int {
            try await client.send(
                ClientRequest(
                    method: "POST", url: "http://127.0.0.1:\(server.port)\(path)", headers: headers,
                    body: [0x7B, 0x7D], timeout: .seconds(30))
            ).status
        }

        func leave() async throws {
            await server.shutdown(deadline: .seconds(5))
            await intake.drain()
            try FileManager.default.removeItem(at: folder)
        }
    }

    @Test func seamsEventsAreSweptAfterWhatMayHaveBeenSeams() async throws {
        for secondsAgo in [0, 3_600, -3_600] as [Int64] {
            let door = try Door()
            // Scanners.
            #expect(try await door.post([]) == 401)
            #expect(try await door.post([("X-Other", "1")]) == 401)
            let good = try door.headers(door.secret)
            #expect(try await door.post(good, to: "/other") == 404)
            #expect(try await door.post(good + [("Content-Encoding", "gzip")]) == 415)
            #expect(try await door.post(good) == 204)
            #expect(!door.refused.isSignalled)
            let bad = try door.headers(secondsAgo == 0 ? Door.newSecret() : door.secret, secondsAgo: secondsAgo)
            #expect(try await door.post(bad) == 401)
            #expect(door.refused.isSignalled)
            try await door.leave()
        }
    }

    @Test func aWrongSecretIsToldWhateverScannersDo() async throws {
        let door = try Door()
        let wrong = try door.headers(Door.newSecret())
        for _ in 0..<3 {
            #expect(try await door.post([]) == 401)
            #expect(try await door.post(wrong) == 401)
        }
        #expect(warnings(door) == ["missing_header", "signature_mismatch"])
        #expect(try await door.post(door.headers(door.secret)) == 204)
        #expect(try await door.post(wrong) == 401)
        #expect(warnings(door) == ["missing_header", "signature_mismatch", "signature_mismatch"])
        #expect(door.lines.metadata.last?["held_back"] == "2")
        try await door.leave()
    }

    /// The reasons of the warnings that there were.
    private func warnings(_ door: Door) -> [String] {
        zip(door.lines.all, door.lines.metadata).compactMap { line, metadata in
            line == "warning A request to the webhook path was refused" ? metadata["reason"]?.description : nil
        }
    }
}
