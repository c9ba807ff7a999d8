internal import JSON
package import Time

/// An event as Seam sends it by webhook and lists it (Seam's API reference), without the PINs that some carry.
package struct SeamEvent: Sendable, Equatable {
    /// What an event says of an access code's time frame before and after; nil is "not said", or "none".
    package struct TimeFrameChange: Sendable, Equatable {
        package var oldStartsAt: Timestamp?
        package var oldEndsAt: Timestamp?
        package var newStartsAt: Timestamp?
        package var newEndsAt: Timestamp?

        package init(
            oldStartsAt: Timestamp? = nil, oldEndsAt: Timestamp? = nil, newStartsAt: Timestamp? = nil,
            newEndsAt: Timestamp? = nil
        ) {
            self.oldStartsAt = oldStartsAt
            self.oldEndsAt = oldEndsAt
            self.newStartsAt = newStartsAt
            self.newEndsAt = newEndsAt
        }
    }

    package var eventID: String
    package var eventType: String
    package var accessCodeID: String?
    package var deviceID: String?
    package var occurredAt: Timestamp?
    /// What `/events/list` filters by.
    package var createdAt: Timestamp?
    /// Of `access_code_errors`.
    package var errorCodes: [String]
    /// Of the device and its account: `error_code`, `device_errors`, `connected_account_errors`.
    package var deviceErrorCodes: [String]
    package var backupAccessCodeID: String?
    /// Of `access_code.mutations_requested`: `updating_time_frame`, `deleting`, `updating_code`, …
    package var requestedMutations: [String]
    /// Of `access_code.changed`: names of properties such as `code` and `ends_at`.
    package var changedProperties: [String]
    package var timeFrameChange: TimeFrameChange?

    package init(
        eventID: String, eventType: String, accessCodeID: String? = nil, deviceID: String? = nil,
        occurredAt: Timestamp? = nil, createdAt: Timestamp? = nil, errorCodes: [String] = [],
        deviceErrorCodes: [String] = [], backupAccessCodeID: String? = nil, requestedMutations: [String] = [],
        changedProperties: [String] = [], timeFrameChange: TimeFrameChange? = nil
    ) {
        self.eventID = eventID
        self.eventType = eventType
        self.accessCodeID = accessCodeID
        self.deviceID = deviceID
        self.occurredAt = occurredAt
        self.createdAt = createdAt
        self.errorCodes = errorCodes
        self.deviceErrorCodes = deviceErrorCodes
        self.backupAccessCodeID = backupAccessCodeID
        self.requestedMutations = requestedMutations
        self.changedProperties = changedProperties
        self.timeFrameChange = timeFrameChange
    }

    /// The event types that Sparekey acts on or records (Seam's API reference): what its webhook subscribes to
    /// and its sweep asks for.
    package static let usedTypes = [
        "access_code.failed_to_set_on_device", "access_code.failed_to_issue", "access_code.set_on_device",
        "access_code.backup_access_code_pulled", "access_code.changed", "access_code.time_frame_changed",
        "access_code.mutations_requested", "access_code.deleted", "access_code.removed_from_device",
        "access_code.failed_to_remove_from_device", "access_code.deleted_external_to_seam",
        "access_code.modified_external_to_seam", "device.disconnected", "device.connected", "device.removed",
    ]

    /// The same with the configured events that open a failover.
    package static func usedTypes(triggers: [String]) -> [String] {
        usedTypes + triggers.filter { !usedTypes.contains($0) }
    }
}
