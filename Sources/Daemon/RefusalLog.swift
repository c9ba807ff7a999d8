internal import HTTPServer
internal import Logging
internal import Signatures
internal import Synchronization

/// Which refused requests are worth a warning: a wrong secret fails every webhook, and a scanner sends thousands.
///
/// Each reason is warned of by itself and seldom, so that a scanner hides no wrong secret, and nobody has a line written for each
/// request by having two reasons in turn. Once a webhook is authentic, the next refusal is news.
final class RefusalLog: Sendable {
    /// From a warning to the next of the same reason.
    static let pause = Duration.seconds(600)

    private struct Told {
        /// Nil: the next one is warned of.
        var at: Instant?
        /// Since the last warning.
        var heldBack = 0
    }

    private struct State {
        var told: [VerificationFailure.Reason: Told] = [:]
        /// Nothing was refused since the last authentic webhook, which is how it is nearly always.
        var isClear = true
    }

    private let state = Mutex(State())
    private let log: Logger

    init(log: Logger) {
        self.log = log
    }

    /// Tells of a refused request: as a warning, with how many were held back since the last one, or for the debugging log only.
    func note(_ reason: VerificationFailure.Reason, _ metadata: Logger.Metadata, at now: Instant) {
        let heldBack: Int? = state.withLock { state in
            state.isClear = false
            let told = state.told[reason] ?? Told()
            if let last = told.at, last.duration(to: now) < Self.pause {
                state.told[reason] = Told(at: last, heldBack: told.heldBack + 1)
                return nil
            }
            state.told[reason] = Told(at: now)
            return told.heldBack
        }
        var metadata = metadata
        if let heldBack, heldBack > 0 { metadata["held_back"] = "\(heldBack)" }
        log.log(
            level: heldBack == nil ? .debug : .warning, "A request to the webhook path was refused", metadata: metadata)
    }

    /// A webhook was authentic.
    func clear() {
        state.withLock { state in
            guard !state.isClear else { return }
            state.isClear = true
            for reason in state.told.keys { state.told[reason]?.at = nil }
        }
    }
}
