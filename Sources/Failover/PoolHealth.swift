internal import Ledger
internal import Logging
internal import Policy
internal import Time

/// What a lock's reading says of its pool, as changes of alerts: one when it turns bad, one when it is well again.
enum PoolHealth {
    /// Keeps a reading, whoever made it, together with what it opens and closes: a change is seen once.
    static func keep(
        _ device: Device, in ledger: Ledger, channels: [DeliveryChannel], now: Timestamp, log: Logger
    ) async throws(LedgerError) {
        let made = try await ledger.keep(device, now: now) { changes(from: $0, to: device, channels: channels) }
        for alert in made.opened {
            log.error(
                "A lock's pool of backup codes needs attention",
                metadata: [
                    "alert": "\(alert.kind.rawValue)", "device_id": "\(device.id)", "text": "\(alert.text)",
                ])
        }
        for key in made.closed {
            log.notice(
                "A lock's pool of backup codes is well again",
                metadata: ["alert": "\(key.kind.rawValue)", "device_id": "\(device.id)"])
        }
    }

    /// Forgets a lock that Seam does not know any more, together with what is open about its pool: no reading would close that.
    static func forget(
        _ deviceID: String, in ledger: Ledger, channels: [DeliveryChannel], now: Timestamp, log: Logger
    ) async throws(LedgerError) {
        let wasForgotten = try await ledger.forgetDevice(
            deviceID, closing: [.poolEmpty, .poolPartial, .manyActiveBackups, .poolDisabled], channels: channels,
            now: now)
        if wasForgotten {
            log.notice("Seam does not know a lock any more", metadata: ["device_id": "\(deviceID)"])
        }
    }

    /// - Parameter before: the reading before this one; nil for the first. That a lock has no pool, or has it switched off, is how
    ///   many locks are: only the change is worth an alert. `sparekey check` names them all.
    static func changes(from before: Device?, to device: Device, channels: [DeliveryChannel]) -> AlertChanges {
        var changes = AlertChanges()
        changes.channels = channels
        let name = device.name.map { "\($0)" } ?? device.id
        func settle(_ kind: Alert.Kind, isBad: Bool, isWell: Bool, _ text: String) {
            if isBad {
                changes.opened.append(Alert(kind, subject: device.id, deviceID: device.id, text: text))
            } else if isWell {
                changes.closed.append(.init(kind, subject: device.id))
            }
        }
        settle(
            .poolEmpty, isBad: device.isPoolEmpty, isWell: !device.isPoolEmpty,
            "\(name): the pool of backup codes is empty. A guest whose code fails here cannot be helped: look whether the lock is online and has room for codes."
        )
        settle(
            .poolPartial, isBad: device.isPoolPartial && !device.isPoolEmpty, isWell: !device.isPoolPartial,
            "\(name): Seam has trouble refilling the pool of backup codes. Look whether the lock is online and has room for codes."
        )
        settle(
            .manyActiveBackups, isBad: device.hasManyActiveBackups, isWell: !device.hasManyActiveBackups,
            "\(name): many backup codes are in use, so Seam has trouble programming this lock. Look at its connection.")
        settle(
            .poolDisabled,
            isBad: before?.isBackupPoolEnabled == true && device.isBackupPoolEnabled == false
                || before?.supportsBackupPool == true && device.supportsBackupPool == false,
            isWell: device.isBackupPoolEnabled == true && device.supportsBackupPool != false,
            "\(name): the pool of backup codes was switched off. A guest whose code fails here cannot be helped.")
        return changes
    }
}
