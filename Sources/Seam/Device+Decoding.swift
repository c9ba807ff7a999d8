internal import JSON
internal import Policy

extension Device {
    /// Reads a `device` (Seam's API reference). Only its identifier has to be there.
    init?(_ json: JSONValue) {
        guard let id = json.identifier("device_id") else { return nil }
        let properties = json["properties"]
        let location = json["location"]
        let names = [json["display_name"], json["nickname"], properties?["name"]]
        self.init(
            id: id, name: names.lazy.compactMap { $0?.string }.first { !$0.isEmpty },
            timeZone: location?["time_zone"]?.string ?? location?["timezone"]?.string,
            supportsBackupPool: properties?["supports_backup_access_code_pool"]?.bool,
            isBackupPoolEnabled: properties?["backup_access_code_pool_enabled"]?.bool,
            isOnline: properties?["online"]?.bool, errorCodes: json.words("errors", "error_code"),
            warningCodes: json.words("warnings", "warning_code"), customMetadata: Self.metadata(json["custom_metadata"])
        )
    }

    /// At most 50 keys with values of at most 500 characters, Seam's own limits; a boolean becomes its word.
    private static func metadata(_ json: JSONValue?) -> [String: String] {
        let pairs = (json?.members ?? []).prefix(50).compactMap { member -> (String, String)? in
            let value = member.value.string ?? member.value.bool.map { $0 ? "true" : "false" }
            return value.map { (member.key, String($0.prefix(500))) }
        }
        return Dictionary(pairs) { first, _ in first }
    }
}
