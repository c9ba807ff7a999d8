package import Time

/// What the policy looks at: one fresh reading of the access code, and what is known around it.
package struct Situation: Sendable {
    /// Nil when Seam answered 404.
    package var code: AccessCode?
    /// When the stay ends as far as an earlier reading told: Seam deletes a code once its stay is over.
    package var knownEndsAt: Timestamp?
    /// Nil when the device could not be read: that never blocks a pull.
    package var device: Device?
    package var now: Timestamp
    package var leadTime: Duration?
    /// How many codes of a lock are kept for stays that start within `reserveHorizon`; see `isReserved`.
    package var reserve: Int
    /// When a backup was last drawn from this lock's pool, as far as is known here.
    package var lastDrawAt: Timestamp?
    /// How long a failure is watched before a backup is drawn for it; see `drawTime`.
    package var drawDelay: Duration
    /// When the failover was opened.
    package var openedAt: Timestamp?
    /// The failover has been waiting for something: an ended stay is then `expired`, not `already_ended`.
    package var hasWaited: Bool

    package init(
        code: AccessCode?, knownEndsAt: Timestamp? = nil, device: Device? = nil, now: Timestamp,
        leadTime: Duration? = nil, reserve: Int = 0, lastDrawAt: Timestamp? = nil, drawDelay: Duration = .zero,
        openedAt: Timestamp? = nil, hasWaited: Bool = false
    ) {
        self.code = code
        self.knownEndsAt = knownEndsAt
        self.device = device
        self.now = now
        self.leadTime = leadTime
        self.reserve = reserve
        self.lastDrawAt = lastDrawAt
        self.drawDelay = drawDelay
        self.openedAt = openedAt
        self.hasWaited = hasWaited
    }
}

package enum Decision: Sendable, Equatable {
    case notNeeded(NotNeededReason)
    case ineligible(IneligibleReason)
    /// The stay ended while the failover was still waiting.
    case expired
    /// Somebody pulled this backup already: fetch it, record it, tell the guest.
    case adopt(backupID: String)
    /// Look again at `until`, or with backoff where that is nil.
    case wait(WaitReason, until: Timestamp?)
    case pull
}

/// A reserve is kept for stays that start within this.
private let reserveHorizon = Duration.seconds(86_400)

/// The decision table: the first row that matches wins.
package func decide(_ situation: Situation) -> Decision {
    if situation.code?.isBackup == true {
        return situation.code?.isSet == true ? .notNeeded(.recovered) : .ineligible(.isBackup)
    }
    // A code that is gone after its stay was not cancelled: whoever waited for it until then was never helped.
    if let endsAt = situation.code.map(\.endsAt) ?? situation.knownEndsAt, endsAt <= situation.now {
        return situation.hasWaited ? .expired : .ineligible(.alreadyEnded)
    }
    guard let code = situation.code else { return .notNeeded(.codeDeleted) }
    if code.kind != .timeBound { return .ineligible(.notTimeBound) }
    if let backupID = code.pulledBackupID { return .adopt(backupID: backupID) }
    if code.isBeingDeleted { return .notNeeded(.codeDeleted) }
    if code.isSet { return .notNeeded(.recovered) }
    if let leadTime = situation.leadTime, let startsAt = code.startsAt, startsAt > situation.now + leadTime {
        return .wait(.leadTime, until: startsAt - leadTime)
    }
    if situation.device?.supportsBackupPool == false { return .ineligible(.unsupportedDevice) }
    if code.isBackupAvailable == false { return .wait(.poolEmpty, until: nil) }
    if let startsAt = code.startsAt, isReserved(situation, startsAt: startsAt) {
        return .wait(.reserved, until: min(startsAt - reserveHorizon, situation.now + refillTime))
    }
    if let drawTime = drawTime(situation, startsAt: code.startsAt), drawTime > situation.now {
        return .wait(.drawDelay, until: drawTime)
    }
    return .pull
}

/// A stay that starts within this draws at once, whatever the delay.
package let nearStay = Duration.seconds(3600)

/// When a backup may be drawn for a failure that is watched first: locks fail in storms, and within minutes it shows which of their
/// stays is the soonest, and which codes the lock takes after all. Nil: at once, also where the clock was set back since.
private func drawTime(_ situation: Situation, startsAt: Timestamp?) -> Timestamp? {
    guard let startsAt, let openedAt = situation.openedAt, openedAt <= situation.now else { return nil }
    return min(openedAt + situation.drawDelay, startsAt - nearStay)
}

/// A pool that was drawn from is taken for full again after this.
private let refillTime = Duration.seconds(3600)

/// Whether what is left in the pool is kept for stays that start sooner. Seam publishes no count, so a far stay draws only while the
/// pool can be taken for full: the lock does not say otherwise, and nothing was drawn from it for a while.
private func isReserved(_ situation: Situation, startsAt: Timestamp) -> Bool {
    guard situation.reserve > 0, startsAt > situation.now + reserveHorizon else { return false }
    let wasJustDrawn = situation.lastDrawAt.map { $0 + refillTime > situation.now } ?? false
    return wasJustDrawn || situation.device.map { $0.isPoolEmpty || $0.isPoolPartial } ?? false
}
