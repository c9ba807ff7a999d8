internal import Synchronization

/// Which parts of the daemon make progress. Each says by when it will be heard of again; one that is not is stalled.
///
/// systemd's watchdog is fed, and the dead man's switch told, only while none is. The time is monotonic and stands still while the
/// machine sleeps: neither a step of the wall clock nor a suspended machine stalls anybody.
final class Pulse: Sendable {
    typealias Instant = SuspendingClock.Instant

    /// For a step that may wait for the disk. Far more than one takes, since the price of a false alarm is a restart.
    static let patience = Duration.seconds(120)

    private struct Beat {
        var name: String
        /// Heard of at all by then.
        var aliveUntil: Instant
        /// Has done what it is there for, by then; nil before the first time.
        var soundUntil: Instant?
        /// One piece of work: that it goes on is all that can be asked of it before its end.
        var isWork: Bool
        /// Has had the time to show that it works.
        var isDueAt: Instant
    }

    private struct State {
        var beats: [Int: Beat] = [:]
        var next = 0
    }

    /// One worker, or one piece of work that must come to an end.
    struct Part: Sendable {
        fileprivate let id: Int
        fileprivate let pulse: Pulse

        /// Goes on, and will be heard of again within `limit`.
        ///
        /// - Parameter succeeded: false where it goes on but has failed at what it is there for.
        func beat(within limit: Duration = Pulse.patience, succeeded: Bool = true) {
            pulse.beat(id, within: limit, succeeded: succeeded)
        }

        /// Has come to its end.
        func end() { pulse.end(id) }
    }

    /// The part whose work the current task does, for what it calls to beat for it.
    @TaskLocal static var part: Part?

    private let state = Mutex(State())
    private let now: @Sendable () -> Instant

    init(now: @escaping @Sendable () -> Instant = { SuspendingClock.now }) {
        self.now = now
    }

    /// Begins to watch over a part. Several may have the same name.
    ///
    /// - Parameter isWork: true for one piece of work, which is well for as long as it goes on; false for a part that fails until
    ///   it has shown that it does not.
    func begin(_ name: String, within limit: Duration = Pulse.patience, isWork: Bool = false) -> Part {
        let end = now().advanced(by: limit)
        let id = state.withLock { state in
            state.next += 1
            state.beats[state.next] = Beat(
                name: name, aliveUntil: end, soundUntil: isWork ? end : nil, isWork: isWork, isDueAt: end)
            return state.next
        }
        return Part(id: id, pulse: self)
    }

    /// The names of the parts that were not heard of in time.
    var stalled: [String] { names { $0.aliveUntil } }

    /// The names of the parts that have not done what they are there for in time, whether they go on or not.
    var failing: [String] { names { $0.soundUntil } }

    /// The failing without those that have only just begun, and have had no time to show that they work.
    var failingForLong: [String] { names { $0.soundUntil ?? $0.isDueAt } }

    private func names(_ limit: (Beat) -> Instant?) -> [String] {
        let now = now()
        return state.withLock { state in
            Set(state.beats.values.filter { limit($0).map { $0 < now } ?? true }.map(\.name)).sorted()
        }
    }

    private func beat(_ id: Int, within limit: Duration, succeeded: Bool) {
        let end = now().advanced(by: limit)
        state.withLock { state in
            state.beats[id]?.aliveUntil = end
            if succeeded || state.beats[id]?.isWork == true { state.beats[id]?.soundUntil = end }
        }
    }

    private func end(_ id: Int) {
        state.withLock { $0.beats[id] = nil }
    }
}
