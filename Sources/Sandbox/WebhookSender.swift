package import HTTPClient
internal import Synchronization
package import Time

/// Sends the model's webhook messages as Svix does: 2xx within 15 s is success, anything else is tried again by the schedule.
///
/// It also keeps the model going: what is due by the clock happens on time, request or not.
package final class WebhookSender: Sendable {
    static let timeout: Duration = .seconds(15)

    private let model: SandboxModel
    private let transport: any HTTPTransport
    private let clock: any WallClock
    private let bell = Doorbell()
    private let task = Mutex<Task<Void, Never>?>(nil)

    /// - Parameter clock: the model's clock.
    package init(model: SandboxModel, transport: any HTTPTransport, clock: any WallClock) {
        self.model = model
        self.transport = transport
        self.clock = clock
    }

    /// What webhooks go through where nothing else is wanted: none of them spends its 15 s waiting for another's end.
    package static func transport() -> CurlTransport {
        CurlTransport(
            maxConcurrentRequests: SandboxOptions.concurrentDeliveries, maxQueued: 64,
            userAgent: SandboxDelivery.userAgent)
    }

    package func start() {
        task.withLock { if $0 == nil { $0 = Task { await self.run() } } }
    }

    /// Ends what is under way; those messages stay unsettled.
    package func stop() async {
        let running = task.withLock { task in
            defer { task = nil }
            return task
        }
        running?.cancel()
        await running?.value
    }

    /// Returns when its task is cancelled.
    package func run() async {
        let bell = bell
        model.onNews { bell.ring() }
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                while !Task.isCancelled {
                    for delivery in model.takeDueDeliveries() {
                        group.addTask { await self.send(delivery) }
                    }
                    await waitForMore()
                }
                group.cancelAll()
            }
        } onCancel: {
            bell.ring()
        }
        model.onNews(nil)
    }

    /// Until the next thing is due, or something came that is due earlier, or an attempt has ended.
    private func waitForMore() async {
        let due = model.nextDue
        let (clock, bell) = (clock, bell)
        let alarm = due.map { due in
            Task {
                // Cancelled when the bell rang first.
                try? await clock.sleep(for: due.duration(since: clock.now()))
                if !Task.isCancelled { bell.ring() }
            }
        }
        await bell.wait()
        alarm?.cancel()
    }

    private func send(_ delivery: SandboxDelivery) async {
        let outcome: SandboxDeliveryOutcome
        do {
            let request = ClientRequest(
                method: "POST", url: delivery.url, headers: try delivery.headers().map { ($0.name, $0.value) },
                body: delivery.body, timeout: Self.timeout)
            let response = try await transport.send(request)
            outcome = .response(status: response.status, directive: response.header("webhook-delivery"))
        } catch {
            // Ended by `stop`: the receiver is not to blame.
            if Task.isCancelled { return }
            outcome = .failure("\(error)")
        }
        model.settle(delivery, outcome)
        bell.ring()
    }
}

/// One waiter, any number of ringers; a ring that nobody waits for is kept, as one.
private final class Doorbell: Sendable {
    private struct State {
        var hasRung = false
        var waiter: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func ring() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            if state.waiter == nil { state.hasRung = true }
            return state.waiter
        }
        waiter?.resume()
    }

    func wait() async {
        await withCheckedContinuation { continuation in
            let hasRung = state.withLock { state in
                if state.hasRung {
                    state.hasRung = false
                    return true
                }
                state.waiter = continuation
                return false
            }
            if hasRung { continuation.resume() }
        }
    }
}
