/// Where a failover stands: the words of the log's `state` and `reason` columns.
package enum FailoverState: String, Sendable, Equatable, CaseIterable {
    case pending, waiting, substituted
    case notNeeded = "not_needed"
    case ineligible, expired, cancelled

    /// Nothing is done for it any more, unless it fails again.
    package var isClosed: Bool {
        self != .pending && self != .waiting
    }
}

package enum WaitReason: String, Sendable, Equatable, CaseIterable {
    case poolEmpty = "pool_empty"
    case rateLimited = "rate_limited"
    case seamUnavailable = "seam_unavailable"
    case unauthorized
    case leadTime = "lead_time"
    case refused
    case codePending = "code_pending"
    /// The lock's last codes are kept for stays that start sooner.
    case reserved
    /// The failure is watched for a while, for a sooner stay's or for a recovery.
    case drawDelay = "draw_delay"
}

package enum NotNeededReason: String, Sendable, Equatable {
    case recovered
    case codeDeleted = "code_deleted"
}

package enum IneligibleReason: String, Sendable, Equatable {
    case notTimeBound = "not_time_bound"
    case alreadyEnded = "already_ended"
    case isBackup = "is_backup"
    case unsupportedDevice = "unsupported_device"
}

package enum SubstitutionReason: String, Sendable, Equatable {
    /// We asked for the backup, also where the answer was lost.
    case pulled
    /// Somebody else had pulled it: Seam's own automation, another program, a person.
    case adopted
}
