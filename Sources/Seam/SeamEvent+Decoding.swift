internal import JSON
internal import Time

extension SeamEvent {
    package enum Reading: Sendable, Equatable {
        case event(SeamEvent)
        case unreadable(Unreadable)
    }

    /// Why an authentic event goes into quarantine.
    package enum Unreadable: String, Sendable, Equatable {
        case notUTF8 = "not_utf8"
        case notJSON = "not_json"
        case missingEventID = "missing_event_id"
        case missingEventType = "missing_event_type"
        case missingAccessCodeID = "missing_access_code_id"
        case missingDeviceID = "missing_device_id"
    }

    /// Reads the body of a webhook. Types that nobody knows yet are events too; only the identifiers have to be there.
    package static func decode(_ bytes: some Collection<UInt8>) -> Reading {
        guard let json = try? JSONValue(parsing: bytes) else {
            return .unreadable(String(validating: bytes, as: UTF8.self) == nil ? .notUTF8 : .notJSON)
        }
        return decode(json)
    }

    static func decode(_ json: JSONValue) -> Reading {
        guard json.members != nil else { return .unreadable(.notJSON) }
        guard let eventID = json.identifier("event_id") else { return .unreadable(.missingEventID) }
        guard let eventType = json.identifier("event_type") else { return .unreadable(.missingEventType) }
        let accessCodeID = json.identifier("access_code_id")
        let deviceID = json.identifier("device_id")
        if eventType.hasPrefix("access_code."), accessCodeID == nil { return .unreadable(.missingAccessCodeID) }
        if eventType.hasPrefix("device."), deviceID == nil { return .unreadable(.missingDeviceID) }
        return .event(
            SeamEvent(
                eventID: eventID, eventType: eventType, accessCodeID: accessCodeID, deviceID: deviceID,
                occurredAt: json.timestamp("occurred_at"), createdAt: json.timestamp("created_at")))
    }
}
