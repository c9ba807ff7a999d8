internal import JSON
internal import Time

// The life of an access code on its lock: unset, setting, set, removing, gone (Seam's API reference).
extension SandboxState {
    /// Adds the code and puts its programming, its start and its end on the agenda.
    mutating func add(_ newCode: SandboxCode, at now: Timestamp) {
        var code = newCode
        code.order = nextOrder()
        if code.status == .unset { planSetting(of: &code, at: now) }
        if let endsAt = code.endsAt { agenda.add(.expire(code.id), at: endsAt) }
        codes[code.id] = code
        emit("access_code.created", code: code, at: now)
        if code.status == .set { emit("access_code.set_on_device", code: code, at: now, Self.pin(of: code)) }
    }

    /// Puts the programming of a code that is not on its lock on the agenda, and shows what it waits for.
    mutating func planSetting(of code: inout SandboxCode, at now: Timestamp) {
        let programmingAt = max(now, programmingTime(of: code) ?? now)
        code.mutations.removeAll { $0.code == "creating" || $0.code == "deferring_creation" }
        let mutation =
            programmingAt > now
            ? SandboxMutation(code: "deferring_creation", createdAt: now, scheduledAt: programmingAt)
            : SandboxMutation(code: "creating", createdAt: now)
        code.mutations.insert(mutation, at: 0)
        agenda.add(.beginSetting(code.id), at: programmingAt + options.settingDelay)
    }

    /// Nil: at once.
    private func programmingTime(of code: SandboxCode) -> Timestamp? {
        let schedules = devices[code.deviceID]?.schedulesNatively != false
        return code.startsAt.map { $0 - (schedules ? options.nativeSchedulingLead : options.justInTimeLead) }
    }

    mutating func beginSetting(_ id: String, at instant: Timestamp) {
        guard var code = codes[id], code.status == .unset, !code.isScheduledOnDevice else { return }
        // The start may have moved since this was put on the agenda.
        if let programmingAt = programmingTime(of: code), programmingAt > instant {
            return agenda.add(.beginSetting(id), at: programmingAt + options.settingDelay)
        }
        code.status = .setting
        code.mutations.removeAll { $0.code == "deferring_creation" }
        if !code.mutations.contains(where: { $0.code == "creating" }) {
            code.mutations.append(SandboxMutation(code: "creating", createdAt: instant))
        }
        codes[id] = code
        agenda.add(.finishSetting(id), at: instant + options.programmingTime)
    }

    mutating func finishSetting(_ id: String, at instant: Timestamp) {
        guard var code = codes[id], code.status == .setting, !code.isBroken else { return }
        if devices[code.deviceID]?.isOnline == true { return settle(code, at: instant) }
        guard !code.isStuck else { return }
        code.isStuck = true
        codes[id] = code
        agenda.add(.warnOfDelay(id), at: instant + options.delayWarningAfter)
        agenda.add(.giveUp(id), at: instant + options.failureAfter)
    }

    /// The code is on the lock: open to the guest, or scheduled for the start of the stay.
    private mutating func settle(_ settled: SandboxCode, at instant: Timestamp) {
        var code = settled
        code.errors = []
        code.warnings.remove("delay_in_setting_on_device")
        code.mutations.removeAll { $0.code == "creating" || $0.code == "deferring_creation" }
        code.isBroken = false
        code.isStuck = false
        let schedules = devices[code.deviceID]?.schedulesNatively == true
        if let startsAt = code.startsAt, startsAt > instant, schedules {
            code.status = .unset
            code.isScheduledOnDevice = true
            agenda.add(.start(code.id), at: startsAt)
            codes[code.id] = code
            emit("access_code.scheduled_on_device", code: code, at: instant, Self.pin(of: code))
        } else {
            code.status = .set
            codes[code.id] = code
            emit("access_code.set_on_device", code: code, at: instant, Self.pin(of: code))
        }
    }

    mutating func start(_ id: String, at instant: Timestamp) {
        guard var code = codes[id], code.isScheduledOnDevice, code.status == .unset, !code.isBroken else { return }
        if let startsAt = code.startsAt, startsAt > instant { return agenda.add(.start(id), at: startsAt) }
        code.status = .set
        // Where it has become ongoing meanwhile, there is no schedule any more.
        code.isScheduledOnDevice = code.startsAt != nil
        codes[id] = code
        emit("access_code.set_on_device", code: code, at: instant, Self.pin(of: code))
    }

    mutating func warnOfDelay(_ id: String, at instant: Timestamp) {
        guard var code = codes[id], !code.isOnDevice, code.errors.isEmpty else { return }
        code.warnings.add("delay_in_setting_on_device", at: instant)
        codes[id] = code
        emit("access_code.delay_in_setting_on_device", code: code, at: instant, issues: .all)
    }

    /// The lock has been out of reach for too long; Seam goes on trying.
    mutating func giveUp(_ id: String, at instant: Timestamp) {
        guard let code = codes[id], code.isStuck, !code.isOnDevice else { return }
        fail(id, SandboxFailure(), at: instant)
        codes[id]?.isBroken = false
    }

    /// The code cannot be set, until it is recovered.
    mutating func fail(_ id: String, _ failure: SandboxFailure, at instant: Timestamp) {
        guard var code = codes[id], code.status != .removing else { return }
        code.isBroken = true
        code.status = .setting
        code.isScheduledOnDevice = false
        code.warnings.remove("delay_in_setting_on_device")
        code.mutations.removeAll { $0.code == "deferring_creation" }
        if !code.mutations.contains(where: { $0.code == "creating" }) {
            code.mutations.append(SandboxMutation(code: "creating", createdAt: instant))
        }
        for errorCode in failure.errorCodes { code.errors.add(errorCode, at: instant) }
        codes[id] = code
        emit(failure.eventType, code: code, at: instant, issues: .all)
    }

    /// What was broken works again: programming, or removal.
    mutating func recover(_ id: String, at instant: Timestamp) {
        guard var code = codes[id] else { return }
        let wasBroken = code.isBroken || !code.errors.isEmpty
        code.isBroken = false
        code.isRemovalBroken = false
        codes[id] = code
        if code.status == .removing { return remove(id, at: instant) }
        guard wasBroken || !code.isOnDevice else { return }
        if devices[code.deviceID]?.isOnline == true {
            settle(code, at: instant)
        } else {
            agenda.add(.finishSetting(id), at: instant)
        }
    }

    mutating func expire(_ id: String, at instant: Timestamp) {
        guard let code = codes[id], code.status != .removing else { return }
        // The end may have moved since this was put on the agenda.
        guard let endsAt = code.endsAt, endsAt <= instant else { return }
        beginRemoval(of: code, at: instant)
    }

    mutating func delete(_ id: String, at instant: Timestamp) {
        guard var code = codes[id] else { return }
        code.isDeletionRequested = true
        code.warnings.add("being_deleted", at: instant)
        codes[id] = code
        emit(
            "access_code.mutations_requested", code: code, at: instant,
            [.init("requested_mutations", [["mutation_code": "deleting"]])])
        if code.status != .removing { beginRemoval(of: code, at: instant) }
        // A backup that nobody has pulled is nobody's to pull any more.
        if let index = devices[code.deviceID]?.pool.firstIndex(of: id) {
            devices[code.deviceID]?.pool.remove(at: index)
            refreshPoolIssues(of: code.deviceID, at: instant)
            scheduleRefill(of: code.deviceID, at: instant)
        }
    }

    private mutating func beginRemoval(of removed: SandboxCode, at instant: Timestamp) {
        var code = removed
        guard code.isOnDevice else {
            codes[code.id] = nil
            emit("access_code.deleted", code: code, at: instant, [.init("code", .string(code.pin))])
            return
        }
        code.status = .removing
        code.mutations = [SandboxMutation(code: "deleting", createdAt: instant)]
        codes[code.id] = code
        agenda.add(.remove(code.id), at: instant + options.removalTime)
    }

    mutating func remove(_ id: String, at instant: Timestamp) {
        guard let code = codes[id], code.status == .removing else { return }
        if code.isRemovalBroken { return failRemoval(id, at: instant) }
        guard devices[code.deviceID]?.isOnline == true else {
            return agenda.add(.failRemoval(id), at: instant + options.failureAfter)
        }
        codes[id] = nil
        refreshPoolIssues(of: code.deviceID, at: instant)
        emit("access_code.removed_from_device", code: code, at: instant)
        if code.isDeletionRequested {
            emit("access_code.deleted", code: code, at: instant, [.init("code", .string(code.pin))])
        }
    }

    mutating func failRemoval(_ id: String, at instant: Timestamp) {
        guard var code = codes[id], code.status == .removing, !code.errors.has("failed_to_remove_from_device") else {
            return
        }
        code.errors.add("failed_to_remove_from_device", at: instant)
        codes[id] = code
        emit("access_code.failed_to_remove_from_device", code: code, at: instant, issues: .all)
    }

    static func pin(of code: SandboxCode) -> [JSONValue.Member] { [.init("code", .string(code.pin))] }
}
