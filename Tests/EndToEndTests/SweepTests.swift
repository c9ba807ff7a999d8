import Foundation
import HTTPClient
import Policy
import Sandbox
import Settings
import Testing
import Time

/// Events whose webhooks never come.
@Suite(.timeLimit(.minutes(10)))
struct SweepTests {
    private static func often(_ settings: inout Settings) { settings.reconcile.interval = .milliseconds(500) }

    @Test func failureIsFoundWithoutItsWebhook() async throws {
        try await House.with(settings: Self.often) { house in
            house.model.isWebhookSenderPaused = true
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            let event = try #require(
                try house.rows(
                    "SELECT * FROM webhook_events WHERE access_code_id = ? AND disposition = 'handled'", [code]
                ).first)
            #expect(event["source"] == "sweep")
            #expect(event["svix_id"] == nil)
        }
    }

    @Test func webhookThatComesLateIsADuplicate() async throws {
        try await House.with(settings: Self.often) { house in
            house.model.isWebhookSenderPaused = true
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            let failure = try #require(house.model.events.first { $0.type == DecisionTableTests.failure })
            house.model.isWebhookSenderPaused = false
            try await eventually("the webhook came") {
                try house.count(
                    "webhook_events WHERE source = 'webhook' AND event_type = ? AND disposition = 'duplicate' AND event_id IS NULL",
                    [failure.type]) == 1
            }
            #expect(try house.count("webhook_events WHERE event_id = ?", [failure.id]) == 1)
            #expect(house.model.counters.pulls[code] == 1)
        }
    }

    @Test func sweepThatFailsIsMadeAgain() async throws {
        try await House.with(settings: Self.often) { house in
            house.model.isWebhookSenderPaused = true
            house.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), route: "/events/list", count: 1))
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
        }
    }

    @Test func manyEventsAreAllFound() async throws {
        try await House.with(settings: Self.often) { house in
            house.model.isWebhookSenderPaused = true
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.failCode(code)
            // More than one page of the list.
            for _ in 0..<600 {
                house.tell("access_code.set_on_device", of: UUID().uuidString.lowercased(), on: lock)
            }
            try await house.expectSubstituted(code)
            try await eventually("all are found", within: .seconds(120)) {
                try house.count("webhook_events WHERE event_type = 'access_code.set_on_device'") == 600
            }
        }
    }

    /// The secret may have been replaced: what it makes unreadable is looked for at once.
    @Test func aWebhookWithAWrongSignatureIsLookedForAmongSeamsEvents() async throws {
        try await House.with(settings: { $0.reconcile.interval = .seconds(3600) }) { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            try await eventually("the first sweep is over") {
                try await house.admin("GET", "/metrics").text.contains(#"sparekey_sweeps_total{result="ok"} 1"#)
            }
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            let refused = try await house.post(HandMade.failure(of: code, on: lock), secret: House.newSecret())
            #expect(refused.status == 401)
            try await eventually("a second sweep") {
                try await house.admin("GET", "/metrics").text.contains(#"sparekey_sweeps_total{result="ok"} 2"#)
            }
            try await eventually("the event is found") {
                try house.count(
                    "webhook_events WHERE event_type = 'access_code.failed_to_set_on_device' AND source = 'sweep'") == 1
            }
        }
    }
}
