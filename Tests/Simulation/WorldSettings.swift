internal import Failover
internal import Ledger
internal import Policy
internal import Time

/// How Sparekey is set in a simulated world. The initial values are the daemon's defaults.
struct WorldSettings: Sendable {
    var leadTime: Duration?
    var reserve = 0
    var drawDelay: Duration = .zero
    var onCancel = CancelPolicy.endBackup
    var onRecovery = RecoveryPolicy.keepBackup
    var sweepInterval: Duration = .minutes(5)
    var sweepOverlap: Duration = .minutes(60)
    var stateInterval: Duration = .minutes(15)
    var statePace: Duration = .seconds(1)
    var horizon: Duration = .hours(72)
    var retry = Backoff(initial: .seconds(2), maximum: .seconds(300))
    var deliveryRetry = Backoff(initial: .seconds(5), maximum: .seconds(900))

    var failover: FailoverSettings {
        FailoverSettings(
            leadTime: leadTime, retry: retry, channels: [.webhook], reserve: reserve, drawDelay: drawDelay,
            onCancel: onCancel, onRecovery: onRecovery)
    }
}

/// How rough a simulated world is.
struct Weather: Sendable {
    /// Of each point at which a process may die.
    var crash = 0.0
    /// That something else goes on while a call is under way.
    var interleaving = 0.0
    var latency: ClosedRange<Int> = 20...200
    /// Of each message to the guest's side.
    var deliveryFailure = 0.0
    /// That a guest's code works just while it is read, and fails again before Sparekey has taken note of that.
    var flicker = 0.0

    static let calm = Weather()
}
