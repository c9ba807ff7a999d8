internal import JSON
internal import Ledger
internal import Seam
internal import Synchronization
internal import Time

/// Keeps the API calls of one look, for the journal.
final class CallRecorder: Sendable {
    private struct State {
        var calls: [APICall] = []
        var lastRequestID: String?
    }

    private let state = Mutex(State())

    func add(_ call: APICall) {
        state.withLock { state in
            state.calls.append(call)
            state.lastRequestID = call.requestID
        }
    }

    /// What Seam's support asks for: the last call's, also once the calls are written down.
    var lastRequestID: String? {
        state.withLock { $0.lastRequestID }
    }

    /// Takes the calls as journal lines: a call is written down once.
    func entries(of failover: Failover) -> [JournalEntry] {
        entries(accessCodeID: failover.accessCodeID, deviceID: failover.deviceID)
    }

    func entries(accessCodeID: String, deviceID: String?) -> [JournalEntry] {
        let taken = state.withLock { state in
            defer { state.calls = [] }
            return state.calls
        }
        return taken.map { call in
            JournalEntry(
                "api.call", accessCodeID: accessCodeID, deviceID: deviceID,
                detail: [
                    "route": .string(call.route), "outcome": .string(call.outcome.rawValue),
                    "status": call.status.map { .integer(Int64($0)) } ?? .null, "request_id": JSONValue(call.requestID),
                    "milliseconds": .integer(call.duration.wholeMilliseconds),
                ])
        }
    }
}
