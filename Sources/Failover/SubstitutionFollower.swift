internal import JSON
package import Ledger
package import Logging
internal import Policy
package import Seam
package import Time

/// Follows a stay that has a backup code to its end: moves the backup's end with the stay's, ends it when the booking is cancelled,
/// notes that the original recovered.
package struct SubstitutionFollower: Sendable {
    /// How long a removal may take before it is looked at again.
    private static let removalPause = Duration.seconds(60)
    /// A move that still fails so long before the old end wants a person.
    private static let alertBeforeEnd = Duration.seconds(86_400)
    private static let attemptsBeforeAlert = 3

    private let ledger: Ledger
    private let seam: SeamClient
    private let clock: any WallClock
    private let random: RandomSource
    private let settings: FailoverSettings
    private let log: Logger

    package init(
        ledger: Ledger, seam: SeamClient, clock: any WallClock, random: RandomSource, settings: FailoverSettings,
        log: Logger
    ) {
        self.ledger = ledger
        self.seam = seam
        self.clock = clock
        self.random = random
        self.settings = settings
        self.log = log
    }

    /// When to look at a stay for the first time: at once where the backup's window is not the stay's, else shortly before its end,
    /// for an extension that no event told of, and at the end itself, for one of the last moment.
    static func nextLook(at backup: AccessCode, wantedEnd: Timestamp?, now: Timestamp) -> Timestamp? {
        guard let endsAt = backup.endsAt else { return now }
        if let wantedEnd, wantedEnd != endsAt { return now }
        return lastLook(before: endsAt, now: now)
    }

    private static func lastLook(before endsAt: Timestamp, now: Timestamp) -> Timestamp? {
        let look = endsAt - .seconds(600)
        if look > now { return look }
        return endsAt > now ? endsAt : nil
    }

    /// The substitutions to be looked at now.
    package func due(limit: Int) async throws(LedgerError) -> [FollowedSubstitution] {
        try await ledger.dueSubstitutions(now: clock.now(), limit: limit)
    }

    package func look(at substitution: FollowedSubstitution) async throws(LedgerError) {
        let calls = CallRecorder()
        let client = seam.observing(calls.add)
        var original: AccessCode?
        var decision: FollowDecision?
        do {
            original = try await read(substitution.originalAccessCodeID, client)
            let backup = try await read(substitution.backupAccessCodeID, client)
            let found = follow(
                FollowedStay(
                    original: original, backup: backup, recordedPIN: substitution.pin,
                    recordedStartsAt: substitution.backupStartsAt, recordedEndsAt: substitution.backupEndsAt,
                    hasRecovered: substitution.hasRecovered, removalRequestedAt: substitution.removalRequestedAt,
                    onCancel: settings.onCancel, now: clock.now()))
            decision = found
            var step = try await carryOut(found, substitution, client)
            step.original = original
            try await record(step, found, substitution, calls)
        } catch let error as SeamError {
            if Task.isCancelled { return }
            var step = retry(substitution, decision, after: error)
            step.original = original
            try await record(step, nil, substitution, calls)
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError(.database, reason: "unexpected \(type(of: error))", hint: "Run `sparekey check`.")
        }
    }

    private func read(_ accessCodeID: String, _ client: SeamClient) async throws(SeamError) -> AccessCode? {
        do {
            return try await client.accessCode(id: accessCodeID)
        } catch {
            if case .notFound = error.failure { return nil }
            throw error
        }
    }

    private func carryOut(
        _ decision: FollowDecision, _ substitution: FollowedSubstitution, _ client: SeamClient
    ) async throws(SeamError) -> FollowStep {
        let backupID = substitution.backupAccessCodeID
        switch decision {
        case .end: return FollowStep(.ended)
        case .revoke(let wasWanted):
            var step = FollowStep(.revoked, tells: .revoked, channels: settings.channels)
            if wasWanted {
                step.alerts.closed = [.init(.notRemoved, subject: backupID)]
            } else {
                step.alerts.opened = [
                    alert(
                        .backupFailed, substitution,
                        "A guest's backup code was removed from the lock before the stay's end. Give the guest another way in."
                    )
                ]
            }
            return step
        case .removeBackup:
            do {
                try await client.deleteAccessCode(id: backupID)
            } catch {
                guard case .notFound = error.failure else { throw error }
            }
            return FollowStep(.removing, nextLookAt: clock.now() + Self.removalPause)
        case .awaitRemoval: return FollowStep(.unchanged, nextLookAt: clock.now() + Self.removalPause)
        case .escalateRemoval:
            var step = FollowStep(.unchanged, nextLookAt: clock.now() + Self.removalPause * 10)
            step.alerts.opened = [
                alert(
                    .notRemoved, substitution,
                    "The booking was cancelled, and the backup code could not be removed from the lock: it still opens the door."
                )
            ]
            return step
        case .moveEnd(let end):
            try await client.updateAccessCode(id: backupID, endsAt: end)
            let backup = try await client.accessCode(id: backupID)
            let isMoved = backup.endsAt.map { $0 >= end } ?? false
            guard isMoved || end < (substitution.backupEndsAt ?? end) else {
                // Accepted, and not yet so: it is read again.
                return retry(substitution, decision, after: nil)
            }
            return updated(backup, substitution)
        case .escalateEnd:
            let look = substitution.backupEndsAt.flatMap { Self.lastLook(before: $0, now: clock.now()) }
            // A backup that has run out is looked at until it is gone.
            var step = FollowStep(.unchanged, nextLookAt: look ?? clock.now() + Self.removalPause * 10)
            step.alerts.opened = [
                alert(
                    .notExtended, substitution, subject: substitution.id,
                    "A stay has no end any more, and its backup code \(ending(substitution)). Give the guest another way in by then."
                )
            ]
            return step
        case .refresh(let backup): return updated(backup, substitution)
        case .noteRecovery:
            let tells: DeliveryKind? = settings.onRecovery == .tellBoth ? .recovered : nil
            return asWanted(.recovered, substitution, tells: tells)
        case .nothing: return asWanted(.unchanged, substitution)
        }
    }

    /// Nothing is left to be moved, whoever brought that about.
    private func asWanted(
        _ outcome: FollowStep.Outcome, _ substitution: FollowedSubstitution, tells: DeliveryKind? = nil
    ) -> FollowStep {
        var step = FollowStep(
            outcome, nextLookAt: substitution.backupEndsAt.flatMap { Self.lastLook(before: $0, now: clock.now()) },
            tells: tells, channels: settings.channels)
        step.alerts.closed = [.init(.notExtended, subject: substitution.id)]
        return step
    }

    private func updated(_ backup: AccessCode, _ substitution: FollowedSubstitution) -> FollowStep {
        let isNews =
            backup.endsAt != substitution.backupEndsAt || (backup.pin != nil && backup.pin != substitution.pin)
        var step = FollowStep(
            .updated(backup, isNews: isNews),
            nextLookAt: Self.nextLook(at: backup, wantedEnd: nil, now: clock.now()), tells: isNews ? .updated : nil,
            channels: settings.channels)
        step.alerts.closed = [.init(.notExtended, subject: substitution.id)]
        return step
    }

    /// - Parameter decision: nil where Seam did not say what there is to decide on.
    private func retry(
        _ substitution: FollowedSubstitution, _ decision: FollowDecision?, after error: SeamError?
    ) -> FollowStep {
        let now = clock.now()
        let delay = random.delay(settings.retry, afterAttempt: substitution.attempts + 1)
        var next = now + delay
        if case .rateLimited(let retryAfter?) = error?.failure { next = max(next, now + retryAfter) }
        var step = FollowStep(.unchanged, nextLookAt: next, hasSucceeded: false)
        let isLate = substitution.backupEndsAt.map { $0 - Self.alertBeforeEnd <= now } ?? false
        // After the end nothing is known to be wrong, unless the stay goes on.
        let matters = decision != nil || substitution.backupEndsAt.map { $0 > now } ?? true
        if matters, substitution.attempts + 1 >= Self.attemptsBeforeAlert, isLate || substitution.attempts > 10 {
            let reason = error.map { " (\($0.failure.errorType))" } ?? ""
            step.alerts.opened = [
                alert(
                    .notExtended, substitution, subject: substitution.id,
                    "A backup code could not be brought in line with its stay\(reason); it \(ending(substitution))."
                )
            ]
        }
        return step
    }

    private func ending(_ substitution: FollowedSubstitution) -> String {
        "ends at \(substitution.backupEndsAt.map { "\($0)" } ?? "an unknown time")"
    }

    private func alert(
        _ kind: Alert.Kind, _ substitution: FollowedSubstitution, subject: String? = nil, _ text: String
    ) -> Alert {
        Alert(
            kind, subject: subject ?? substitution.backupAccessCodeID, accessCodeID: substitution.originalAccessCodeID,
            deviceID: substitution.deviceID, text: text)
    }

    private func record(
        _ step: FollowStep, _ decision: FollowDecision?, _ substitution: FollowedSubstitution, _ calls: CallRecorder
    ) async throws(LedgerError) {
        var step = step
        step.alerts.channels = settings.channels
        if let original = step.original {
            step.firstDeliveryAt = settings.firstDelivery(startsAt: original.startsAt, now: clock.now())
        }
        step.journal = calls.entries(accessCodeID: substitution.originalAccessCodeID, deviceID: substitution.deviceID)
        var names = substitution.names.mapValues(Logger.MetadataValue.string)
        if let requestID = calls.lastRequestID { names["request_id"] = "\(requestID)" }
        if let kind = decision?.journalKind {
            step.news = JournalEntry(
                kind, accessCodeID: substitution.originalAccessCodeID, deviceID: substitution.deviceID,
                detail: [
                    "substitution_id": .string(substitution.id),
                    "backup_access_code_id": .string(substitution.backupAccessCodeID),
                ])
        }
        let made = try await ledger.record(step, of: substitution, now: clock.now())
        if let news = made.news {
            log.notice(
                "A stay with a backup code has changed", metadata: names.merging(["what": "\(news.kind)"]) { $1 })
        }
        for alert in made.alerts.opened {
            log.error(
                "A stay with a backup code needs a person's attention",
                metadata: names.merging(["alert": "\(alert.kind.rawValue)", "text": "\(alert.text)"]) { $1 })
        }
    }
}

extension FollowDecision {
    /// The journal's word; nil where nothing was done.
    var journalKind: String? {
        switch self {
        case .end: "substitution.ended"
        case .revoke: "substitution.revoked"
        case .removeBackup: "substitution.removal_requested"
        case .escalateRemoval: "substitution.removal_failed"
        case .moveEnd: "substitution.end_moved"
        case .refresh: "substitution.refreshed"
        case .noteRecovery: "original.recovered"
        case .awaitRemoval, .escalateEnd, .nothing: nil
        }
    }
}
