internal import JSON
package import Time

/// An entry of `errors` or `warnings`, of an access code or of a device.
package struct SandboxIssue: Sendable, Equatable {
    package var code: String
    package var message: String
    package var createdAt: Timestamp

    package init(code: String, message: String, createdAt: Timestamp) {
        self.code = code
        self.message = message
        self.createdAt = createdAt
    }

    init(_ code: String, at instant: Timestamp) {
        self.init(code: code, message: Self.messages[code] ?? "Simulated \(code).", createdAt: instant)
    }

    func error(of family: String) -> JSONValue {
        [
            "error_code": .string(code), family: true, "message": .string(message),
            "created_at": .string(createdAt.description),
        ]
    }

    var warning: JSONValue { entry(key: "warning_code") }

    /// The form in an event, which carries no `is_…_error` flag (Seam's API reference).
    func entry(key: String) -> JSONValue {
        [key: .string(code), "message": .string(message), "created_at": .string(createdAt.description)]
    }

    private static let messages = [
        "failed_to_set_on_device":
            "An error occurred when we tried to set the access code on the device. "
            + "We will continue to try and set the code on the device in case the error was temporary.",
        "failed_to_issue":
            "Seam was unable to issue this access code before its start time, "
            + "so the recipient may be unable to unlock the device.",
        "failed_to_remove_from_device": "Failed to remove code from device.",
        "duplicate_code_on_device": "Duplicate access code detected on device.",
        "no_space_for_access_code_on_device": "No space for access code on device.",
        "device_disconnected": "Device is disconnected.",
        "empty_backup_access_code_pool": "The backup access code pool is empty.",
        "partial_backup_access_code_pool": "The backup access code pool could not be filled.",
        "many_active_backup_codes": "Multiple backup codes have been pulled on this device.",
        "delay_in_setting_on_device": "Delay in setting code on device.",
        "using_backup_access_code":
            "A backup access code has been pulled and is being used in place of this access code.",
        "being_deleted": "Access code is being deleted.",
    ]
}

extension [SandboxIssue] {
    func has(_ code: String) -> Bool { contains { $0.code == code } }

    /// Adds the issue unless it is there: its time is when it began.
    mutating func add(_ code: String, at instant: Timestamp) {
        if !has(code) { append(SandboxIssue(code, at: instant)) }
    }

    mutating func remove(_ code: String) { removeAll { $0.code == code } }

    mutating func set(_ code: String, _ present: Bool, at instant: Timestamp) {
        if present { add(code, at: instant) } else { remove(code) }
    }
}
