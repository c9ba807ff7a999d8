/// The log's words for a reason, in a sentence a person understands.
package enum ReasonText {
    private static let explanations = [
        "pool_empty": "the lock's pool has no backup code left",
        "rate_limited": "Seam asked for fewer requests",
        "seam_unavailable": "Seam gave no usable answer",
        "unauthorized": "Seam refused the API key",
        "lead_time": "the stay starts later than failover.lead_time from now",
        "reserved": "the lock's last codes are kept for stays that start sooner",
        "draw_delay": "the failure is watched for failover.draw_delay before a backup is pulled",
        "refused": "Seam refused the request",
        "code_pending": "the backup is pulled, its PIN not known yet",
        "pulled": "we asked for the backup",
        "adopted": "somebody else had pulled the backup",
        "recovered": "the lock has the code after all",
        "code_deleted": "the access code is gone",
        "not_time_bound": "only time-bound access codes have backups",
        "already_ended": "the stay is over",
        "is_backup": "the code that failed is itself a backup",
        "unsupported_device": "the lock has no pool of backup codes",
        "closed_meanwhile": "the failover had been closed meanwhile",
        "backup_belongs_to_another": "the backup was given to another access code before",
    ]

    /// Nil for a word that is not the log's own.
    package static func explanation(of reason: String) -> String? {
        explanations[reason]
    }
}
