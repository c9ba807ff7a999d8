/// Exponential backoff with full jitter: attempt n (from 1) waits a uniform time in `[floor, min(maximum, initial × 2ⁿ⁻¹)]`.
///
/// | attempt | initial 2 s, maximum 5 min: waits at most |
/// |---|---|
/// | 1 | 2 s |
/// | 2 | 4 s |
/// | 8 | 256 s |
/// | 9 and later | 300 s |
///
/// The floor is a tenth of that ceiling, so that an unlucky draw does not ask again at once.
package struct Backoff: Sendable, Equatable {
    package var initial: Duration
    package var maximum: Duration

    package init(initial: Duration, maximum: Duration) {
        self.initial = initial
        self.maximum = maximum
    }

    /// - Parameter attempt: how many attempts have failed so far, from 1.
    package func delay(afterAttempt attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        let limit = max(1, maximum.wholeMilliseconds)
        // The exponent is capped before it is used, so that no shift can overflow.
        let exponent = min(max(1, attempt), 31) - 1
        let ceiling = min(limit, max(1, initial.wholeMilliseconds).multipliedSaturating(by: 1 << exponent))
        return .milliseconds(Int64.random(in: max(1, ceiling / 10)...ceiling, using: &generator))
    }
}
