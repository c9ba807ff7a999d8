internal import Synchronization
internal import Time

/// The clock of Sparekey's machine: the world's time and how far it is off. Whoever sleeps on it moves the world on.
final class WorldClock: WallClock {
    private let world: ManualWallClock
    private let offset = Mutex(Duration.zero)

    init(_ world: ManualWallClock) {
        self.world = world
    }

    /// How far this clock is ahead of the world's.
    var skew: Duration {
        get { offset.withLock { $0 } }
        set { offset.withLock { $0 = newValue } }
    }

    func now() -> Timestamp { world.now() + skew }

    func sleep(for duration: Duration) async throws { world.advance(by: duration) }
}
