internal import JSON
package import Time

/// A simulated access code: a guest's, or a backup in or from a pool. Its description is redacted: `pin` is what opens the lock.
package struct SandboxCode: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible {
    package enum Status: String, Sendable {
        case unset, setting, set, removing
    }

    package var id: String
    package var deviceID: String
    package var name: String?
    package var pin: String
    package var isTimeBound: Bool
    package var status: Status = .unset
    package var startsAt: Timestamp?
    package var endsAt: Timestamp?
    package var createdAt: Timestamp
    package var errors: [SandboxIssue] = []
    package var warnings: [SandboxIssue] = []
    package var mutations: [SandboxMutation] = []
    package var isBackup = false
    package var pulledBackupID: String?
    package var isScheduledOnDevice = false
    package var commonCodeKey: String?
    package var isExternalModificationAllowed = false
    /// So many readings of the code show `code: null` before the PIN is there.
    package var hiddenReads = 0
    /// The order of creation, which lists keep.
    var order = 0
    /// Programming fails until somebody recovers it.
    var isBroken = false
    /// Removal fails until somebody recovers it.
    var isRemovalBroken = false
    /// It has been waiting for an offline lock, and the warning and the failure are on the agenda.
    var isStuck = false
    /// Somebody asked for its deletion, other than by its end.
    var isDeletionRequested = false

    package var description: String { "access code \(id), \(status.rawValue)" }
    package var debugDescription: String { description }

    /// The guest could open the door with it, or will be able to when the stay starts.
    package var isOnDevice: Bool { status == .set || status == .removing || isScheduledOnDevice }

    /// In the newest SDK only; free text, never to be branched on (Seam's API reference).
    private var displayStatus: String {
        switch status {
        case .set: "Active"
        case .removing: "Expiring"
        case .setting: errors.isEmpty ? "Issuing" : "Failing"
        case .unset: isScheduledOnDevice ? "Scheduled" : "Pending"
        }
    }

    /// As `/access_codes/get` shows it: a device's errors are attached to its codes (Seam's API reference).
    func json(workspaceID: String, device: SandboxDevice) -> JSONValue {
        [
            "access_code_id": .string(id), "device_id": .string(deviceID), "workspace_id": .string(workspaceID),
            "name": JSONValue(name), "code": hiddenReads > 0 ? .null : .string(pin),
            "common_code_key": JSONValue(commonCodeKey), "type": isTimeBound ? "time_bound" : "ongoing",
            "status": .string(status.rawValue), "display_status": .string(displayStatus),
            "is_scheduled_on_device": .bool(isScheduledOnDevice),
            "is_waiting_for_code_assignment": .bool(hiddenReads > 0), "starts_at": JSONValue(startsAt?.description),
            "ends_at": JSONValue(endsAt?.description), "pulled_backup_access_code_id": JSONValue(pulledBackupID),
            "is_backup": .bool(isBackup),
            "is_backup_access_code_available": .bool(!isBackup && device.hasBackupAvailable),
            "is_external_modification_allowed": .bool(isExternalModificationAllowed), "is_offline_access_code": false,
            "is_one_time_use": false, "is_managed": true, "created_at": .string(createdAt.description),
            "errors": .array(
                errors.map { $0.error(of: "is_access_code_error") }
                    + device.errors.map { $0.error(of: "is_device_error") }
            ),
            "warnings": .array(warnings.map(\.warning)), "pending_mutations": .array(mutations.map(\.json)),
        ]
    }
}

/// What Seam still has to do on the lock for a code (Seam's API reference).
package struct SandboxMutation: Sendable, Equatable {
    package var code: String
    package var createdAt: Timestamp
    var scheduledAt: Timestamp?
    /// The `from` and `to` of an update; a PIN may be in it.
    var from: JSONValue?
    var to: JSONValue?

    var json: JSONValue {
        var json: JSONValue = [
            "mutation_code": .string(code), "created_at": .string(createdAt.description),
            "message": .string(Self.messages[code] ?? "Seam is changing the access code on the device."),
        ]
        if let scheduledAt { json["scheduled_at"] = .string(scheduledAt.description) }
        json["from"] = from
        json["to"] = to
        return json
    }

    private static let messages = [
        "creating": "Seam is in the process of setting an access code on the device.",
        "deferring_creation": "Seam is waiting until closer to the access code's start time before programming it.",
        "deleting": "Seam is in the process of removing an access code from the device.",
        "updating_code": "Seam is in the process of pushing an updated PIN code to the device.",
        "updating_name": "Seam is in the process of pushing an updated access code name to the device.",
        "updating_time_frame": "Seam is in the process of pushing an updated time frame to the device.",
    ]
}
