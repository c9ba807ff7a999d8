internal import JSON
internal import Time

/// A simulated Seam with something in it, and something about to happen.
package struct SandboxScenario: Sendable {
    /// What a scenario put in.
    package struct Contents: Sendable, Equatable {
        package var deviceIDs: [String]
        /// The code of the guest who will stand before a locked door.
        package var guestCodeID: String
    }

    private let build: @Sendable (SandboxModel) -> Contents

    /// Puts it into a model, from the model's present on.
    package func install(in model: SandboxModel) -> Contents { build(model) }

    /// Two locks with pools of three. On the first a guest's stay began an hour ago, and the code cannot be set: the delay
    /// shows after 0.8 s, the failure after 1.5 s. On the second all is well.
    package static let demo = SandboxScenario { model in
        let now = model.now
        var frontDoor = SandboxDeviceSpecification(name: "Front door, Lindengasse 4", timeZone: "Europe/Vienna")
        frontDoor.poolSize = 3
        frontDoor.customMetadata = [.init("property", "Lindengasse 4")]
        var gardenFlat = SandboxDeviceSpecification(name: "Garden flat, 12 Mill Lane", timeZone: "Europe/London")
        gardenFlat.poolSize = 3
        gardenFlat.customMetadata = [.init("property", "12 Mill Lane")]
        let deviceIDs = [model.createDevice(frontDoor), model.createDevice(gardenFlat)]
        var failing = SandboxCodeSpecification(
            deviceID: deviceIDs[0], name: "Guest 1042", startsAt: now - .seconds(3600),
            endsAt: now + .seconds(4 * 86_400))
        failing.isBroken = true
        let guestCodeID = model.createCode(failing)
        model.createCode(
            SandboxCodeSpecification(
                deviceID: deviceIDs[1], name: "Guest 1043", startsAt: now - .seconds(86_400),
                endsAt: now + .seconds(86_400), isSet: true))
        model.failCode(guestCodeID, after: .milliseconds(1500), warningAfter: .milliseconds(800))
        return Contents(deviceIDs: deviceIDs, guestCodeID: guestCodeID)
    }
}
