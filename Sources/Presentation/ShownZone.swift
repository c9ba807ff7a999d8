internal import Glibc
package import Time

/// Whose clock a person reads times by, and means where a time names no offset.
package enum ShownZone: Sendable, Equatable {
    /// The machine's, or that of the variable `TZ`.
    case local
    case utc

    /// `2026-11-20 17:20:02`, in UTC with a `Z` behind it.
    package func text(_ instant: Timestamp) -> String {
        let text = shifted(instant).description
        return text.prefix(10) + " " + text.dropFirst(11).prefix(8) + mark
    }

    /// The same with milliseconds.
    package func preciseText(_ instant: Timestamp) -> String {
        let text = shifted(instant).description
        return text.prefix(10) + " " + text.dropFirst(11).prefix(12) + mark
    }

    /// A time of the log, `2026-11-20T16:20:02.400Z`, as `text` shows it; anything else as it is.
    func shown(_ text: String) -> String {
        Self.instant(text).map(self.text) ?? text
    }

    /// A sentence with the times of the log that are words of it.
    package func shown(in sentence: String) -> String {
        sentence.split(separator: " ", omittingEmptySubsequences: false).map { word in
            let end = word.last.map { ".,;".contains($0) } == true ? String(word.suffix(1)) : ""
            return shown(String(word.dropLast(end.count))) + end
        }.joined(separator: " ")
    }

    /// Nil for a text that is no time of the log.
    static func instant(_ text: String) -> Timestamp? {
        guard text.utf8.count == 24, text.utf8.last == UInt8(ascii: "Z") else { return nil }
        return Timestamp(text)
    }

    /// The instant at which the clock of this zone shows what a clock in UTC shows at `reading`.
    func instant(clockShows reading: Timestamp) -> Timestamp {
        guard self == .local else { return reading }
        var seconds = time_t(reading.secondsSinceEpoch)
        var fields = tm()
        guard gmtime_r(&seconds, &fields) != nil else { return reading }
        // Whether it is summer time is for the zone to know.
        fields.tm_isdst = -1
        return Timestamp(secondsSinceEpoch: Int64(mktime(&fields)))
            + .milliseconds(reading.millisecondsSinceEpoch - reading.secondsSinceEpoch * 1000)
    }

    private var mark: String { self == .utc ? "Z" : "" }

    private func shifted(_ instant: Timestamp) -> Timestamp {
        guard self == .local else { return instant }
        var seconds = time_t(instant.secondsSinceEpoch)
        var fields = tm()
        guard localtime_r(&seconds, &fields) != nil else { return instant }
        return instant + .seconds(Int64(fields.tm_gmtoff))
    }
}
