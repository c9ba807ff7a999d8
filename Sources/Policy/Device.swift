/// What Seam says of one lock, as far as a decision or a message may depend on it (Seam's API reference).
package struct Device: Sendable, Equatable {
    package var id: String
    package var name: String?
    /// IANA name, such as `Europe/Vienna`.
    package var timeZone: String?
    /// Only false says no (Salto and others); nil where Seam does not say.
    package var supportsBackupPool: Bool?
    package var isBackupPoolEnabled: Bool?
    package var isOnline: Bool?
    package var errorCodes: [String]
    package var warningCodes: [String]
    /// The operator's own labels, at most 50 short ones; they go with a delivery.
    package var customMetadata: [String: String]

    package var isPoolEmpty: Bool { errorCodes.contains("empty_backup_access_code_pool") }
    /// Seam cannot fill the pool up.
    package var isPoolPartial: Bool { warningCodes.contains("partial_backup_access_code_pool") }
    package var hasManyActiveBackups: Bool { warningCodes.contains("many_active_backup_codes") }

    package init(
        id: String, name: String? = nil, timeZone: String? = nil, supportsBackupPool: Bool? = nil,
        isBackupPoolEnabled: Bool? = nil, isOnline: Bool? = nil, errorCodes: [String] = [], warningCodes: [String] = [],
        customMetadata: [String: String] = [:]
    ) {
        self.id = id
        self.name = name
        self.timeZone = timeZone
        self.supportsBackupPool = supportsBackupPool
        self.isBackupPoolEnabled = isBackupPoolEnabled
        self.isOnline = isOnline
        self.errorCodes = errorCodes
        self.warningCodes = warningCodes
        self.customMetadata = customMetadata
    }
}
