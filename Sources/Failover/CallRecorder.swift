internal import JSON
internal import Ledger
internal import Seam
internal import Synchronization
internal import Time

/// Keeps the API calls of one look, for the journal.
final class CallRecorder: Sendable {
    private let calls = Mutex<[APICall]>([])

    func add(_ call: APICall) {
        calls.withLock { $0.append(call) }
    }

    var lastRequestID: String? {
        calls.withLock { $0.last?.requestID }
    }

    /// Takes the calls as journal lines: a call is written down once.
    func entries(of failover: Failover) -> [JournalEntry] {
        let taken = calls.withLock { calls in
            defer { calls = [] }
            return calls
        }
        return taken.map { call in
            JournalEntry(
                "api.call", accessCodeID: failover.accessCodeID, deviceID: failover.deviceID,
                detail: [
                    "route": .string(call.route), "outcome": .string(call.outcome.rawValue),
                    "status": call.status.map { .integer(Int64($0)) } ?? .null, "request_id": JSONValue(call.requestID),
                    "milliseconds": .integer(call.duration.wholeMilliseconds),
                ])
        }
    }
}
