internal import CLinux

/// A moment of the clock that goes on while the machine sleeps (CLOCK_BOOTTIME), as `ContinuousClock`'s.
///
/// Not that one's own type: its size is known at run time only, so that everything which holds one is read, copied and
/// compared through tables. A third of what the server computed for a request was that.
package struct Instant: Hashable, Comparable, Sendable {
    private var sinceStart: Duration

    package static var now: Instant { Instant(sinceStart: .nanoseconds(sparekey_continuous_clock_nanoseconds())) }

    package func duration(to other: Instant) -> Duration { other.sinceStart - sinceStart }

    package static func < (left: Instant, right: Instant) -> Bool { left.sinceStart < right.sinceStart }

    package static func + (instant: Instant, duration: Duration) -> Instant {
        Instant(sinceStart: instant.sinceStart + duration)
    }

    package static func - (instant: Instant, duration: Duration) -> Instant {
        Instant(sinceStart: instant.sinceStart - duration)
    }

    package static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }
}
