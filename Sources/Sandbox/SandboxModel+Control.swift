package import JSON
package import Time

/// What a new simulated lock is like.
package struct SandboxDeviceSpecification: Sendable {
    package var name: String
    package var timeZone: String
    package var isOnline = true
    package var supportsBackupPool = true
    /// With true the pool is full at once.
    package var isBackupPoolEnabled = true
    package var schedulesNatively = true
    /// Nil: as the options say.
    package var poolSize: Int?
    package var refillDelay: Duration?
    package var customMetadata: [JSONValue.Member] = []

    package init(name: String, timeZone: String = "Europe/Vienna") {
        self.name = name
        self.timeZone = timeZone
    }
}

/// What a new simulated guest code is like. With both times it is time-bound, with none it is ongoing.
package struct SandboxCodeSpecification: Sendable {
    package var deviceID: String
    package var name: String?
    /// Nil: random digits.
    package var pin: String?
    package var startsAt: Timestamp?
    package var endsAt: Timestamp?
    /// It is on the lock already.
    package var isSet = false
    /// Programming will not succeed until the code is recovered; when that shows is `failCode`'s to say.
    package var isBroken = false

    package init(
        deviceID: String, name: String? = nil, startsAt: Timestamp? = nil, endsAt: Timestamp? = nil, isSet: Bool = false
    ) {
        self.deviceID = deviceID
        self.name = name
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.isSet = isSet
    }
}

// What a test or a simulation makes happen. What names an unknown id does nothing.
extension SandboxModel {
    /// - Returns: the device's id.
    @discardableResult
    package func createDevice(_ specification: SandboxDeviceSpecification) -> String {
        withState { state, now in state.createDevice(specification, at: now) }
    }

    /// - Returns: the access code's id.
    @discardableResult
    package func createCode(_ specification: SandboxCodeSpecification) -> String {
        withState { state, now in state.createCode(specification, at: now) }
    }

    /// The code cannot be set from then on, until it is recovered.
    ///
    /// - Parameter warningAfter: earlier than `delay`: when `delay_in_setting_on_device` is sent; nil: not at all.
    package func failCode(
        _ id: String, after delay: Duration = .zero, warningAfter: Duration? = nil,
        _ failure: SandboxFailure = SandboxFailure()
    ) {
        withState { state, now in
            if let warningAfter { state.schedule(.warnOfDelay(id), after: warningAfter, at: now) }
            state.schedule(.fail(id, failure), after: delay, at: now)
        }
    }

    /// Programming, or removal, works again: the errors go, `set_on_device` or `removed_from_device` is sent.
    package func recoverCode(_ id: String, after delay: Duration = .zero) {
        withState { state, now in state.schedule(.recover(id), after: delay, at: now) }
    }

    /// The stay of the code ends now.
    package func expireCode(_ id: String) {
        withState { state, now in state.expireNow(id, at: now) }
    }

    /// As `/access_codes/delete`.
    package func deleteCode(_ id: String) {
        withState { state, now in state.delete(id, at: now) }
    }

    /// Whatever removes the code from now on fails, until it is recovered.
    package func breakRemoval(of id: String) {
        withState { state, _ in state.codes[id]?.isRemovalBroken = true }
    }

    /// As `/access_codes/update`, without its checks.
    package func updateCode(
        _ id: String, startsAt: Timestamp? = nil, endsAt: Timestamp? = nil, becomesOngoing: Bool = false
    ) {
        withState { state, now in
            let change = SandboxCodeChange(startsAt: startsAt, endsAt: endsAt, becomesOngoing: becomesOngoing)
            state.update(id, change, at: now)
        }
    }

    /// The lock goes offline: `device.disconnected`.
    package func disconnectDevice(_ id: String, after delay: Duration = .zero) {
        withState { state, now in state.schedule(.disconnect(id), after: delay, at: now) }
    }

    /// The lock comes back: `device.connected`, and what waited for it goes on.
    package func connectDevice(_ id: String, after delay: Duration = .zero) {
        withState { state, now in state.schedule(.connect(id), after: delay, at: now) }
    }

    /// A smaller size takes codes away, a larger one is filled one by one. A new delay counts from now, for the next code too.
    package func setPool(of deviceID: String, size: Int? = nil, refillDelay: Duration? = nil) {
        withState { state, now in state.setPool(of: deviceID, size: size, refillDelay: refillDelay, at: now) }
    }

    /// Takes away what nobody has pulled.
    ///
    /// - Parameter refills: the pool then fills again by itself; else it stays empty until it is filled, set or enabled.
    package func emptyPool(of deviceID: String, refills: Bool = true) {
        withState { state, now in state.emptyPool(of: deviceID, at: now, refills: refills) }
    }

    /// Fills the pool now, offline or not.
    package func refillPool(of deviceID: String) {
        withState { state, now in state.fillPool(of: deviceID, at: now) }
    }

    /// Faults are used up in the order in which they were added.
    package func addFault(_ fault: SandboxFault) { withState { state, _ in state.faults.append(fault) } }
    /// Ends every fault of the API.
    package func clearFaults() { withState { state, _ in state.faults = [] } }

    /// - Returns: the webhook, its secret included.
    package func createWebhook(url: String, eventTypes: [String] = ["*"], secret: String? = nil) -> SandboxWebhook {
        withState { state, _ in
            let webhook = SandboxWebhook(
                id: state.random.uuid(), url: url, eventTypes: eventTypes,
                secrets: [secret ?? state.newWebhookSecret()])
            state.webhooks.append(webhook)
            return webhook
        }
    }

    /// Adds a new first secret; both sign until `count` secrets are kept.
    package func rotateSecret(ofWebhook id: String, keeping count: Int = 2) {
        withState { state, _ in state.rotateSecret(ofWebhook: id, keeping: count) }
    }

    /// Sends an earlier event once more to every webhook that takes it.
    ///
    /// - Parameter underNewID: with a `svix-id` of its own; else with the one it had.
    package func repeatEvent(_ id: String, underNewID: Bool = false) {
        withState { state, now in state.repeatEvent(id, underNewID: underNewID, at: now) }
    }

    /// Records and sends an event of any type with any members.
    @discardableResult
    package func emitEvent(_ type: String, members: [JSONValue.Member]) -> SandboxEvent {
        withState { state, now in state.emitCustom(type, members: members, at: now) }
    }
}
