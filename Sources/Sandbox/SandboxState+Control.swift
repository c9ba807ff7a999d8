internal import JSON
internal import Time

extension SandboxState {
    mutating func createDevice(_ specification: SandboxDeviceSpecification, at now: Timestamp) -> String {
        var device = SandboxDevice(
            id: random.uuid(), name: specification.name, timeZone: specification.timeZone, deviceType: "schlage_lock",
            createdAt: now, poolSize: max(0, specification.poolSize ?? options.poolSize),
            refillDelay: specification.refillDelay ?? options.refillDelay)
        device.isOnline = specification.isOnline
        device.supportsBackupPool = specification.supportsBackupPool
        device.isBackupPoolEnabled = specification.supportsBackupPool && specification.isBackupPoolEnabled
        device.schedulesNatively = specification.schedulesNatively
        device.customMetadata = specification.customMetadata
        add(device, at: now)
        fillPool(of: device.id, at: now)
        return device.id
    }

    mutating func createCode(_ specification: SandboxCodeSpecification, at now: Timestamp) -> String {
        let isTimeBound = specification.startsAt != nil && specification.endsAt != nil
        var code = SandboxCode(
            id: random.uuid(), deviceID: specification.deviceID, name: specification.name,
            pin: specification.pin ?? freePIN(on: specification.deviceID), isTimeBound: isTimeBound,
            startsAt: isTimeBound ? specification.startsAt : nil, endsAt: isTimeBound ? specification.endsAt : nil,
            createdAt: now)
        if specification.isSet { code.status = .set }
        code.isBroken = specification.isBroken
        add(code, at: now)
        return code.id
    }

    /// Puts a step on the agenda, and does it now where that is due.
    mutating func schedule(_ step: SandboxAgenda.Step, after delay: Duration, at now: Timestamp) {
        agenda.add(step, at: now + max(.zero, delay))
        advance(to: now)
    }

    mutating func expireNow(_ id: String, at now: Timestamp) {
        guard var code = codes[id], code.isTimeBound else { return }
        code.endsAt = now
        codes[id] = code
        expire(id, at: now)
    }

    mutating func setPool(of deviceID: String, size: Int?, refillDelay: Duration?, at now: Timestamp) {
        guard var device = devices[deviceID] else { return }
        if let size { device.poolSize = min(max(0, size), 1000) }
        if let refillDelay {
            device.refillDelay = refillDelay
            device.refillDueAt = nil
        }
        device.refillsByItself = true
        while device.pool.count > device.poolSize, let id = device.pool.popLast() { codes[id] = nil }
        devices[deviceID] = device
        refreshPoolIssues(of: deviceID, at: now)
        scheduleRefill(of: deviceID, at: now)
    }

    mutating func rotateSecret(ofWebhook id: String, keeping count: Int) {
        guard let index = webhooks.firstIndex(where: { $0.id == id }) else { return }
        let secret = newWebhookSecret()
        webhooks[index].secrets.insert(secret, at: 0)
        webhooks[index].secrets = Array(webhooks[index].secrets.prefix(max(1, count)))
    }

    mutating func repeatEvent(_ id: String, underNewID: Bool, at now: Timestamp) {
        guard let event = event(id) else { return }
        for webhook in webhooks where !webhook.isDisabled && webhook.takes(event.type) {
            let earlier = deliveries.records.first { $0.eventID == id && $0.webhookID == webhook.id }
            let messageID = underNewID ? nil : earlier?.messageID
            deliveries.enqueue(
                event, to: webhook.id, at: now, random: random,
                messageID: messageID ?? random.identifier(prefix: "msg_"))
        }
    }
}
