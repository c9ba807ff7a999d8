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
        var isReloadRefused = false
        var clockSkewSeconds: Int64?
        var isCertificateExpired = false
    }

    private let state = Mutex(State())
    private let pulse: Pulse

    init(pulse: Pulse) {
        self.pulse = pulse
    }

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

    func noteClockSkew(seconds: Int64) {
        state.withLock { $0.clockSkewSeconds = seconds }
    }

    /// This clock's time less the last authentic webhook's; nil before the first.
    var clockSkewSeconds: Int64? { state.withLock { $0.clockSkewSeconds } }

    func noteCertificate(isExpired: Bool) {
        state.withLock { $0.isCertificateExpired = isExpired }
    }

    func noteReload(succeeded: Bool) {
        state.withLock { $0.isReloadRefused = !succeeded }
    }

    func noteShutdown() {
        state.withLock { $0.isShuttingDown = true }
    }

    var commitsFail: Bool { state.withLock { $0.commitFailure != nil } }

    /// What is not as it should be, and whether events are accepted and committed all the same.
    struct Report: Sendable {
        var isReady: Bool
        var degraded: [(what: String, detail: String?)]

        /// The answer to `/readyz`.
        var json: JSONValue {
            let items = degraded.map { item -> JSONValue in
                var json: JSONValue = ["what": .string(item.what)]
                if let detail = item.detail { json["detail"] = .string(detail) }
                return json
            }
            return ["ready": .bool(isReady), "degraded": .array(items)]
        }

        /// In words, for a line of status.
        var problems: [String] { degraded.map { $0.what.replacing("_", with: " ") } }
    }

    /// Seam being away is named, and alone does not make the daemon unready: events are kept.
    func report() -> Report {
        let stalled = pulse.stalled
        let failing = pulse.failingForLong.filter { !stalled.contains($0) }
        return state.withLock { state in
            var degraded: [(what: String, detail: String?)] = []
            if let failure = state.commitFailure { degraded.append(("database", failure)) }
            if let failure = state.seamFailure { degraded.append((failure, nil)) }
            if state.isReloadRefused { degraded.append(("reload_refused", nil)) }
            if state.isCertificateExpired { degraded.append(("certificate_expired", nil)) }
            if !stalled.isEmpty { degraded.append(("stalled", stalled.joined(separator: ", "))) }
            if !failing.isEmpty { degraded.append(("failing", failing.joined(separator: ", "))) }
            if state.isShuttingDown { degraded.append(("shutting_down", nil)) }
            let isReady = state.commitFailure == nil && !state.isShuttingDown && !stalled.contains("intake")
            return Report(isReady: isReady, degraded: degraded)
        }
    }
}
