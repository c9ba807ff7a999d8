import HTTPClient
import HTTPServer
import JSON
import Sandbox
import Signatures
import Synchronization
import Testing
import Time

struct WebhookTests {
    private func verifies(_ delivery: SandboxDelivery, secret: String, now: Timestamp) throws -> Bool {
        let verifier = try SignatureVerifier(secrets: [try SigningSecret(secret)])
        let fields = try delivery.headers().map { (name: Array($0.name.utf8)[...], value: Array($0.value.utf8)[...]) }
        do {
            _ = try verifier.verify(
                headers: SignatureHeaders(fields), body: delivery.body.span, now: now.secondsSinceEpoch)
            return true
        } catch {
            return false
        }
    }

    @Test("A message is the event, signed with Svix's headers")
    func signs() throws {
        let bench = Bench()
        let webhook = bench.model.createWebhook(url: "https://a.example/hook", eventTypes: ["device.added"])
        bench.model.emitEvent("lock.locked", members: [])
        _ = bench.device()
        let deliveries = bench.model.takeDueDeliveries()
        let delivery = try #require(deliveries.first)
        #expect(deliveries.count == 1)
        #expect(try JSONValue(parsing: delivery.body)["event_type"] == "device.added")
        #expect(delivery.messageID.hasPrefix("msg_"))
        #expect(!delivery.messageID.contains("."))
        let headers = try delivery.headers()
        #expect(headers.first { $0.name == "user-agent" }?.value == "Svix-Webhooks/1.84.0 (sparekey-sandbox)")
        #expect(try verifies(delivery, secret: webhook.secrets[0], now: bench.model.now))
        bench.model.settle(delivery, .response(status: 204, directive: nil))
        #expect(bench.model.messages.map(\.state) == [.delivered])
        #expect(bench.model.takeDueDeliveries().isEmpty)
    }

    @Test("Retries keep the id, renew the timestamp, follow Svix's schedule, and end after eight attempts")
    func retries() throws {
        let bench = Bench()
        _ = bench.model.createWebhook(url: "https://a.example/hook", eventTypes: ["device.added"])
        _ = bench.device()
        var attempts: [SandboxDelivery] = []
        var waits: [Double] = []
        while let due = bench.model.nextDue {
            waits.append(due.duration(since: bench.model.now).inSeconds)
            bench.clock.set(max(due, bench.model.now))
            for delivery in bench.model.takeDueDeliveries() {
                attempts.append(delivery)
                bench.model.settle(delivery, .response(status: 503, directive: nil))
            }
        }
        #expect(attempts.map(\.attempt) == Array(1...8))
        #expect(Set(attempts.map(\.messageID)).count == 1)
        #expect(Set(attempts.map(\.timestamp)).count == 8)
        let schedule: [Double] = [0, 5, 300, 1800, 7200, 18_000, 36_000, 36_000]
        for (wait, expected) in zip(waits, schedule) { #expect(wait >= expected * 0.8 && wait <= expected * 1.2) }
        #expect(bench.model.messages.map(\.state) == [.failed])
    }

    @Test("Two secrets sign while one is being replaced")
    func rotates() throws {
        let bench = Bench()
        let webhook = bench.model.createWebhook(url: "https://a.example/hook", eventTypes: ["device.added"])
        bench.model.rotateSecret(ofWebhook: webhook.id)
        let secrets = try #require(bench.model.webhook(webhook.id)?.secrets)
        #expect(secrets.count == 2)
        _ = bench.device()
        let delivery = try #require(bench.model.takeDueDeliveries().first)
        for secret in secrets { #expect(try verifies(delivery, secret: secret, now: bench.model.now)) }
    }

    @Test("Bad signature and stale timestamp concern the first attempt; the next is good")
    func badAttempts() throws {
        let bench = Bench()
        let webhook = bench.model.createWebhook(url: "https://a.example/hook", eventTypes: ["device.added"])
        bench.model.addWebhookFault(SandboxWebhookFault(.badSignature))
        bench.model.addWebhookFault(SandboxWebhookFault(.staleTimestamp(by: .seconds(600))))
        _ = bench.device()
        _ = bench.device()
        let first = bench.model.takeDueDeliveries()
        #expect(first.count == 2)
        for delivery in first {
            #expect(try !verifies(delivery, secret: webhook.secrets[0], now: bench.model.now))
            bench.model.settle(delivery, .response(status: 401, directive: nil))
        }
        #expect(try verifies(first[1], secret: webhook.secrets[0], now: bench.model.now - .seconds(600)))
        bench.advance(.seconds(7))
        for delivery in bench.model.takeDueDeliveries() {
            #expect(try verifies(delivery, secret: webhook.secrets[0], now: bench.model.now))
        }
    }

    @Test("Duplicates, drops, reordering, delay and pause")
    func faults() {
        let bench = Bench()
        _ = bench.model.createWebhook(url: "https://a.example/hook")
        func take() -> [SandboxDelivery] {
            let deliveries = bench.model.takeDueDeliveries()
            for delivery in deliveries { bench.model.settle(delivery, .response(status: 204, directive: nil)) }
            return deliveries
        }
        bench.model.addWebhookFault(SandboxWebhookFault(.duplicateMessage))
        bench.model.emitEvent("lock.locked", members: [])
        let same = take()
        #expect(same.count == 2)
        #expect(Set(same.map(\.messageID)).count == 1)

        bench.model.addWebhookFault(SandboxWebhookFault(.duplicateEvent))
        let event = bench.model.emitEvent("lock.locked", members: [])
        let renamed = take()
        #expect(Set(renamed.map(\.messageID)).count == 2)
        #expect(Set(renamed.map(\.eventID)) == [event.id])

        bench.model.addWebhookFault(SandboxWebhookFault(.drop, eventType: "lock.unlocked"))
        bench.model.emitEvent("lock.unlocked", members: [])
        #expect(take().isEmpty)

        bench.model.addWebhookFault(SandboxWebhookFault(.reorder(3)))
        let emitted = (0..<3).map { _ in bench.model.emitEvent("lock.locked", members: []).id }
        let reordered = take().map(\.eventID)
        #expect(reordered == emitted.reversed())

        bench.model.addWebhookFault(SandboxWebhookFault(.reorder(3)))
        bench.model.emitEvent("lock.locked", members: [])
        #expect(take().isEmpty)
        bench.model.clearWebhookFaults()
        #expect(take().count == 1)

        bench.model.addWebhookFault(SandboxWebhookFault(.delay(.seconds(30))))
        bench.model.emitEvent("lock.locked", members: [])
        #expect(take().isEmpty)
        bench.advance(.seconds(30))
        #expect(take().count == 1)

        bench.model.isWebhookSenderPaused = true
        bench.model.emitEvent("lock.locked", members: [])
        #expect(take().isEmpty)
        #expect(bench.model.nextDue == nil)
        bench.model.isWebhookSenderPaused = false
        #expect(take().count == 1)

        bench.model.repeatEvent(event.id)
        let repeated = take()
        #expect(repeated.map(\.messageID) == [renamed[0].messageID])
        bench.model.repeatEvent(event.id, underNewID: true)
        #expect(!renamed.map(\.messageID).contains(take()[0].messageID))
    }

    @Test("410 and webhook-delivery: disable the webhook, abort-message ends the message")
    func directives() {
        for outcome in [
            SandboxDeliveryOutcome.response(status: 410, directive: nil), .response(status: 400, directive: "disable"),
        ] {
            let bench = Bench()
            let webhook = bench.model.createWebhook(url: "https://a.example/hook")
            bench.model.emitEvent("lock.locked", members: [])
            bench.model.settle(bench.model.takeDueDeliveries()[0], outcome)
            bench.model.emitEvent("lock.locked", members: [])
            #expect(bench.model.takeDueDeliveries().isEmpty)
            #expect(bench.model.webhook(webhook.id)?.isDisabled == true)
        }
        let bench = Bench()
        _ = bench.model.createWebhook(url: "https://a.example/hook")
        bench.model.emitEvent("lock.locked", members: [])
        bench.model.settle(bench.model.takeDueDeliveries()[0], .response(status: 400, directive: "abort-message"))
        #expect(bench.model.messages.map(\.state) == [.failed])
        #expect(bench.model.nextDue == nil)
    }

    @Test("What a disabled webhook was sent is on the record, and what it was not sent too")
    func disabledRecords() {
        for last in [
            SandboxDeliveryOutcome.response(status: 410, directive: nil), .response(status: 400, directive: "disable"),
        ] {
            let bench = Bench(options: SandboxOptions(maximumConcurrentDeliveries: 3))
            let webhook = bench.model.createWebhook(url: "https://a.example/hook")
            let events = (0..<4).map { _ in bench.model.emitEvent("lock.locked", members: []).id }
            let deliveries = bench.model.takeDueDeliveries()
            bench.model.settle(deliveries[0], last)
            #expect(bench.model.webhook(webhook.id)?.isDisabled == true)
            // Under way when the webhook was disabled: their outcome counts, and is the last.
            let (taken, refused) = (
                SandboxDeliveryOutcome.response(status: 204, directive: nil),
                SandboxDeliveryOutcome.response(status: 503, directive: nil)
            )
            bench.model.settle(deliveries[1], taken)
            bench.model.settle(deliveries[2], refused)
            let records = events.map { id in bench.model.messages.first { $0.eventID == id } }
            #expect(records.map { $0?.state } == [.failed, .delivered, .failed, .failed])
            #expect(records.map { $0?.outcomes } == [[last], [taken], [refused], []])
            #expect(bench.model.nextDue == nil)
        }
    }

    @Test("No more deliveries are under way than may be")
    func isBounded() {
        let bench = Bench(options: SandboxOptions(maximumConcurrentDeliveries: 2))
        _ = bench.model.createWebhook(url: "https://a.example/hook")
        for _ in 0..<5 { bench.model.emitEvent("lock.locked", members: []) }
        let first = bench.model.takeDueDeliveries()
        #expect(first.count == 2)
        #expect(bench.model.takeDueDeliveries().isEmpty)
        #expect(bench.model.nextDue == nil)
        bench.model.settle(first[0], .response(status: 204, directive: nil))
        #expect(bench.model.takeDueDeliveries().count == 1)
    }

    /// Answers 503 to the first request, 204 to the others, and keeps what it was sent.
    private final class Receiver: HTTPTransport {
        let requests = Mutex<[ClientRequest]>([])

        func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
            let count = requests.withLock { requests in
                requests.append(request)
                return requests.count
            }
            return ClientResponse(status: count == 1 ? 503 : 204)
        }
    }

    @Test("Each delivery under way has a transfer of its own: none waits for another's", .timeLimit(.minutes(5)))
    func transfersSuffice() async throws {
        let count = SandboxOptions().maximumConcurrentDeliveries
        let waiting = Mutex<[Responder]>([])
        var limits = Limits()
        limits.responseTimeout = nil
        // Answers nobody before all have come.
        let receiver = Server(host: "127.0.0.1", port: 0, limits: limits) { @Sendable _, responder in
            let all = waiting.withLock { waiting in
                waiting.append(responder)
                return waiting.count < count ? [] : waiting
            }
            for responder in all { responder.respond(Response(204)) }
        }
        try receiver.start()
        let clock = SystemWallClock()
        let model = SandboxModel(clock: clock, random: RandomSource(SeededGenerator(seed: 6)))
        _ = model.createWebhook(url: "http://127.0.0.1:\(receiver.port)/hook")
        for _ in 0..<count { model.emitEvent("lock.locked", members: []) }
        let sender = WebhookSender(model: model, transport: WebhookSender.transport(), clock: clock)
        sender.start()
        while model.messages.contains(where: { $0.outcomes.isEmpty }) { await Task.yield() }
        #expect(model.messages.allSatisfy { $0.outcomes == [.response(status: 204, directive: nil)] })
        await sender.stop()
        await receiver.shutdown(deadline: .seconds(1))
    }

    @Test("The sender sends what is due, keeps the model going, and tries again", .timeLimit(.minutes(5)))
    func sends() async throws {
        let clock = SystemWallClock()
        let model = SandboxModel(
            options: SandboxOptions(retryTimeFactor: 0.001), clock: clock,
            random: RandomSource(SeededGenerator(seed: 5)))
        let receiver = Receiver()
        let sender = WebhookSender(model: model, transport: receiver, clock: clock)
        sender.start()
        _ = model.createWebhook(
            url: "http://127.0.0.1:9/hook", eventTypes: ["access_code.failed_to_set_on_device", "access_code.deleted"])
        let contents = SandboxScenario.demo.install(in: model)
        while !model.messages.contains(where: { $0.state == .delivered }) { await Task.yield() }
        let sent = receiver.requests.withLock { $0 }
        #expect(sent.count == 2)
        #expect(Set(sent.map { $0.headers.first { $0.0 == "svix-id" }?.1 }).count == 1)
        #expect(model.messages.first?.outcomes.count == 2)
        #expect(model.code(contents.guestCodeID)?.errors.isEmpty == false)
        await sender.stop()
    }
}
