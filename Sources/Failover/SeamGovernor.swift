package import Seam
internal import Synchronization
package import Time

/// Keeps the whole daemon from asking while Seam cannot answer: obeys `Retry-After`, which is for every call of the key, and stops
/// asking while Seam is down, trying with one lane at a time until an answer comes. What has begun is not held back.
///
/// | state | lanes that may work |
/// |---|---|
/// | closed | as many as configured |
/// | paused, until a time | none |
/// | half open, once that time has come | one |
///
/// A failure of one lock's calls is that lock's alone: only failures about several different things, with no success in between, are
/// Seam's. So are its limits for what changes a lock's codes.
package final class SeamGovernor: Sendable {
    private static let subjectsBeforePause = 3
    private static let backoff = Backoff(initial: .seconds(2), maximum: .seconds(60))
    /// Limited by Seam for each lock: 429 for one says nothing of another (Seam's page on rate limits).
    private static let routesLimitedByLock: Set<String> = ["/access_codes/update", "/access_codes/delete"]

    private struct State {
        var failedSubjects: Set<String> = []
        var pauses = 0
        var pausedUntil: Timestamp?
        /// Until then Seam asked to wait itself: no later than `pausedUntil`.
        var askedUntil: Timestamp?
        var isHalfOpen = false
    }

    private let clock: any WallClock
    private let random: RandomSource
    private let state = Mutex(State())

    package init(clock: any WallClock, random: RandomSource) {
        self.clock = clock
        self.random = random
    }

    /// When asking may begin again; nil when it may now.
    package var pausedUntil: Timestamp? {
        let now = clock.now()
        return state.withLock { state in
            guard let until = state.pausedUntil else { return nil }
            if until > now { return until }
            state.pausedUntil = nil
            state.isHalfOpen = true
            return nil
        }
    }

    /// How many lanes may work at the same time now.
    package func capacity(of maximum: Int) -> Int {
        guard pausedUntil == nil else { return 0 }
        return state.withLock { $0.isHalfOpen } ? min(1, maximum) : maximum
    }

    /// Learns from a call.
    package func note(_ call: APICall) {
        let now = clock.now()
        switch call.outcome {
        case .ok, .notFound, .refused:
            state.withLock { state in
                let former = state
                state = State()
                // A call that was under way when Seam asked to wait is answered all the same.
                guard let asked = former.askedUntil, asked > now else { return }
                (state.pausedUntil, state.askedUntil, state.pauses) = (asked, asked, former.pauses)
            }
        case .rateLimited:
            if Self.routesLimitedByLock.contains(call.route) { return }
            pause(from: now, atLeast: call.retryAfter, isAskedFor: true)
        case .unavailable, .unauthorized:
            let isSeams = state.withLock { state in
                state.failedSubjects.insert(call.accessCodeID ?? call.deviceID ?? call.route)
                return state.isHalfOpen || state.failedSubjects.count >= Self.subjectsBeforePause
            }
            if isSeams || call.retryAfter != nil {
                pause(from: now, atLeast: call.retryAfter, isAskedFor: call.retryAfter != nil)
            }
        }
    }

    private func pause(from now: Timestamp, atLeast retryAfter: Duration?, isAskedFor: Bool) {
        let attempt = state.withLock { state in
            // Calls that were under way together fail together: that is one reason to pause, not several.
            if state.pausedUntil == nil { state.pauses += 1 }
            return state.pauses
        }
        let pause = max(retryAfter ?? .zero, random.delay(Self.backoff, afterAttempt: attempt))
        state.withLock { state in
            state.pausedUntil = max(state.pausedUntil ?? now, now + pause)
            if isAskedFor { state.askedUntil = max(state.askedUntil ?? now, now + pause) }
            state.isHalfOpen = false
        }
    }
}
