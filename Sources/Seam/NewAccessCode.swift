package import Policy
package import Time

/// A time-bound access code to be created, with what activates its lock's pool of backup codes.
package struct NewAccessCode: Sendable, Equatable {
    package var deviceID: String
    package var name: String
    package var startsAt: Timestamp
    package var endsAt: Timestamp
    /// Nil lets Seam choose.
    package var pin: PIN?
    package var usesBackupPool: Bool

    package init(
        deviceID: String, name: String, startsAt: Timestamp, endsAt: Timestamp, pin: PIN? = nil,
        usesBackupPool: Bool = true
    ) {
        self.deviceID = deviceID
        self.name = name
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.pin = pin
        self.usesBackupPool = usesBackupPool
    }
}
