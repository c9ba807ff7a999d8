package import Time

/// What Seam says of one access code, as far as a decision may depend on it (Seam's API reference).
package struct AccessCode: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        case timeBound, ongoing
        case other(String)
    }

    package var id: String
    package var deviceID: String
    package var name: String?
    package var kind: Kind
    /// `set`, `unset`, `setting`, `removing`, `unknown` or a newer word; nil where Seam no longer sends it.
    package var status: String?
    package var startsAt: Timestamp?
    package var endsAt: Timestamp?
    package var pin: PIN?
    package var errors: [Issue]
    package var warningCodes: [String]
    /// `creating`, `updating_time_frame`, `deleting` and others.
    package var pendingMutations: [String]
    package var isBackup: Bool
    /// Nil where Seam does not say; only false means that the pool is empty.
    package var isBackupAvailable: Bool?
    package var isScheduledOnDevice: Bool
    package var pulledBackupID: String?

    package init(
        id: String, deviceID: String, name: String? = nil, kind: Kind = .timeBound, status: String? = nil,
        startsAt: Timestamp? = nil, endsAt: Timestamp? = nil, pin: PIN? = nil, errors: [Issue] = [],
        warningCodes: [String] = [], pendingMutations: [String] = [], isBackup: Bool = false,
        isBackupAvailable: Bool? = nil, isScheduledOnDevice: Bool = false, pulledBackupID: String? = nil
    ) {
        self.id = id
        self.deviceID = deviceID
        self.name = name
        self.kind = kind
        self.status = status
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.pin = pin
        self.errors = errors
        self.warningCodes = warningCodes
        self.pendingMutations = pendingMutations
        self.isBackup = isBackup
        self.isBackupAvailable = isBackupAvailable
        self.isScheduledOnDevice = isScheduledOnDevice
        self.pulledBackupID = pulledBackupID
    }
}

/// One entry of an `errors` array. Seam attaches a device's and an account's errors to the access code too.
package struct Issue: Sendable, Equatable {
    package enum Subject: Sendable, Equatable {
        case accessCode, device, connectedAccount
    }

    package var code: String
    package var subject: Subject
    package var createdAt: Timestamp?

    package init(code: String, subject: Subject = .accessCode, createdAt: Timestamp? = nil) {
        self.code = code
        self.subject = subject
        self.createdAt = createdAt
    }

    /// The code is still on the lock after it should have gone: nobody is kept out by that.
    /// `failed_to_delete` is the newest SDK's name of `failed_to_expire`.
    private static let removalFailures: Set<String> = [
        "failed_to_remove_from_device", "failed_to_expire", "failed_to_delete",
    ]

    package var isRemovalFailure: Bool { Self.removalFailures.contains(code) }

    /// Whether it keeps the guest out: an error of the code itself, other than a failure to remove it.
    package var isBlocking: Bool { subject == .accessCode && !isRemovalFailure }
}

extension AccessCode {
    /// The first error that keeps the guest out; nil when none is left.
    package var blockingError: Issue? {
        errors.first { $0.isBlocking }
    }

    /// Whether it is on its way out: the booking was cancelled, and the lock has still to let the code go.
    package var isBeingDeleted: Bool {
        status == "removing" || pendingMutations.contains("deleting") || warningCodes.contains("being_deleted")
    }

    /// Whether the lock has the code: no blocking error, and set or scheduled on the device. Where `status` is absent (the newest
    /// API deprecates it), that no `creating` mutation is pending has to do.
    package var isSet: Bool {
        guard blockingError == nil else { return false }
        guard let status else { return isScheduledOnDevice || !pendingMutations.contains("creating") }
        return status == "set" || isScheduledOnDevice
    }
}
