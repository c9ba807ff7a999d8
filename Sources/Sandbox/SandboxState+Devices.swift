internal import JSON
internal import Time

extension SandboxState {
    mutating func add(_ newDevice: SandboxDevice, at now: Timestamp) {
        var device = newDevice
        device.order = nextOrder()
        devices[device.id] = device
        refreshPoolIssues(of: device.id, at: now)
        emit("device.added", deviceID: device.id, at: now)
        if !device.isOnline { markDisconnected(device.id, at: now) }
    }

    mutating func disconnect(_ id: String, at instant: Timestamp) {
        guard devices[id]?.isOnline == true else { return }
        devices[id]?.isOnline = false
        markDisconnected(id, at: instant)
    }

    private mutating func markDisconnected(_ id: String, at instant: Timestamp) {
        devices[id]?.errors.add("device_disconnected", at: instant)
        refreshPoolIssues(of: id, at: instant)
        emit(
            "device.disconnected", deviceID: id, at: instant, issues: .device,
            [.init("error_code", "device_disconnected")])
    }

    /// The lock is back: everything that waited for it goes on.
    mutating func connect(_ id: String, at instant: Timestamp) {
        guard var device = devices[id], !device.isOnline else { return }
        device.isOnline = true
        device.errors.remove("device_disconnected")
        devices[id] = device
        emit("device.connected", deviceID: id, at: instant)
        for code in codes(on: id) {
            switch code.status {
            case .setting where !code.isBroken:
                agenda.add(.finishSetting(code.id), at: instant + options.programmingTime)
            case .removing:
                agenda.add(.remove(code.id), at: instant + options.removalTime)
            default:
                break
            }
            if code.mutations.contains(where: { $0.code.hasPrefix("updating_") }) {
                agenda.add(.confirmUpdate(code.id), at: instant + options.programmingTime)
            }
        }
        refreshPoolIssues(of: id, at: instant)
        scheduleRefill(of: id, at: instant)
    }
}
