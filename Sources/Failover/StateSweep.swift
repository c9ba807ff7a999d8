package import Ledger
package import Logging
internal import Policy
package import Seam
package import Time

/// Finds the failures that no event told of: reads the locks, and one lock after the other its access codes.
///
/// Friendly to Seam's limits: one request at a time, spread out, none while Seam asks to wait.
package struct StateSweep: Sendable {
    /// How many locks that are not in the list are read at once; the next reading goes on.
    private static let unlistedAtOnce = 20

    private let ledger: Ledger
    private let seam: SeamClient
    private let clock: any WallClock
    private let settings: FailoverSettings
    private let governor: SeamGovernor
    private let log: Logger
    /// From one reading of a lock's codes to the next.
    private let interval: Duration
    /// Stays that start within this are looked after.
    private let horizon: Duration

    package init(
        ledger: Ledger, seam: SeamClient, clock: any WallClock, settings: FailoverSettings, governor: SeamGovernor,
        interval: Duration, horizon: Duration, log: Logger
    ) {
        self.ledger = ledger
        self.seam = seam
        self.clock = clock
        self.settings = settings
        self.governor = governor
        self.interval = interval
        self.horizon = horizon
        self.log = log
    }

    /// Reads all locks and keeps them; alerts what has changed for the worse or the better in their pools.
    package func readDevices() async throws {
        guard governor.pausedUntil == nil else { return }
        let devices = try await seam.devices()
        // Whoever answers has accepted the key.
        let wasRefused = try await ledger.closeAlert(
            .unauthorized, subject: Alert.workspace, channels: settings.channels, now: clock.now())
        if wasRefused { log.notice("Seam accepts the API key again") }
        for device in devices {
            try await PoolHealth.keep(device, in: ledger, channels: settings.channels, now: clock.now(), log: log)
        }
        for deviceID in try await ledger.devices(notAmong: Set(devices.map(\.id)), limit: Self.unlistedAtOnce)
        where governor.pausedUntil == nil {
            try await readUnlisted(deviceID)
        }
    }

    /// Reads a lock that is not in the list, which alone proves nothing. One that was removed, or is not managed any more, is forgotten.
    private func readUnlisted(_ deviceID: String) async throws {
        let device: Device
        do {
            device = try await seam.device(id: deviceID)
        } catch {
            if Task.isCancelled { throw error }
            guard case .notFound = error.failure else {
                return log.debug(
                    "A lock that is not listed could not be read",
                    metadata: ["device_id": "\(deviceID)", "error": "\(error)"])
            }
            return try await PoolHealth.forget(
                deviceID, in: ledger, channels: settings.channels, now: clock.now(), log: log)
        }
        try await PoolHealth.keep(device, in: ledger, channels: settings.channels, now: clock.now(), log: log)
    }

    /// Reads the codes of the lock whose turn it is.
    ///
    /// - Returns: what was found; nil when no lock's turn has come.
    package func sweepNextDevice() async throws -> SweepFindings? {
        guard governor.pausedUntil == nil,
            let deviceID = try await ledger.nextDeviceToSweep(readBefore: clock.now() - interval)
        else { return nil }
        do {
            let codes = try await seam.accessCodes(deviceID: deviceID)
            let deleted = try await deletedCodes(of: deviceID, notAmong: codes)
            let findings = try await ledger.recordSweep(
                deviceID: deviceID, codes: codes, deleted: deleted, horizon: horizon, onCancel: settings.onCancel,
                alerts: upcoming(deviceID, codes), now: clock.now())
            if findings.openedFailovers > 0 {
                log.notice(
                    "A sweep found access codes that failed without an event",
                    metadata: ["device_id": "\(deviceID)", "access_codes": "\(findings.openedFailovers)"])
            }
            for alert in findings.openedAlerts {
                log.error(
                    "A sweep found what needs a person's attention",
                    metadata: [
                        "alert": "\(alert.kind.rawValue)", "access_code_id": "\(alert.accessCodeID ?? "-")",
                        "device_id": "\(deviceID)", "text": "\(alert.text)",
                    ])
            }
            return findings
        } catch {
            if Task.isCancelled { throw error }
            log.debug(
                "A lock's access codes could not be read", metadata: ["device_id": "\(deviceID)", "error": "\(error)"])
            try await ledger.noteSweepAttempt(deviceID: deviceID, now: clock.now())
            throw error
        }
    }

    /// The codes of guests without a backup that are gone, too: that they are not listed alone proves nothing.
    private func deletedCodes(
        of deviceID: String, notAmong codes: [AccessCode]
    ) async throws(LedgerError) -> Set<String> {
        var deleted: Set<String> = []
        for id in try await ledger.codesWithoutBackup(deviceID: deviceID)
        where governor.pausedUntil == nil && !codes.contains(where: { $0.id == id }) {
            do {
                _ = try await seam.accessCode(id: id)
            } catch {
                // Whatever else is wrong, the lock's other codes are not held up by it.
                if case .notFound = error.failure { deleted.insert(id) }
            }
        }
        return deleted
    }

    /// When the next lock's turn comes; nil without locks.
    package func nextTurn() async throws(LedgerError) -> Timestamp? {
        let oldest = try await ledger.oldestSweep()
        return oldest.map { $0 + interval }
    }

    /// That there is a backup for a guest who arrives soon ends the alert that there is none.
    private func upcoming(_ deviceID: String, _ codes: [AccessCode]) -> AlertChanges {
        var changes = AlertChanges()
        changes.channels = settings.channels
        let now = clock.now()
        let near = codes.filter { code in
            !code.isBackup && code.kind == .timeBound && code.pulledBackupID == nil && code.isBackupAvailable != nil
                && code.endsAt.map { $0 > now } ?? true && code.startsAt.map { $0 <= now + horizon } ?? true
        }
        guard !near.isEmpty else { return changes }
        // The pool is the lock's: one code that could have a backup shows that there is one.
        if near.contains(where: { $0.isBackupAvailable == true }) {
            changes.closed = [.init(.poolEmpty, subject: deviceID)]
        }
        return changes
    }
}
