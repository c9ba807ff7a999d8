import Foundation
import HTTPClient
import Policy
import Sandbox
import Settings
import Signatures
import Testing
import Time

/// What the public listener answers.
@Suite(.timeLimit(.minutes(10)))
struct IntakeTests {
    /// All of an answer that the sender could tell apart.
    private func face(_ response: ClientResponse) -> String {
        let headers = response.headers.filter { $0.name.lowercased() != "date" }
        return "\(response.status) \(headers.map { "\($0.name): \($0.value)" }.sorted()) \(response.text)"
    }

    /// The inbox is looked at when something comes, and not only by and by: one after the other, these would take 50 seconds so.
    @Test func whatIsStoredWakesTheWorker() async throws {
        try await House.with { house in
            let began = ContinuousClock.now
            for number in 1...10 {
                let message = HandMade(#"{"event_id": "\#(number)", "event_type": "noise"}"#)
                #expect(try await house.post(message).status == 204)
                try await eventually("it is settled") {
                    try house.count("webhook_events WHERE svix_id = ? AND disposition <> 'pending'", [message.id]) == 1
                }
            }
            #expect(began.duration(to: .now) < .seconds(35))
        }
    }

    @Test func badSignaturesGetOneAnswer() async throws {
        try await House.with { house in
            let message = HandMade(#"{"event_id": "1", "event_type": "noise"}"#)
            let good = try message.headers(secret: house.secret)
            func without(_ name: String) -> [(String, String)] { good.filter { $0.0 != name } }
            func with(_ name: String, _ value: String) -> [(String, String)] { without(name) + [(name, value)] }
            var old = message
            old.timestamp -= 301
            var future = message
            future.timestamp += 600
            var dotted = try #require(good.first { $0.0 == "svix-signature" }?.1)
            dotted.removeLast(2)
            let attempts: [(String, [(String, String)], [UInt8])] = [
                ("no headers", [], message.body), ("no id", without("svix-id"), message.body),
                ("no timestamp", without("svix-timestamp"), message.body),
                ("no signature", without("svix-signature"), message.body),
                ("another secret", try message.headers(secret: House.newSecret()), message.body),
                ("another body", good, message.body + [0x20]), ("no body", good, []),
                ("another id", with("svix-id", "msg_other"), message.body),
                ("another timestamp", with("svix-timestamp", "\(message.timestamp - 1)"), message.body),
                ("too old", try old.headers(secret: house.secret), message.body),
                ("too new", try future.headers(secret: house.secret), message.body),
                ("timestamp in words", with("svix-timestamp", "yesterday"), message.body),
                ("id with a dot", with("svix-id", "msg.1"), message.body),
                ("not base64", with("svix-signature", "v1,???"), message.body),
                ("cut short", with("svix-signature", dotted), message.body),
                ("no version 1", with("svix-signature", "v2,abcd v1a,abcd"), message.body),
                ("twice", good + good, message.body),
            ]
            var faces: Set<String> = []
            for (what, headers, body) in attempts {
                let response = try await house.request("POST", house.webhookURL, headers, body)
                #expect(response.status == 401, "\(what)")
                #expect(response.body.isEmpty, "\(what)")
                faces.insert(face(response))
            }
            #expect(faces.count == 1, "one answer for all")
            #expect(try house.count("webhook_events") == 0)
            #expect(try await house.post(message).status == 204)
        }
    }

    @Test func repeatIsAcknowledgedAgain() async throws {
        try await House.with { house in
            let message = HandMade(#"{"event_id": "1", "event_type": "noise"}"#)
            for _ in 0..<3 { #expect(try await house.post(message).status == 204) }
            try await house.expectInboxDone(1)
            #expect(try await house.post(message).status == 204)
            #expect(try house.count("webhook_events") == 1)
        }
    }

    @Test func acknowledgedMessageIsInTheDatabase() async throws {
        try await House.with { house in
            for number in 0..<20 {
                let message = HandMade(#"{"event_id": "\#(number)", "event_type": "noise"}"#)
                let response = try await house.post(message)
                #expect(response.status == 204)
                #expect(try house.count("webhook_events WHERE svix_id = ?", [message.id]) == 1)
            }
        }
    }

    @Test func otherPathsAndMethodsAreRefused() async throws {
        try await House.with(settings: { $0.listen.maxBodyBytes = 2048 }) { house in
            let message = HandMade(#"{"event_id": "1", "event_type": "noise"}"#)
            let headers = try message.headers(secret: house.secret)
            let elsewhere = house.webhookURL.replacingOccurrences(of: "/webhooks/seam", with: "/webhooks/other")
            #expect(try await house.request("POST", elsewhere, headers, message.body).status == 404)
            #expect(try await house.request("POST", house.webhookURL + "/", headers, message.body).status == 404)
            for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                let response = try await house.request(
                    method, house.webhookURL, headers, method == "GET" ? nil : message.body)
                #expect(response.status == 405, "\(method)")
                #expect(response.header("allow") == "POST", "\(method)")
            }
            let zipped = try await house.request(
                "POST", house.webhookURL, headers + [("Content-Encoding", "gzip")], message.body)
            #expect(zipped.status == 415)
            let plain = try await house.request(
                "POST", house.webhookURL, headers + [("Content-Encoding", "identity")], message.body)
            #expect(plain.status == 204)
            let large = HandMade(Array(repeating: 0x20, count: 2049))
            #expect(try await house.post(large).status == 413)
            let fits = HandMade(Array(repeating: 0x20, count: 2048))
            #expect(try await house.post(fits).status == 204)
        }
    }

    @Test func everyPageHasItsHead() async throws {
        try await House.with { house in
            for page in ["/healthz", "/readyz", "/", "/metrics", "/api/deliveries"] {
                let head = try await house.admin("HEAD", page)
                #expect(head.status == 200 && head.text.isEmpty, "\(page)")
                #expect(head.header("date").flatMap { Timestamp(httpDate: $0) } != nil, "\(page)")
            }
        }
    }

    @Test func secondSecretAndBothHeaderFamiliesAreTaken() async throws {
        let other = House.newSecret()
        try await House.with(settings: { $0.webhook.secrets.append(SecretText(other)) }) { house in
            let message = HandMade(#"{"event_id": "1", "event_type": "noise"}"#)
            #expect(try await house.post(message, secret: other).status == 204)
            let second = HandMade(#"{"event_id": "2", "event_type": "noise"}"#)
            let signer = SignatureSigner(secret: try SigningSecret(house.secret))
            let headers = try signer.headers(
                family: .webhook, id: second.id, timestamp: second.timestamp, body: second.body.span)
            let response = try await house.request(
                "POST", house.webhookURL, headers.map { ($0.name, $0.value) }, second.body)
            #expect(response.status == 204)
        }
    }

    /// Authentic, and of no use.
    struct Unreadable: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var body: [UInt8]

        init(_ what: String, _ body: String) { (testDescription, self.body) = (what, Array(body.utf8)) }
        init(_ what: String, _ body: [UInt8]) { (testDescription, self.body) = (what, body) }
    }

    /// What is authentic is answered with 204 and put aside, and what comes after it is handled.
    @Test(arguments: [
        Unreadable("no JSON", "not JSON"), Unreadable("no UTF-8", [0xFF, 0xFE, 0x00, 0x7B]), Unreadable("empty", ""),
        Unreadable("an array", "[1, 2, 3]"), Unreadable("null", "null"),
        Unreadable("no event_id", #"{"event_type": "access_code.failed_to_set_on_device", "access_code_id": "x"}"#),
        Unreadable("no access_code_id", #"{"event_id": "1", "event_type": "access_code.failed_to_set_on_device"}"#),
        Unreadable("event_id a number", #"{"event_id": 1, "event_type": "noise"}"#),
        Unreadable("no event_type", #"{"event_id": "1"}"#),
        Unreadable("too deep", String(repeating: "[", count: 100_000)),
        Unreadable("a NUL in the type", #"{"event_id": "1", "event_type": "a\u0000b"}"#),
    ])
    func unreadableMessageIsPutAside(unreadable: Unreadable) async throws {
        let body = unreadable.body
        try await House.with { house in
            let message = HandMade(body)
            #expect(try await house.post(message).status == 204)
            try await eventually("it is put aside") { try house.disposition(svixID: message.id) == "quarantined" }
            let stored = try house.rows(
                "SELECT hex(body) AS body, event_id FROM webhook_events WHERE svix_id = ?", [message.id])
            #expect(stored == [["body": body.map { String(format: "%02X", $0) }.joined()]])
            #expect(try house.count("journal WHERE kind = 'event.quarantined'") == 1)
            #expect(try await house.post(message).status == 204)
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            #expect(try house.count("journal WHERE kind = 'event.quarantined'") == 1, "told once")
        }
    }

    @Test func unknownEventIsIgnored() async throws {
        try await House.with { house in
            for type in ["lock.unlocked", "a_newer.event", "access_code.a_newer_event"] {
                let message = HandMade(type, of: UUID().uuidString, on: UUID().uuidString)
                #expect(try await house.post(message).status == 204)
                try await eventually("it is settled") { try house.disposition(svixID: message.id) == "ignored" }
            }
            #expect(try house.count("failovers") == 0)
        }
    }
}
