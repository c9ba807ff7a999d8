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
                occurredAt: json.timestamp("occurred_at"), createdAt: json.timestamp("created_at"),
                errorCodes: json.words("access_code_errors", "error_code"), deviceErrorCodes: deviceErrorCodes(json),
                backupAccessCodeID: json.identifier("backup_access_code_id"),
                requestedMutations: json.words("requested_mutations", "mutation_code"),
                changedProperties: json.words("changed_properties", "property"), timeFrameChange: timeFrameChange(json))
        )
    }

    /// In their order, each once.
    private static func deviceErrorCodes(_ json: JSONValue) -> [String] {
        var codes: [String] = []
        let all =
            [json["error_code"]?.string].compactMap { $0 } + json.words("device_errors", "error_code")
            + json.words("connected_account_errors", "error_code")
        for code in all where !codes.contains(code) { codes.append(code) }
        return codes
    }

    /// Three event types tell of a time frame, each in its own way (section 7.2).
    private static func timeFrameChange(_ json: JSONValue) -> TimeFrameChange? {
        var change = TimeFrameChange()
        func take(from: JSONValue?, to: JSONValue?) {
            change.oldStartsAt = from?.timestamp("starts_at")
            change.oldEndsAt = from?.timestamp("ends_at")
            change.newStartsAt = to?.timestamp("starts_at")
            change.newEndsAt = to?.timestamp("ends_at")
        }
        take(from: json["from"], to: json["to"])
        for mutation in json["requested_mutations"]?.array ?? []
        where mutation["mutation_code"]?.string == "updating_time_frame" {
            take(from: mutation["from"], to: mutation["to"])
        }
        for property in json["changed_properties"]?.array ?? [] {
            switch property["property"]?.string {
            case "starts_at":
                (change.oldStartsAt, change.newStartsAt) = (property.timestamp("from"), property.timestamp("to"))
            case "ends_at":
                (change.oldEndsAt, change.newEndsAt) = (property.timestamp("from"), property.timestamp("to"))
            default: break
            }
        }
        return change == TimeFrameChange() ? nil : change
    }
}
