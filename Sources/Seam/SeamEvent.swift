package import Time

/// An event as Seam sends it by webhook and lists it (Seam's API reference): which, of what and when. What it says beside that may be
/// out of date, or hold a PIN, and is read from Seam anew.
package struct SeamEvent: Sendable, Equatable {
    package var eventID: String
    package var eventType: String
    package var accessCodeID: String?
    package var deviceID: String?
    package var occurredAt: Timestamp?
    /// What `/events/list` filters by.
    package var createdAt: Timestamp?

    package init(
        eventID: String, eventType: String, accessCodeID: String? = nil, deviceID: String? = nil,
        occurredAt: Timestamp? = nil, createdAt: Timestamp? = nil
    ) {
        self.eventID = eventID
        self.eventType = eventType
        self.accessCodeID = accessCodeID
        self.deviceID = deviceID
        self.occurredAt = occurredAt
        self.createdAt = createdAt
    }

    /// The event types that Sparekey acts on or records (Seam's API reference): what its webhook subscribes to
    /// and its sweep asks for.
    package static let usedTypes = [
        "access_code.failed_to_set_on_device", "access_code.failed_to_issue", "access_code.set_on_device",
        "access_code.scheduled_on_device", "access_code.backup_access_code_pulled", "access_code.changed",
        "access_code.time_frame_changed",
        "access_code.mutations_requested", "access_code.deleted", "access_code.removed_from_device",
        "access_code.failed_to_remove_from_device", "access_code.deleted_external_to_seam",
        "access_code.modified_external_to_seam", "device.disconnected", "device.connected", "device.removed",
        "device.connection_stabilized", "device.accessory_keypad_connected",
        "device.error.subscription_required.resolved",
    ]

    /// The same with the configured events that open a failover.
    package static func usedTypes(triggers: [String]) -> [String] {
        usedTypes + triggers.filter { !usedTypes.contains($0) }
    }
}
