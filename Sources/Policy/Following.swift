package import Time

/// What an operator wants done with a backup whose original is deleted before the stay's end.
package enum CancelPolicy: String, Sendable, Equatable, CaseIterable {
    case endBackup = "end_backup"
    case keep
}

/// What an operator wants told when an original reaches its lock after all.
package enum RecoveryPolicy: String, Sendable, Equatable, CaseIterable {
    /// The guest keeps using the backup and hears nothing that would confuse.
    case keepBackup = "keep_backup"
    case tellBoth = "tell_both"
}

/// What the policy looks at when a stay with a backup code goes on: both codes freshly read, and what is recorded.
package struct FollowedStay: Sendable {
    /// Nil when Seam answered 404.
    package var original: AccessCode?
    /// Nil when Seam answered 404.
    package var backup: AccessCode?
    package var recordedPIN: PIN?
    package var recordedStartsAt: Timestamp?
    package var recordedEndsAt: Timestamp?
    /// The recovery was recorded before.
    package var hasRecovered: Bool
    /// When the backup's removal was asked for.
    package var removalRequestedAt: Timestamp?
    package var onCancel: CancelPolicy
    package var now: Timestamp

    package init(
        original: AccessCode?, backup: AccessCode?, recordedPIN: PIN?, recordedStartsAt: Timestamp?,
        recordedEndsAt: Timestamp?,
        hasRecovered: Bool, removalRequestedAt: Timestamp?, onCancel: CancelPolicy, now: Timestamp
    ) {
        self.original = original
        self.backup = backup
        self.recordedPIN = recordedPIN
        self.recordedStartsAt = recordedStartsAt
        self.recordedEndsAt = recordedEndsAt
        self.hasRecovered = hasRecovered
        self.removalRequestedAt = removalRequestedAt
        self.onCancel = onCancel
        self.now = now
    }
}

package enum FollowDecision: Sendable, Equatable {
    /// The stay is over.
    case end
    /// The backup is gone before the stay's end.
    ///
    /// - Parameter wasWanted: false where a guest may stand before a locked door: nobody here asked for it, the booking stands, and the
    ///   first code does not work.
    case revoke(wasWanted: Bool)
    /// The booking was cancelled: the backup has to go.
    case removeBackup
    /// The backup should have gone: its lock did not let it go, or says nothing.
    case escalateRemoval
    /// The backup should be gone by now; look again.
    case awaitRemoval
    /// The stay's window has moved: the backup's end follows.
    case moveEnd(to: Timestamp)
    /// The stay has no end any more, and the backup has: the guest stays longer than it opens.
    case escalateEnd
    /// Seam's PIN or window of the backup is another than the recorded one.
    case refresh(AccessCode)
    /// The original reached its lock after all.
    case noteRecovery
    case nothing
}

/// How long a lock may take to let a backup go before a person is told.
private let removalPatience = Duration.seconds(600)

/// How a stay with a backup code goes on: the first row that matches wins.
package func follow(_ stay: FollowedStay) -> FollowDecision {
    // A guest whose own code fails stays on without an end: that the backup has one does not end the stay.
    let isEndless = stay.original.map { $0.endsAt == nil && !$0.isSet } ?? false
    let end = isEndless ? nil : stay.original?.endsAt ?? stay.backup?.endsAt ?? stay.recordedEndsAt
    let isOver = end.map { $0 <= stay.now } ?? false
    // A stay that was cut short is over before its backup is.
    let opensOn = stay.backup?.endsAt.map { $0 > stay.now } ?? false
    if isOver && !opensOn { return .end }
    guard let backup = stay.backup else {
        let isCancelled = stay.original == nil && stay.onCancel == .endBackup
        let wasWanted = stay.removalRequestedAt != nil || isCancelled || stay.original?.isSet == true
        return .revoke(wasWanted: wasWanted)
    }
    if let requestedAt = stay.removalRequestedAt {
        let isStuck = backup.errors.contains { $0.subject == .accessCode && $0.isRemovalFailure }
        return isStuck || requestedAt + removalPatience <= stay.now ? .escalateRemoval : .awaitRemoval
    }
    if isOver { return .removeBackup }
    guard let original = stay.original else { return stay.onCancel == .endBackup ? .removeBackup : .nothing }
    if let wanted = original.endsAt, backup.endsAt != wanted { return .moveEnd(to: wanted) }
    let isAsRecorded =
        backup.pin == stay.recordedPIN && backup.endsAt == stay.recordedEndsAt
        && backup.startsAt == stay.recordedStartsAt
    // A PIN that Seam does not tell at the moment is no new PIN.
    if !isAsRecorded && backup.pin != nil { return .refresh(backup) }
    if isEndless && backup.endsAt != nil { return .escalateEnd }
    if original.isSet && !stay.hasRecovered { return .noteRecovery }
    return .nothing
}
