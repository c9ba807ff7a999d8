internal import JSON
internal import Policy
internal import Time

extension AccessCode {
    /// Reads an `access_code` (Seam's API reference). Only its two identifiers have to be there; whatever else
    /// is missing, null, unknown or of another type is left out.
    init?(_ json: JSONValue) {
        guard let id = json.identifier("access_code_id"), let deviceID = json.identifier("device_id") else {
            return nil
        }
        let endsAt = json.timestamp("ends_at")
        let kind: Kind =
            switch json["type"]?.string {
            case "time_bound": .timeBound
            case "ongoing": .ongoing
            // What ends is bound in time, whether it says so or not.
            case nil: endsAt == nil ? .other("unknown") : .timeBound
            case .some(let word): .other(word)
            }
        self.init(
            id: id, deviceID: deviceID, name: json["name"]?.string, kind: kind, status: json["status"]?.string,
            startsAt: json.timestamp("starts_at"), endsAt: endsAt, pin: json["code"]?.string.flatMap { PIN($0) },
            errors: (json["errors"]?.array ?? []).compactMap { Issue($0) },
            warningCodes: json.words("warnings", "warning_code"),
            pendingMutations: json.words("pending_mutations", "mutation_code"),
            isBackup: json["is_backup"]?.bool ?? false,
            isBackupAvailable: json["is_backup_access_code_available"]?.bool,
            isScheduledOnDevice: json["is_scheduled_on_device"]?.bool ?? false,
            pulledBackupID: json.identifier("pulled_backup_access_code_id"))
    }
}

extension Issue {
    /// Error codes that are the device's or the account's, for entries that carry no flag.
    private static let deviceCodes: Set<String> = [
        "device_offline", "device_removed", "hub_disconnected", "device_disconnected", "empty_backup_access_code_pool",
        "august_lock_not_authorized", "missing_device_credentials", "auxiliary_heat_running", "subscription_required",
    ]
    private static let accountCodes: Set<String> = [
        "account_disconnected", "salto_ks_subscription_limit_exceeded", "insufficient_permissions",
        "dormakaba_sites_disconnected", "bridge_disconnected",
    ]

    /// Nil for what is no object. An object without a code is still an error, called `unknown`.
    init?(_ json: JSONValue) {
        guard json.members != nil else { return nil }
        let code = json["error_code"]?.string ?? "unknown"
        let subject: Subject =
            if json["is_access_code_error"]?.bool == true {
                .accessCode
            } else if json["is_connected_account_error"]?.bool == true || json["is_bridge_error"]?.bool == true {
                .connectedAccount
            } else if json["is_device_error"]?.bool == true || Self.deviceCodes.contains(code) {
                .device
            } else {
                Self.accountCodes.contains(code) ? .connectedAccount : .accessCode
            }
        self.init(code: code, subject: subject, createdAt: json.timestamp("created_at"))
    }
}

extension JSONValue {
    /// The strings called `member` of the objects in the array called `key`.
    func words(_ key: String, _ member: String) -> [String] {
        (self[key]?.array ?? []).compactMap { $0[member]?.string }
    }
}
