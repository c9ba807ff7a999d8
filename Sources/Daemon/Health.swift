internal import JSON
internal import Ledger
internal import Policy
internal import Seam
internal import Synchronization
internal import Time

/// Whether events can be accepted and committed, and what else is degraded.
final class Health: Sendable {
    private struct State {
        /// Why the last commit failed; nil while commits succeed.
        var commitFailure: String?
        /// Why the last call to Seam failed; nil while it answers.
        var seamFailure: String?
        var isShuttingDown = false
    }

    private let state = Mutex(State())

    func noteCommit(failure: LedgerError?) {
        state.withLock { $0.commitFailure = failure?.description }
    }

    func noteCall(_ call: APICall) {
        state.withLock { state in
            switch call.outcome {
            case .unauthorized: state.seamFailure = "seam_key_refused"
            case .unavailable: state.seamFailure = "seam_unreachable"
            case .ok, .notFound, .refused, .rateLimited: state.seamFailure = nil
            }
        }
    }

    func noteShutdown() {
        state.withLock { $0.isShuttingDown = true }
    }

    var commitsFail: Bool { state.withLock { $0.commitFailure != nil } }

    /// The answer to `/readyz`: Seam being away is named, and alone does not make the daemon unready: events are kept.
    func report() -> (isReady: Bool, json: JSONValue) {
        state.withLock { state in
            var degraded: [JSONValue] = []
            if let failure = state.commitFailure { degraded.append(["what": "database", "detail": .string(failure)]) }
            if let failure = state.seamFailure { degraded.append(["what": .string(failure)]) }
            if state.isShuttingDown { degraded.append(["what": "shutting_down"]) }
            let isReady = state.commitFailure == nil && !state.isShuttingDown
            return (isReady, ["ready": .bool(isReady), "degraded": .array(degraded)])
        }
    }
}
