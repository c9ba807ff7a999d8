internal import JSON
internal import Time

extension SandboxState {
    /// Uses up the faults that concern this request: the first that answers instead, or all that change the answer.
    mutating func takeFaults(route: String, accessCodeID: String?) -> [SandboxFault.Kind] {
        let matching = faults.indices.filter { index in
            let fault = faults[index]
            return (fault.route == nil || fault.route == route)
                && (fault.accessCodeID == nil || fault.accessCodeID == accessCodeID)
        }
        let taken = matching.first { faults[$0].kind.isInstead }.map { [$0] } ?? matching
        let kinds = taken.map { faults[$0].kind }
        for index in taken.reversed() {
            guard let count = faults[index].count else { continue }
            if count <= 1 { faults.remove(at: index) } else { faults[index].count = count - 1 }
        }
        if !kinds.isEmpty { counters.faultsServed += 1 }
        return kinds
    }
}

extension SandboxAPI {
    /// The answer of a fault that keeps the request from its route.
    static func answer(_ fault: SandboxFault.Kind, requestID: String) throws(SandboxError) -> SandboxAnswer {
        switch fault {
        case .error(let status, let type, let retryAfter):
            let error = SandboxError(status, type, "A simulated error.")
            var answer = error.answer(requestID: requestID)
            if let retryAfter { answer.headers.append(("retry-after", retryAfter)) }
            return answer
        case .empty(let status, let retryAfter):
            var answer = SandboxAnswer(status: status, contentType: nil, body: "")
            if let retryAfter { answer.headers.append(("retry-after", retryAfter)) }
            return answer
        case .html(let status):
            let page = "<!DOCTYPE html><html><head><title>\(status)</title></head><body>Simulated outage</body></html>"
            return SandboxAnswer(status: status, contentType: "text/html; charset=utf-8", body: page)
        case .timeout, .reset:
            var answer = SandboxAnswer(status: 503, contentType: nil, body: "")
            answer.effect = fault == .reset ? .reset : .drop
            return answer
        default:
            throw SandboxError(500, "internal_server_error", "A simulated error.")
        }
    }

    /// The route's own answer, changed by the faults that leave the request to it.
    static func answer(_ json: JSONValue, _ faults: [SandboxFault.Kind], _ state: inout SandboxState) -> SandboxAnswer {
        var json = json
        var effect = SandboxAnswer.Effect.answer
        for fault in faults {
            switch fault {
            case .resetAfterCommit: effect = .reset
            case .drip(let interval): effect = .drip(interval: interval)
            case .delay(let delay): effect = .delay(delay)
            case .nullCode(let reads): hideCode(of: &json, reads: reads, &state)
            case .extraFields: json = withExtraFields(json)
            case .unknownEnums: json = withUnknownEnums(json)
            case .omit(let key): json = without(key, json)
            case .microseconds: json = withMicroseconds(json)
            case .error, .empty, .html, .timeout, .reset: break
            }
        }
        var answer = SandboxAnswer(status: 200, json: json)
        answer.effect = effect
        return answer
    }

    /// The pulled code is there, but not yet its PIN.
    private static func hideCode(of json: inout JSONValue, reads: Int, _ state: inout SandboxState) {
        guard let id = json["backup_access_code"]?["access_code_id"]?.string, var backup = state.codes[id] else {
            return
        }
        backup.hiddenReads = max(1, reads)
        state.codes[id] = backup
        guard let hidden = state.json(of: backup) else { return }
        json["backup_access_code"] = hidden
        json["access_code"] = hidden
    }

    /// Calls `change` for every object, the innermost first.
    private static func mapObjects(
        _ json: JSONValue, _ change: ([JSONValue.Member]) -> [JSONValue.Member]
    ) -> JSONValue {
        switch json {
        case .object(let members):
            .object(change(members.map { .init($0.key, mapObjects($0.value, change)) }))
        case .array(let values): .array(values.map { mapObjects($0, change) })
        default: json
        }
    }

    private static func withExtraFields(_ json: JSONValue) -> JSONValue {
        mapObjects(json) { members in
            members.map { member in
                guard member.key == "warnings", case .array(let issues) = member.value else { return member }
                let unknown: JSONValue = [
                    "warning_code": "a_newer_warning", "message": "A warning that nobody knows.", "severity": 3,
                ]
                return .init(member.key, .array(issues + [unknown]))
            } + [.init("a_newer_field", ["nested": [1, "two", .null, true]])]
        }
    }

    private static func withUnknownEnums(_ json: JSONValue) -> JSONValue {
        mapObjects(json) { members in
            members.map { member in
                switch member.key {
                case "status": .init("status", "a_newer_status")
                case "device_type": .init("device_type", "a_newer_lock")
                default: member
                }
            }
        }
    }

    private static func without(_ key: String, _ json: JSONValue) -> JSONValue {
        mapObjects(json) { members in members.filter { $0.key != key } }
    }

    private static func withMicroseconds(_ json: JSONValue) -> JSONValue {
        mapObjects(json) { members in
            members.map { member in
                guard case .string(let text) = member.value, text.utf8.count == 24, text.hasSuffix("Z"),
                    Timestamp(text) != nil
                else { return member }
                return .init(member.key, .string(text.dropLast() + "246Z"))
            }
        }
    }
}
