internal import JSON
internal import Ledger
internal import Logging
internal import Policy
internal import Seam
internal import Time

extension LaneRun {
    /// Pulls a backup for a failover that needs one, from a reading made after the last pull on this lock.
    ///
    /// - Returns: false when a fresh reading left nothing to pull for. If the pool is empty and is filled the next moment, a later stay
    ///   must not take the code: those stay due, and the next pass begins with the soonest again.
    mutating func draw(_ candidate: Candidate) async throws(LedgerError) -> Bool {
        var candidate = candidate
        let isStale =
            lastPullAt.map { candidate.readAt <= $0 } ?? false
            || now.duration(since: candidate.readAt) > Self.readingLifetime
        if isStale {
            guard let fresh = try await look(at: candidate.failover, isHurried: candidate.isHurried) else {
                return false
            }
            candidate = fresh
        }
        let failover = candidate.failover
        guard
            let pullID = try await engine.ledger.intendPull(
                of: failover, reading: candidate.code,
                journal: [
                    JournalEntry(
                        "decision", accessCodeID: failover.accessCodeID, deviceID: candidate.code.deviceID,
                        detail: ["decision": "pull", "error": JSONValue(candidate.code.blockingError?.code)])
                ], now: now)
        else { return true }
        lastPullAt = now
        lastDrawAt = now
        let calls = CallRecorder()
        do {
            let backup = try await engine.seam.observing(calls.add).pullBackup(originalID: failover.accessCodeID)
            try await take(
                backup, for: failover, reading: candidate.code, reason: reason(failover, candidate.code),
                pullID: pullID,
                calls: calls)
        } catch let error as SeamError {
            // The intent stays open: at the next start the code is read again, and a backup that was pulled is found.
            if Task.isCancelled { return false }
            try await settlePull(pullID, of: candidate.failover, reading: candidate.code, after: error, calls: calls)
        } catch let error as LedgerError {
            throw error
        } catch {
            throw LedgerError(.database, reason: "unexpected \(type(of: error))", hint: "Run `sparekey check`.")
        }
        return true
    }

    private mutating func settlePull(
        _ pullID: String, of failover: Failover, reading: AccessCode, after error: SeamError, calls: CallRecorder
    ) async throws(LedgerError) {
        var reading: AccessCode? = reading
        var decision = decide(after: error.failure, endsAt: reading?.endsAt, now: now)
        if case .notFound = error.failure {
            // The code may have gone between the reading and the pull: only a fresh reading tells.
            do {
                reading = try await engine.seam.observing(calls.add).accessCode(id: failover.accessCodeID)
                let anew = decide(situation(failover, reading))
                switch anew {
                case .pull, .adopt: break
                default: decision = anew
                }
            } catch {
                if case .notFound = error.failure { decision = decide(situation(failover, nil)) }
            }
        }
        let isKnownToHaveFailed =
            if case .unavailable = error.failure { false } else { true }
        let step = step(failover, decision, reading: reading, errorType: error.failure.errorType, calls: calls)
        try await engine.ledger.recordFailedPull(
            pullID, isKnownToHaveFailed: isKnownToHaveFailed, step: step, of: failover, now: now)
        report(failover, step)
    }

    /// Fetches a backup that was pulled before and takes it.
    func adopt(
        _ backupID: String, for failover: Failover, reading: AccessCode, calls: CallRecorder
    ) async throws(LedgerError) {
        let backup: AccessCode
        do {
            backup = try await engine.seam.observing(calls.add).accessCode(id: backupID)
        } catch {
            if !Task.isCancelled { try await settle(failover, after: error, reading: reading, calls: calls) }
            return
        }
        let reason = reason(failover, reading)
        try await take(backup, for: failover, reading: reading, reason: reason, pullID: nil, calls: calls)
    }

    /// Whether the backup is one that we asked for. What says so is our own intent, unless the reading already showed another's pull.
    private func reason(_ failover: Failover, _ reading: AccessCode) -> SubstitutionReason {
        if failover.mayHavePulled { return .pulled }
        let wasPulledBefore = reading.pulledBackupID != nil || reading.warningCodes.contains("using_backup_access_code")
        return wasPulledBefore ? .adopted : .pulled
    }

    /// Records the substitution, or waits for its PIN.
    private func take(
        _ backup: AccessCode, for failover: Failover, reading: AccessCode, reason: SubstitutionReason, pullID: String?,
        calls: CallRecorder
    ) async throws(LedgerError) {
        guard backup.pin != nil else {
            let decision = Decision.wait(.codePending, until: nil)
            guard let pullID else { return try await settle(failover, decision, reading: reading, calls: calls) }
            let step = step(failover, decision, reading: reading, errorType: nil, calls: calls)
            try await engine.ledger.recordPendingBackup(
                pullID: pullID, backupID: backup.id, requestID: calls.lastRequestID, step: step, of: failover, now: now)
            report(failover, step)
            return
        }
        let outcome = try await engine.ledger.recordSubstitution(
            NewSubstitution(
                failover: failover, reading: reading, backup: backup, reason: reason, pullID: pullID,
                requestID: calls.lastRequestID, channels: engine.settings.channels,
                firstDeliveryAt: engine.settings.firstDelivery(startsAt: reading.startsAt, now: now),
                firstLookAt: SubstitutionFollower.nextLook(at: backup, wantedEnd: reading.endsAt, now: now),
                alerts: alertChanges(failover, nil, reading: reading, errorType: nil),
                journal: calls.entries(of: failover)), now: now)
        switch outcome {
        case .recorded(let substitutionID):
            engine.observe(.substituted, reason.rawValue)
            engine.log.notice(
                "A backup code replaces an access code that failed",
                metadata: [
                    "access_code_id": "\(failover.accessCodeID)", "device_id": "\(backup.deviceID)",
                    "backup_access_code_id": "\(backup.id)", "substitution_id": "\(substitutionID)",
                    "reason": "\(reason.rawValue)",
                    "request_id": "\(calls.lastRequestID ?? "-")",
                ])
        case .alreadyRecorded:
            break
        case .closedMeanwhile:
            engine.log.warning(
                "A backup was pulled for a failover that was closed meanwhile; it is not told to the guest",
                metadata: [
                    "access_code_id": "\(failover.accessCodeID)", "device_id": "\(backup.deviceID)",
                    "backup_access_code_id": "\(backup.id)", "request_id": "\(calls.lastRequestID ?? "-")",
                ])
        case .backupBelongsToAnother:
            try await settle(
                failover, .wait(.refused, until: nil), reading: reading, errorType: "backup_of_another_original",
                calls: calls)
        }
    }
}
