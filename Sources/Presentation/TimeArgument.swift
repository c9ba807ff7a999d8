package import Time

/// A time as it is given on a command line.
package enum TimeArgument: Sendable, Equatable {
    case at(Timestamp)
    /// So long before now.
    case back(Duration)

    /// Reads ISO 8601 (`2026-11-20T16:20:00Z`, `2026-11-20T16:20`, `2026-11-20`; UTC where it names no offset) or a duration back from
    /// now (`90s`, `24h`, `7d`). Nil for anything else.
    package init?(_ text: String) {
        if let duration = Duration(configured: text) {
            self = .back(duration)
            return
        }
        // A day, and a day with a time down to the minute or the second, without an offset.
        for missing in ["", "Z", ":00Z", "T00:00:00Z"] {
            if let instant = Timestamp(text + missing) {
                self = .at(instant)
                return
            }
        }
        return nil
    }

    package func instant(now: Timestamp) -> Timestamp {
        switch self {
        case .at(let instant): instant
        case .back(let duration): now - duration
        }
    }
}
