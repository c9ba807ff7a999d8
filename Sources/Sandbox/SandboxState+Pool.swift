internal import JSON
internal import Time

extension SandboxState {
    /// Why a pull gave nothing.
    enum PullRefusal: Error {
        case notFound, notTimeBound, isBackup, backupGone, unsupported, empty
    }

    /// The same backup for the same original, for ever.
    mutating func pull(_ originalID: String, at now: Timestamp) throws(PullRefusal) -> SandboxCode {
        guard var original = codes[originalID] else { throw .notFound }
        guard !original.isBackup else { throw .isBackup }
        guard original.isTimeBound else { throw .notTimeBound }
        if let backupID = original.pulledBackupID {
            guard let backup = codes[backupID] else { throw .backupGone }
            return backup
        }
        guard var device = devices[original.deviceID], device.supportsBackupPool else { throw .unsupported }
        guard device.isBackupPoolEnabled, let backupID = device.pool.first, var backup = codes[backupID] else {
            throw .empty
        }
        device.pool.removeFirst()
        devices[device.id] = device
        backup.isTimeBound = true
        backup.startsAt = now
        backup.endsAt = original.endsAt
        codes[backupID] = backup
        if let endsAt = backup.endsAt { agenda.add(.expire(backupID), at: endsAt) }
        original.pulledBackupID = backupID
        original.warnings.add("using_backup_access_code", at: now)
        codes[originalID] = original
        counters.backupsPulled += 1
        scheduleRefill(of: device.id, at: now)
        refreshPoolIssues(of: device.id, at: now)
        emit(
            "access_code.backup_access_code_pulled", code: original, at: now,
            [.init("backup_access_code_id", .string(backupID))])
        return backup
    }

    /// The first code that asks for the pool activates it, once for the device ("Managing Backup Access Codes").
    mutating func enablePool(of deviceID: String, at now: Timestamp) {
        guard var device = devices[deviceID], device.supportsBackupPool, !device.isBackupPoolEnabled else { return }
        device.isBackupPoolEnabled = true
        device.refillsByItself = true
        devices[deviceID] = device
        refreshPoolIssues(of: deviceID, at: now)
        scheduleRefill(of: deviceID, at: now)
    }

    /// Removes what nobody has pulled (`/devices/update`, since 2026-07).
    mutating func disablePool(of deviceID: String, at now: Timestamp) {
        emptyPool(of: deviceID, at: now, refills: false)
        devices[deviceID]?.isBackupPoolEnabled = false
        refreshPoolIssues(of: deviceID, at: now)
    }

    mutating func emptyPool(of deviceID: String, at now: Timestamp, refills: Bool) {
        guard var device = devices[deviceID] else { return }
        for id in device.pool { codes[id] = nil }
        device.pool = []
        device.refillsByItself = refills
        if !refills { device.refillDueAt = nil }
        devices[deviceID] = device
        refreshPoolIssues(of: deviceID, at: now)
        scheduleRefill(of: deviceID, at: now)
    }

    /// Fills the pool at once, up to `count` codes or its size.
    mutating func fillPool(of deviceID: String, count: Int? = nil, at now: Timestamp) {
        guard let device = devices[deviceID], device.isBackupPoolEnabled else { return }
        devices[deviceID]?.refillsByItself = true
        for _ in 0..<max(0, (count ?? device.poolSize) - device.pool.count) { addToPool(of: deviceID, at: now) }
        refreshPoolIssues(of: deviceID, at: now)
    }

    /// One more code on the lock, then the next, as long as it can be reached.
    mutating func refill(_ deviceID: String, at instant: Timestamp) {
        // What is on the agenda may have been called off, or put off, since.
        guard var device = devices[deviceID], let dueAt = device.refillDueAt, dueAt <= instant else { return }
        device.refillDueAt = nil
        devices[deviceID] = device
        guard device.isBackupPoolEnabled, device.isOnline, device.pool.count < device.poolSize else {
            return refreshPoolIssues(of: deviceID, at: instant)
        }
        addToPool(of: deviceID, at: instant)
        refreshPoolIssues(of: deviceID, at: instant)
        scheduleRefill(of: deviceID, at: instant)
    }

    mutating func scheduleRefill(of deviceID: String, at now: Timestamp) {
        guard let device = devices[deviceID], device.isBackupPoolEnabled, device.refillsByItself,
            device.refillDueAt == nil, device.pool.count < device.poolSize
        else { return }
        let dueAt = now + device.refillDelay
        devices[deviceID]?.refillDueAt = dueAt
        agenda.add(.refill(deviceID), at: dueAt)
    }

    private mutating func addToPool(of deviceID: String, at now: Timestamp) {
        let id = random.uuid()
        var code = SandboxCode(
            id: id, deviceID: deviceID, name: "Backup \(id) (Seam)", pin: freePIN(on: deviceID), isTimeBound: false,
            createdAt: now)
        code.status = .set
        code.isBackup = true
        code.order = nextOrder()
        codes[id] = code
        devices[deviceID]?.pool.append(id)
    }

    mutating func refreshPoolIssues(of deviceID: String, at now: Timestamp) {
        guard var device = devices[deviceID] else { return }
        let enabled = device.isBackupPoolEnabled
        device.errors.set("empty_backup_access_code_pool", enabled && device.pool.isEmpty, at: now)
        // Being refilled is healthy; unable to is not.
        let isPartial = enabled && !device.isOnline && !device.pool.isEmpty && device.pool.count < device.poolSize
        device.warnings.set("partial_backup_access_code_pool", isPartial, at: now)
        let active = codes.on(deviceID).count { $0.isBackup && $0.isTimeBound }
        device.warnings.set("many_active_backup_codes", active >= options.manyActiveBackups, at: now)
        devices[deviceID] = device
    }
}
