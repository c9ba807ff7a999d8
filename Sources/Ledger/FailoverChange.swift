package import JSON
internal import Policy

/// What an operator may ask for single failovers.
package enum FailoverRequest: String, Sendable, Equatable {
    /// Looked at now; one that is closed without a backup code is opened again.
    case retry
    /// Nothing is pulled for it, and what is not told yet is not told.
    case cancel
}

/// What an operator's request does to one failover.
package struct FailoverChange: Sendable, Equatable {
    package enum Action: String, Sendable, Equatable {
        case retried, reopened, cancelled
        /// The backup code was recorded already: only what was still to be told of it, or of its failure, is stopped.
        case silenced
        /// Nothing can be done that was asked for.
        case none
    }

    /// As it was before, with its substitution.
    package var failover: LogRow
    package var action: Action
    /// Deliveries that are stopped.
    package var stoppedDeliveries: Int
    /// What becomes of a code that was pulled, or why nothing is done, for a person. Never a PIN.
    package var note: String

    init(_ failover: LogRow, _ action: Action, stoppedDeliveries: Int = 0, note: String = "") {
        self.failover = failover
        self.action = action
        self.stoppedDeliveries = stoppedDeliveries
        self.note = note
    }

    package static let columns = [
        "failover_id", "access_code_id", "device_id", "original_name", "original_starts_at", "original_ends_at",
        "state",
        "reason", "action", "stopped_deliveries", "backup_access_code_id", "backup_ends_at", "note",
    ]

    /// The failover's own columns as they were, and what is done.
    package var json: JSONValue {
        var json = failover.json(showingPINs: false)
        json["action"] = .string(action.rawValue)
        json["stopped_deliveries"] = .integer(Int64(stoppedDeliveries))
        json["note"] = .string(note)
        return json
    }

    var state: FailoverState { failover.text("state").flatMap(FailoverState.init(rawValue:)) ?? .pending }
    var id: String { failover.text("failover_id") ?? "" }
    var accessCodeID: String { failover.text("access_code_id") ?? "" }
}
