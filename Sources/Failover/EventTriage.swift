package import Ledger
internal import Seam

/// What an event does: it only ever says that there is something to look at, so that order, repetition and delay change nothing.
package struct EventTriage: Sendable {
    package var triggerEvents: Set<String>

    package init(triggerEvents: Set<String>) {
        self.triggerEvents = triggerEvents
    }

    package func verdict(on body: [UInt8]) -> EventVerdict {
        switch SeamEvent.decode(body) {
        case .unreadable(let reason):
            return .quarantined(reason: reason.rawValue)
        case .event(let event):
            let facts = EventFacts(
                eventID: event.eventID, eventType: event.eventType, accessCodeID: event.accessCodeID,
                deviceID: event.deviceID, occurredAt: event.occurredAt ?? event.createdAt)
            return .readable(facts, effect(of: event.eventType))
        }
    }

    func effect(of eventType: String) -> EventEffect {
        if triggerEvents.contains(eventType) { return .openFailover }
        return switch eventType {
        case "access_code.backup_access_code_pulled": .openFailover
        case "access_code.removed_from_device", "access_code.deleted", "access_code.deleted_external_to_seam": .removed
        case "device.connected", "device.connection_stabilized", "connected_account.connected": .touchDevice
        case let type where type.hasPrefix("access_code.") && !type.hasPrefix("access_code.unmanaged."): .touchFailover
        default: .none
        }
    }
}
