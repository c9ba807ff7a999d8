package import Time

extension ClientResponse {
    /// How long a `Retry-After` is believed.
    private static let longestRetryAfter: Duration = .seconds(3600)

    /// The time that the `Retry-After` field asks to wait; nil where there is none that can be read.
    package func retryAfter(now: Timestamp) -> Duration? {
        header("retry-after").flatMap { Self.retryAfter($0, now: now) }
    }

    /// The time at which the server made the response (RFC 9110 section 6.6.1); nil where it does not say.
    package var date: Timestamp? {
        header("date").flatMap { Timestamp(httpDate: $0) }
    }

    /// RFC 9110 section 10.2.3: seconds (decimals too) or an HTTP date; nil where it is neither. Never more than
    /// `longestRetryAfter`, never less than nothing.
    private static func retryAfter(_ text: String, now: Timestamp) -> Duration? {
        guard text.utf8.count <= 64 else { return nil }
        let delay: Duration
        if text.utf8.first.map({ (0x30...0x39).contains($0) }) == true,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") })
        {
            guard let seconds = Double(text), seconds.isFinite else { return nil }
            delay = .milliseconds(Int64(min(seconds, longestRetryAfter.inSeconds) * 1000))
        } else if let instant = Timestamp(httpDate: text) {
            delay = instant.duration(since: now)
        } else {
            return nil
        }
        return max(.zero, min(delay, longestRetryAfter))
    }
}
