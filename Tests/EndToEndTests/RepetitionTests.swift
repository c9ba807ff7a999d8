import Foundation
import HTTPClient
import Policy
import Sandbox
import Settings
import Testing

/// The same thing told a hundred times at once.
@Suite(.timeLimit(.minutes(10)))
struct RepetitionTests {
    static let count = 100

    private static func postAll(_ webhooks: [HandMade], to house: House) async throws -> [Int] {
        try await Volley.post(webhooks, secret: house.secret, to: house.webhookURL)
    }

    @Test func sameMessageIsOneRow() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            // The one event is the one made by hand.
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            let message = HandMade.failure(of: code, on: lock)
            let statuses = try await Self.postAll(Array(repeating: message, count: Self.count), to: house)
            #expect(statuses == Array(repeating: 204, count: Self.count))
            try await house.expectSubstituted(code)
            #expect(try house.count("webhook_events WHERE svix_id = ?", [message.id]) == 1)
            // A sweep may have found the failure first, and the guest been helped before the message was looked at.
            try await eventually("it is settled") { try house.disposition(svixID: message.id) == "handled" }
            #expect(try house.count("failovers") == 1)
            #expect(try house.count("deliveries WHERE kind = 'created'") == 1)
            #expect(house.model.counters.pulls[code] == 1)
        }
    }

    @Test func sameEventInManyMessagesIsHandledOnce() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            let eventID = UUID().uuidString
            let messages = (0..<Self.count).map { _ in HandMade.failure(of: code, on: lock, eventID: eventID) }
            let statuses = try await Self.postAll(messages, to: house)
            #expect(statuses == Array(repeating: 204, count: Self.count))
            try await house.expectSubstituted(code)
            try await eventually("all are settled") {
                try house.count("webhook_events WHERE disposition = 'duplicate' AND event_id IS NULL") == Self.count - 1
            }
            #expect(try house.count("webhook_events WHERE event_id = ? AND disposition = 'handled'", [eventID]) == 1)
            #expect(try house.count("failovers") == 1)
            #expect(try house.count("deliveries WHERE kind = 'created'") == 1)
            #expect(house.model.counters.pulls[code] == 1)
        }
    }

    @Test func manyCodesOfManyLocksEachGetTheirOwn() async throws {
        try await House.with { house in
            let guests = (0..<10).flatMap { _ in
                let lock = house.lock(pool: 4)
                return (0..<4).map { _ in (lock: lock, code: house.guest(on: lock)) }
            }
            house.model.isWebhookSenderPaused = true
            for guest in guests { house.model.failCode(guest.code) }
            let messages = guests.flatMap { guest in
                (0..<3).map { _ in HandMade.failure(of: guest.code, on: guest.lock) }
            }
            let statuses = try await Self.postAll(messages.shuffled(), to: house)
            #expect(statuses.allSatisfy { $0 == 204 })
            for guest in guests { try await house.expectSubstituted(guest.code) }
            #expect(house.model.counters.backupsPulled == guests.count)
            #expect(house.model.counters.pulls.values.allSatisfy { $0 == 1 })
            #expect(try house.count("(SELECT DISTINCT backup_access_code_id FROM substitutions)") == guests.count)
        }
    }
}
