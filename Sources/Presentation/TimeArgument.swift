package import Time

/// A time as it is given on a command line.
package enum TimeArgument: Sendable, Equatable {
    case at(Timestamp)
    /// What a clock shows at that time, without saying where it hangs.
    case clock(reading: Timestamp)
    /// So long before now.
    case back(Duration)

    /// Reads ISO 8601 (`2026-11-20T16:20:00Z`, `2026-11-20T16:20+01:00`, `2026-11-20T16:20`, `2026-11-20`, as tables print it also with a space before the hour) or
    /// a duration back from now (`90s`, `24h`, `7d`). Nil for anything else.
    package init?(_ text: String) {
        if let duration = Duration(configured: text) {
            self = .back(duration)
            return
        }
        // With seconds and without.
        let minute = "2026-11-20T16:20".utf8.count
        for instant in [Timestamp(text), Timestamp(text.prefix(minute) + ":00" + text.dropFirst(minute))] {
            guard let instant else { continue }
            self = .at(instant)
            return
        }
        // A day, and a day with a time down to the minute or the second, without an offset.
        for missing in ["Z", ":00Z", "T00:00:00Z"] {
            if let reading = Timestamp(text + missing) {
                self = .clock(reading: reading)
                return
            }
        }
        return nil
    }

    /// - Parameter zone: where the clock hangs of which a time without an offset is the reading.
    package func instant(now: Timestamp, zone: ShownZone) -> Timestamp {
        switch self {
        case .at(let instant): instant
        case .clock(let reading): zone.instant(clockShows: reading)
        case .back(let duration): now - duration
        }
    }
}
