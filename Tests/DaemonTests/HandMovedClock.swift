import Synchronization

/// What a pulse goes by, moved by the test.
final class HandMovedClock: Sendable {
    private let time = Mutex(SuspendingClock.now)

    func now() -> SuspendingClock.Instant { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}
