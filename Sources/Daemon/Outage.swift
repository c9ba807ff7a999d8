internal import Ledger
internal import Logging
internal import Synchronization

/// The database being out of use, as the workers see it: its beginning is one line of the log and its end another, however many of
/// them look again how often.
final class Outage: Sendable {
    private struct State {
        var failing: Set<String> = []
        var isTold = false
    }

    private let state = Mutex(State())
    private let log: Logger

    init(log: Logger) {
        self.log = log
    }

    /// - Parameters:
    ///   - part: what has failed; it is taken for failing until it says `ended`.
    ///   - isKnown: somebody else has told.
    /// - Returns: false where the error is not the database's, so that whoever saw it has to tell.
    func takes(_ error: any Error, of part: String, isKnown: Bool) -> Bool {
        guard let failure = error as? LedgerError, failure.code != .cancelled, failure.code != .database else {
            return false
        }
        let tells = state.withLock { state in
            let isFirst = state.failing.isEmpty
            state.failing.insert(part)
            guard isFirst, !isKnown else { return false }
            state.isTold = true
            return true
        }
        if tells {
            log.critical(
                "The database cannot be used; webhooks are refused, and what is to be done waits",
                metadata: ["worker": "\(part)", "error": "\(failure)"])
        }
        return true
    }

    /// Whether its beginning has been told, and not yet its end.
    var isTold: Bool { state.withLock { $0.isTold } }

    func ended(_ part: String) {
        let tells = state.withLock { state in
            guard state.failing.remove(part) != nil, state.failing.isEmpty else { return false }
            defer { state.isTold = false }
            return state.isTold
        }
        if tells { log.notice("The database can be used again") }
    }
}
