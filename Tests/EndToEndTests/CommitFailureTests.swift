import Foundation
import GRDB
import HTTPClient
import Ledger
import Policy
import Sandbox
import Settings
import Synchronization
import Testing

/// No 204 without a commit, and all goes on once commits succeed again.
@Suite(.timeLimit(.minutes(10)))
struct CommitFailureTests {
    /// Keeps the database's write lock, as a program does that must not.
    private final class Intruder {
        private let queue: DatabaseQueue

        init(_ path: String) throws {
            var configuration = Configuration()
            configuration.allowsUnsafeTransactions = true
            configuration.busyMode = .timeout(10)
            queue = try DatabaseQueue(path: path, configuration: configuration)
            try queue.inDatabase { try $0.execute(sql: "BEGIN IMMEDIATE") }
        }

        func leave() throws {
            try queue.inDatabase { try $0.execute(sql: "ROLLBACK") }
            try queue.close()
        }
    }

    private final class Flag: Sendable {
        let isSet = Mutex(false)
    }

    @Test func lockedDatabaseIsTriedAgain() async throws {
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            try await eventually("the inbox is empty") {
                try house.count("webhook_events WHERE disposition = 'pending'") == 0
            }
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            let message = HandMade.failure(of: code, on: lock)
            let intruder = try Intruder(house.settings.database.path)
            // After 5 s, by the commit that failed or by the listener that waited for it so long: the sender sees no difference.
            let refused = try await house.post(message)
            #expect(refused.status == 503)
            #expect(refused.header("retry-after") != nil)
            try intruder.leave()
            try await eventually("it is taken") { try await house.post(message).status == 204 }
            try await house.expectSubstituted(code)
            #expect(try await house.admin("GET", "/readyz").status == 200)
        }
    }

    /// What the listener has answered itself is counted as that, and not as stored when the commit ends at last.
    @Test func anAnswerThatCameTooLateIsNotCounted() async throws {
        let gate = Gate()
        try await House.with(
            surroundings: House.Surroundings(interruption: { if $0 == .beforeCommit { gate.pass() } })
        ) { house in
            try await eventually("the sweeps of the start are over") {
                try await house.admin("GET", "/metrics").text.contains(#"sparekey_sweeps_total{result="ok"} 1"#)
            }
            let message = HandMade(#"{"event_id": "1", "event_type": "noise"}"#)
            gate.shut()
            #expect(try await house.post(message).status == 503)
            gate.open()
            // Behind the first, so that it is settled.
            #expect(try await house.post(message).status == 204)
            try await eventually("the second is counted") {
                try await house.admin("GET", "/metrics").text.contains(#"reason="repeated"} 1"#)
            }
            let counts = try await house.admin("GET", "/metrics").text.split(separator: "\n").filter {
                $0.hasPrefix("sparekey_intake_requests_total") || $0.hasPrefix("sparekey_ack_latency_seconds_count")
            }
            #expect(
                counts == [
                    "sparekey_ack_latency_seconds_count 1",
                    #"sparekey_intake_requests_total{result="204",reason="repeated"} 1"#,
                    #"sparekey_intake_requests_total{result="503",reason="response_timeout"} 1"#,
                ])
        }
    }

    /// A gate that a commit can be held at.
    private final class Gate: Sendable {
        private let semaphore = DispatchSemaphore(value: 0)
        private let isShut = Mutex(false)

        func shut() { isShut.withLock { $0 = true } }

        func open() {
            isShut.withLock { $0 = false }
            semaphore.signal()
        }

        func pass() {
            if isShut.withLock({ $0 }) { semaphore.wait() }
        }
    }

    /// The sender tries again after minutes, or never where it was a proxy that gave up: Seam's list of events is asked sooner.
    @Test func aRefusedWebhookIsLookedForAmongSeamsEvents() async throws {
        let hourly = { (settings: inout Settings) in
            settings.reconcile.interval = .seconds(3600)
            settings.reconcile.stateInterval = .seconds(3600)
        }
        let fails = Flag()
        let surroundings = House.Surroundings(interruption: { moment in
            guard case .beforeCommit = moment, fails.isSet.withLock({ $0 }) else { return }
            throw DatabaseError(resultCode: .SQLITE_IOERR)
        })
        try await House.with(settings: hourly, surroundings: surroundings) { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            // Locks are read at the start, before which this one may not have been there.
            try await house.stop()
            try await house.start()
            try await eventually("the sweeps of the start are over") {
                let hasSwept = try await house.admin("GET", "/metrics").text.contains(
                    #"sparekey_sweeps_total{result="ok"} 1"#)
                return try hasSwept && house.count("devices WHERE codes_read_at IS NOT NULL") == 1
            }
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            fails.isSet.withLock { $0 = true }
            #expect(try await house.post(HandMade.failure(of: code, on: lock)).status == 503)
            fails.isSet.withLock { $0 = false }
            try await house.expectSubstituted(code)
            #expect(
                try house.count(
                    "webhook_events WHERE event_type = 'access_code.failed_to_set_on_device' AND source = 'sweep'") == 1
            )
        }
    }

    @Test func queueHasABound() async throws {
        try await House.with { house in
            let before = try await house.admin("GET", "/metrics").text
            #expect(!before.contains("queue_full"))
            let first = HandMade(#"{"event_id": "1", "event_type": "noise"}"#)
            // 90 MB; the queue holds 64 MiB.
            let flood = (0..<60).map { _ in HandMade(Array(repeating: 0x20, count: 1_500_000)) }
            let intruder = try Intruder(house.settings.database.path)
            // The first is being committed, so the others wait.
            async let firstStatus = house.post(first).status
            async let statuses = Volley.post(flood, secret: house.secret, to: house.webhookURL)
            try await eventually("the queue is full") {
                try await house.admin("GET", "/metrics").text.contains("queue_full")
            }
            try intruder.leave()
            let all = try await [firstStatus] + statuses
            #expect(all.allSatisfy { $0 == 204 || $0 == 503 }, "\(all)")
            #expect(all.contains(503))
            for message in [first] + flood.prefix(3) + flood.suffix(3) {
                try await eventually("it is taken", within: .seconds(120)) {
                    try await house.post(message).status == 204
                }
                #expect(try house.count("webhook_events WHERE svix_id = ?", [message.id]) == 1)
            }
        }
    }

    @Test func fullDiskIsAnsweredWith503() async throws {
        await #expect(processExitsWith: .success) { try await CommitFailureTests.liveWithFullDisk() }
    }

    /// In a process of its own, none of whose files may grow, as on a full disk; sockets are not concerned.
    private static func liveWithFullDisk() async throws {
        signal(SIGXFSZ, SIG_IGN)
        func limitFiles(to bytes: rlim_t) {
            var limit = rlimit(rlim_cur: bytes, rlim_max: rlim_t.max)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        }
        try await House.with { house in
            let lock = house.lock()
            let code = house.guest(on: lock)
            try await eventually("the inbox is empty") {
                try house.count("webhook_events WHERE disposition = 'pending'") == 0
            }
            house.model.isWebhookSenderPaused = true
            house.model.failCode(code)
            let message = HandMade.failure(of: code, on: lock)
            limitFiles(to: 1024)
            for _ in 0..<3 {
                let refused = try await house.post(message)
                #expect(refused.status == 503)
                #expect(refused.header("retry-after") != nil)
            }
            let ready = try await house.admin("GET", "/readyz")
            #expect(ready.status == 503)
            #expect(ready.text.contains("database"))
            #expect(try await house.admin("GET", "/healthz").status == 200)
            limitFiles(to: rlim_t.max)
            try await eventually("it is taken again") { try await house.post(message).status == 204 }
            try await house.expectSubstituted(code)
            #expect(try house.count("webhook_events WHERE svix_id = ?", [message.id]) == 1)
            #expect(try await house.admin("GET", "/readyz").status == 200)
        }
    }

    @Test func readinessComesBackWithoutAWebhook() async throws {
        try await House.with { house in
            let intruder = try Intruder(house.settings.database.path)
            let refused = try await house.post(HandMade(#"{"event_id": "1", "event_type": "noise"}"#))
            #expect(refused.status == 503)
            try await eventually("it is not ready") { try await house.admin("GET", "/readyz").status == 503 }
            try intruder.leave()
            try await eventually("it is ready") { try await house.admin("GET", "/readyz").status == 200 }
        }
    }
}
