package import JSON
package import Time

/// A simulated lock with its pool of backup codes.
package struct SandboxDevice: Sendable, Equatable {
    package var id: String
    package var name: String
    /// IANA name.
    package var timeZone: String
    package var deviceType: String
    package var createdAt: Timestamp
    package var isOnline = true
    package var supportsBackupPool = true
    package var isBackupPoolEnabled = false
    /// The lock keeps a schedule itself, so that a code may be on it before the stay starts.
    package var schedulesNatively = true
    package var customMetadata: [JSONValue.Member] = []
    package var errors: [SandboxIssue] = []
    package var warnings: [SandboxIssue] = []
    /// How many backups Seam tries to keep on the lock.
    package var poolSize: Int
    package var refillDelay: Duration
    /// Ids of the backup codes on the lock that nobody has pulled, in the order in which they will be.
    package var pool: [String] = []
    /// Whether it fills again what is missing from the pool.
    var refillsByItself = true
    /// Nil while nothing is to be filled.
    var refillDueAt: Timestamp?
    /// The order of creation, which lists keep.
    var order = 0

    /// A code on this lock could be replaced by a backup now.
    package var hasBackupAvailable: Bool { isBackupPoolEnabled && !pool.isEmpty }

    func json(workspaceID: String, accountID: String) -> JSONValue {
        [
            "device_id": .string(id), "workspace_id": .string(workspaceID),
            "connected_account_id": .string(accountID), "device_type": .string(deviceType),
            "display_name": .string(name), "nickname": .string(name), "is_managed": true,
            "created_at": .string(createdAt.description), "space_ids": [],
            "capabilities_supported": ["access_code", "lock"], "can_remotely_lock": true, "can_remotely_unlock": true,
            "can_program_online_access_codes": true, "can_unlock_with_code": true, "can_simulate_connection": true,
            "can_simulate_disconnection": true,
            "location": ["time_zone": .string(timeZone), "timezone": .string(timeZone)],
            "device_manufacturer": ["display_name": "Simulated", "manufacturer": "seam"],
            "properties": [
                "name": .string(name), "online": .bool(isOnline), "manufacturer": "seam",
                "appearance": ["name": .string(name)],
                "model": [
                    "display_name": "Simulated Lock", "manufacturer_display_name": "Simulated",
                    "online_access_codes_supported": true, "has_built_in_keypad": true,
                ],
                "battery": ["level": .number(0.84), "status": "full"], "battery_level": .number(0.84), "locked": true,
                "supported_code_lengths": [4, 5, 6, 7, 8], "max_active_codes_supported": 250,
                "online_access_codes_enabled": true, "supports_backup_access_code_pool": .bool(supportsBackupPool),
                "backup_access_code_pool_enabled": .bool(isBackupPoolEnabled),
            ],
            "custom_metadata": .object(customMetadata),
            "errors": .array(errors.map { $0.error(of: "is_device_error") }),
            "warnings": .array(warnings.map(\.warning)),
        ]
    }
}
