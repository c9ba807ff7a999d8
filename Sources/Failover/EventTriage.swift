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
        if triggerEvents.contains(eventType) { return .opensFailover }
        return switch eventType {
        case "access_code.backup_access_code_pulled": .opensFailover
        // A code that reached its lock, or left it, shows that the lock is there, and may have made room for a refill.
        case "access_code.set_on_device", "access_code.scheduled_on_device", "access_code.removed_from_device":
            [.touchesAccessCode, .touchesDevice]
        case let type where type.hasPrefix("access_code.") && !type.hasPrefix("access_code.unmanaged."):
            .touchesAccessCode
        case "device.connected", "device.connection_stabilized", "device.accessory_keypad_connected",
            "device.error.subscription_required.resolved":
            .touchesDevice
        default: []
        }
    }
}
