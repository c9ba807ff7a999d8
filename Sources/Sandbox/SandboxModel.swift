internal import JSON
internal import Synchronization
package import Time

/// A simulated Seam: workspace, locks with their pools, access codes, events and webhooks on a movable clock.
///
/// Safe to use from any task: each call is one step under a lock. For one seed, one clock and one order of calls, everything is
/// the same, ids and PINs included. Nothing happens between calls: whoever drives it calls `advance` when `nextDue` has come
/// (every other call does so by itself), and takes the webhook messages that are due.
package final class SandboxModel: Sendable {
    private let clock: any WallClock
    private let random: RandomSource
    private let state: Mutex<SandboxState>
    private let bell = Mutex<(@Sendable () -> Void)?>(nil)

    package init(options: SandboxOptions = SandboxOptions(), clock: any WallClock, random: RandomSource) {
        self.clock = clock
        self.random = random
        state = Mutex(SandboxState(options: options, random: random))
    }

    /// Runs `body` alone, after everything that is due by now.
    func withState<Value: Sendable>(_ body: (inout SandboxState, Timestamp) -> Value) -> Value {
        let (value, hasNews) = state.withLock { state in
            let before = state.nextDue
            let now = clock.now() + state.clockOffset
            state.advance(to: now)
            let value = body(&state, now)
            guard let after = state.nextDue else { return (value, false) }
            return (value, before.map { after < $0 } ?? true)
        }
        if hasNews { bell.withLock { $0 }?() }
        return value
    }

    /// Rung, outside the lock, whenever something has become due earlier than it was: whoever slept until then sleeps too long.
    func onNews(_ ring: (@Sendable () -> Void)?) {
        bell.withLock { $0 = ring }
    }

    /// This Seam's time.
    package var now: Timestamp { withState { _, now in now } }
    /// The one workspace there is.
    package var workspaceID: String { withState { state, _ in state.workspaceID } }

    /// Does everything that is due by the clock.
    package func advance() { withState { _, _ in } }

    /// When something happens by itself next, on the clock that this model was given: a step of a code's life, or a delivery.
    package var nextDue: Timestamp? {
        withState { state, _ in state.nextDue.map { $0 - state.clockOffset } }
    }

    /// Moves this Seam's time ahead of the clock and does what is due by then. Signatures keep to the clock.
    package func moveClock(by duration: Duration) {
        withState { state, now in
            state.clockOffset += max(.zero, duration)
            state.advance(to: now + max(.zero, duration))
        }
    }

    /// Changes how this Seam behaves from now on.
    package func configure(_ change: @Sendable (inout SandboxOptions) -> Void) {
        withState { state, _ in change(&state.options) }
    }
}

// What a test or a simulation asks.
extension SandboxModel {
    /// Nil once it is gone: `/access_codes/get` then says 404.
    package func code(_ id: String) -> SandboxCode? { withState { state, _ in state.codes[id] } }
    /// Nil for an unknown id.
    package func device(_ id: String) -> SandboxDevice? { withState { state, _ in state.devices[id] } }
    /// Nil for an unknown id.
    package func webhook(_ id: String) -> SandboxWebhook? {
        withState { state, _ in state.webhooks.first { $0.id == id } }
    }
    /// What has been asked so far.
    package var counters: SandboxCounters { withState { state, _ in state.counters } }

    /// In the order of creation, backups included, those in a pool too.
    package var codes: [SandboxCode] { withState { state, _ in state.codes.all } }
    /// In the order of creation.
    package var devices: [SandboxDevice] {
        withState { state, _ in state.devices.values.sorted { $0.order < $1.order } }
    }

    /// The oldest first, as far as they are kept.
    package var events: [SandboxEvent] { withState { state, _ in state.events } }
}

// Webhook messages as values: the simulation carries them itself, `WebhookSender` sends them.
extension SandboxModel {
    /// Takes the attempts that are due now; each must be settled.
    package func takeDueDeliveries() -> [SandboxDelivery] {
        withState { state, now in
            state.deliveries.takeDue(
                at: now, wallTime: now - state.clockOffset, webhooks: state.webhooks,
                limit: state.options.maximumConcurrentDeliveries)
        }
    }

    /// Says what came of an attempt. 410 and `webhook-delivery: disable` disable the webhook, as at Svix.
    package func settle(_ delivery: SandboxDelivery, _ outcome: SandboxDeliveryOutcome) {
        withState { state, now in
            if outcome.disablesWebhook {
                if let index = state.webhooks.firstIndex(where: { $0.id == delivery.webhookID }) {
                    state.webhooks[index].isDisabled = true
                }
                state.deliveries.abandon(webhookID: delivery.webhookID)
            }
            state.deliveries.settle(
                delivery, outcome, at: now, timeFactor: state.options.retryTimeFactor, random: state.random)
        }
    }

    /// Every message so far with what came of its attempts, the finished first.
    package var messages: [SandboxMessageRecord] { withState { state, _ in state.deliveries.records } }

    /// While true nothing is due; messages go on queueing.
    package var isWebhookSenderPaused: Bool {
        get { withState { state, _ in state.deliveries.isPaused } }
        set { withState { state, _ in state.deliveries.isPaused = newValue } }
    }

    /// The first fault that fits a new message is applied to it.
    package func addWebhookFault(_ fault: SandboxWebhookFault) { withState { state, _ in state.deliveries.add(fault) } }

    /// Ends the webhook faults; messages held back go out.
    package func clearWebhookFaults() { withState { state, _ in state.deliveries.clearFaults() } }
}
