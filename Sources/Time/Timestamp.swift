/// An instant in UTC with millisecond resolution, the form in which every room keeps time.
///
/// Its text is `2026-11-20T16:20:02.400Z`: always UTC, always three fraction digits, so that the order of the texts in SQLite
/// is the order of the instants.
package struct Timestamp: Sendable, Hashable {
    /// Milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
    package var millisecondsSinceEpoch: Int64

    package init(millisecondsSinceEpoch: Int64) {
        self.millisecondsSinceEpoch = millisecondsSinceEpoch
    }

    package init(secondsSinceEpoch: Int64) {
        self.millisecondsSinceEpoch = secondsSinceEpoch.multipliedSaturating(by: 1000)
    }

    /// Whole seconds since the epoch, rounded down.
    package var secondsSinceEpoch: Int64 {
        let quotient = millisecondsSinceEpoch / 1000
        return millisecondsSinceEpoch % 1000 < 0 ? quotient - 1 : quotient
    }

    /// The time from `earlier` to this instant; negative when this one comes first.
    package func duration(since earlier: Timestamp) -> Duration {
        .milliseconds(millisecondsSinceEpoch.subtractingSaturating(earlier.millisecondsSinceEpoch))
    }

    package static func + (instant: Timestamp, duration: Duration) -> Timestamp {
        Timestamp(
            millisecondsSinceEpoch: instant.millisecondsSinceEpoch.addingSaturating(duration.wholeMilliseconds))
    }

    package static func - (instant: Timestamp, duration: Duration) -> Timestamp {
        Timestamp(
            millisecondsSinceEpoch: instant.millisecondsSinceEpoch.subtractingSaturating(duration.wholeMilliseconds))
    }
}

extension Timestamp: Comparable {
    package static func < (left: Timestamp, right: Timestamp) -> Bool {
        left.millisecondsSinceEpoch < right.millisecondsSinceEpoch
    }
}

extension Int64 {
    func addingSaturating(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other > 0 ? .max : .min) : sum
    }

    func subtractingSaturating(_ other: Int64) -> Int64 {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other > 0 ? .min : .max) : difference
    }

    func multipliedSaturating(by other: Int64) -> Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? ((self > 0) == (other > 0) ? .max : .min) : product
    }
}
