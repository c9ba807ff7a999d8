internal import JSON
internal import Time

extension SandboxState {
    /// Which issue arrays an event carries (Seam's API reference).
    enum IssueArrays {
        case none, device, all
    }

    @discardableResult
    mutating func emit(
        _ type: String, code: SandboxCode, at instant: Timestamp, issues: IssueArrays = .none,
        _ members: [JSONValue.Member] = []
    ) -> SandboxEvent {
        emit(type, deviceID: code.deviceID, code: code, at: instant, issues: issues, members)
    }

    @discardableResult
    mutating func emit(
        _ type: String, deviceID: String, code: SandboxCode? = nil, at instant: Timestamp,
        issues: IssueArrays = .none, _ members: [JSONValue.Member] = []
    ) -> SandboxEvent {
        let device = devices[deviceID]
        var json = head(of: type, at: instant)
        if let code { json["access_code_id"] = .string(code.id) }
        json["device_id"] = .string(deviceID)
        json["connected_account_id"] = .string(accountID)
        for member in members { json[member.key] = member.value }
        if case .all = issues {
            json["access_code_errors"] = .array(code?.errors.map { $0.entry(key: "error_code") } ?? [])
            json["access_code_warnings"] = .array(code?.warnings.map { $0.entry(key: "warning_code") } ?? [])
        }
        switch issues {
        case .none: break
        case .device, .all:
            json["device_errors"] = .array(device?.errors.map { $0.entry(key: "error_code") } ?? [])
            json["device_warnings"] = .array(device?.warnings.map { $0.entry(key: "warning_code") } ?? [])
            json["connected_account_errors"] = []
            json["connected_account_warnings"] = []
        }
        json["device_custom_metadata"] = .object(device?.customMetadata ?? [])
        json["connected_account_custom_metadata"] = .object([])
        return record(json, at: instant)
    }

    /// An event of any type with any members, also such as no Seam of today sends.
    @discardableResult
    mutating func emitCustom(_ type: String, members: [JSONValue.Member], at instant: Timestamp) -> SandboxEvent {
        var json = head(of: type, at: instant)
        for member in members { json[member.key] = member.value }
        return record(json, at: instant)
    }

    func event(_ id: String) -> SandboxEvent? { events.last { $0.id == id } }

    private func head(of type: String, at instant: Timestamp) -> JSONValue {
        [
            "event_id": .string(random.uuid()), "event_type": .string(type), "workspace_id": .string(workspaceID),
            "created_at": .string(instant.description), "occurred_at": .string(instant.description),
        ]
    }

    private mutating func record(_ json: JSONValue, at instant: Timestamp) -> SandboxEvent {
        let event = SandboxEvent(
            id: json["event_id"]?.string ?? "", type: json["event_type"]?.string ?? "", createdAt: instant,
            accessCodeID: json["access_code_id"]?.string, deviceID: json["device_id"]?.string, json: json)
        // A tenth at a time, so that a long run does not move the whole list with every event.
        if events.count >= max(10, options.maximumEvents) { events.removeFirst(events.count / 10) }
        events.append(event)
        deliveries.enqueue(event, to: webhooks, at: instant, random: random)
        return event
    }
}
