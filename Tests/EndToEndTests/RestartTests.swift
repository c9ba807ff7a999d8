import Daemon
import Foundation
import HTTPClient
import Policy
import Sandbox
import Settings
import Testing
import Time

/// What was under way when the daemon stopped is gone on with when it starts.
@Suite(.timeLimit(.minutes(10)))
struct RestartTests {
    @Test func waitingFailoversGoOn() async throws {
        try await House.with { house in
            let lock = house.lock()
            house.model.emptyPool(of: lock, refills: false)
            let codes = [house.guest(on: lock), house.guest(on: lock)]
            for code in codes { house.model.failCode(code) }
            for code in codes { try await house.expect(code, .waiting, "pool_empty") }
            try await house.stop()
            #expect(try house.failover(of: codes[0])?["state"] == "waiting")
            house.model.refillPool(of: lock)
            try await house.start()
            for code in codes { try await house.expectSubstituted(code) }
            #expect(house.model.counters.backupsPulled == 2)
        }
    }

    @Test func answersBeforeAStopAreCountedAfterIt() async throws {
        try await House.with { house in
            let lock = house.lock()
            house.model.isWebhookSenderPaused = true
            for _ in 0..<2 {
                #expect(try await house.post(HandMade.failure(of: house.guest(on: lock), on: lock)).status == 204)
                try await house.stop()
                try await house.start()
            }
            let page = String(decoding: try await house.admin("GET", "/").body, as: UTF8.self)
            #expect(page.contains("Webhooks: 2;"))
        }
    }

    @Test func messagesTakenButNotReadAreRead() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            let message = HandMade.failure(of: code, on: lock)
            #expect(try await house.post(message).status == 204)
            try await house.stop()
            #expect(try house.count("webhook_events WHERE svix_id = ?", [message.id]) == 1)
            try await house.start()
            try await house.expectSubstituted(code)
            #expect(house.model.counters.backupsPulled == 1)
        }
    }

    @Test func pullWhoseAnswerWasNotAwaitedIsOurs() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            house.model.addFault(SandboxFault(.delay(.seconds(60)), route: APIAnswerTests.pull))
            house.model.failCode(code)
            try await eventually("the backup is pulled") { house.model.counters.backupsPulled == 1 }
            try await house.stop()
            #expect(try house.count("substitutions") == 0)
            #expect(try house.count("pulls WHERE outcome IS NULL") == 1)
            try await house.start()
            try await house.expectSubstituted(code, .pulled)
            #expect(house.model.counters.backupsPulled == 1)
            #expect(house.model.counters.pulls[code] == 1)
        }
    }

    @Test func pullThatNeverHappenedIsMade() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(.timeout, route: APIAnswerTests.pull))
            house.model.failCode(code)
            try await eventually("the pull hangs") { house.model.counters.faultsServed == 1 }
            try await house.stop()
            #expect(try house.failover(of: code)?["state"] == "pending", "a daemon that stops says nothing about Seam")
            try await house.start()
            try await house.expectSubstituted(code, .pulled)
            #expect(house.model.counters.backupsPulled == 1)
        }
    }

    @Test func eventsOfTheTimeInBetweenAreFound() async throws {
        try await House.with { house in
            let code = house.guest(on: house.lock())
            try await house.stop()
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            try await house.start()
            try await house.expectSubstituted(code)
        }
    }

    @Test func undeliveredMessagesAreDelivered() async throws {
        try await House.with { house in
            let file = house.folder.appendingPathComponent("told.json").path
            var settings = house.settings
            settings.delivery.manual = false
            settings.delivery.command = ["/bin/sh", "-c", "exit 75"]
            house.settings = settings
            try await house.stop()
            try await house.start()
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            try await eventually("it was tried") { try house.count("deliveries WHERE attempts > 0") == 1 }
            try await house.stop()
            settings.delivery.command = ["/bin/sh", "-c", "cat > \"$0.part\" && mv \"$0.part\" \"$0\"", file]
            settings.listen.port = house.settings.listen.port
            house.settings = settings
            try await house.start()
            try await eventually("it is delivered") { try house.count("deliveries WHERE state = 'delivered'") == 1 }
            #expect(FileManager.default.fileExists(atPath: file))
        }
    }

    @Test func secondDaemonIsRefusedAndToldOfTheFirst() async throws {
        try await House.with { house in
            let refusal = #expect(throws: (any Error).self) { try house.newDaemon() }
            let text = refusal.map { "\($0)" } ?? ""
            #expect(text.contains("process \(getpid())"), "\(text)")
            #expect(text.contains(house.settings.database.path))
            // The first is not disturbed.
            let code = house.guest(on: house.lock())
            house.model.failCode(code)
            try await house.expectSubstituted(code)
            // And once it has gone, another may come.
            try await house.stop()
            try await house.start()
            #expect(try await house.admin("GET", "/readyz").status == 200)
        }
    }

    @Test func stopAnswersWhatWasRead() async throws {
        try await House.with { house in
            try await withThrowingTaskGroup(of: (String, Int?).self) { group in
                for number in 0..<50 {
                    group.addTask {
                        let message = HandMade(#"{"event_id": "\#(number)", "event_type": "noise"}"#)
                        // Refused connections are the sender's to try again.
                        return (message.id, try? await house.post(message).status)
                    }
                }
                try await house.stop()
                for try await (id, status) in group where status == 204 {
                    #expect(try house.count("webhook_events WHERE svix_id = ?", [id]) == 1)
                }
            }
        }
    }
}
