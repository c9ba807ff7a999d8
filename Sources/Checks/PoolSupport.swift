package import Policy

/// Which locks can give a backup code (Seam's API reference). A lock counts as unsupported only when it says so.
package enum PoolSupport {
    package static func findings(_ devices: [Device]) -> [CheckFinding] {
        guard !devices.isEmpty else {
            return [
                CheckFinding(
                    "pool.no_devices", .warning, "The workspace has no locks",
                    fix: "Connect them in Seam Console, or use the key of the workspace that has them.")
            ]
        }
        let wrong = devices.compactMap(judge)
        let good = devices.count - wrong.count
        guard good > 0 else { return wrong }
        return wrong + [
            CheckFinding("pool.ok", .ok, "\(good) of \(devices.count) devices are without a fault of their pool")
        ]
    }

    private static func judge(_ device: Device) -> CheckFinding? {
        let name = device.name.map { "\($0), \(device.id)" } ?? device.id
        if device.supportsBackupPool == false {
            return CheckFinding(
                "pool.unsupported", .warning, "A lock can have no backup codes", detail: name,
                fix: "Have another way in for its guests; a failure there is told as an alert.")
        }
        if device.errorCodes.contains("empty_backup_access_code_pool") {
            return CheckFinding(
                "pool.empty", .error, "A lock's pool of backup codes is empty", detail: name,
                fix: device.isOnline == false
                    ? "Bring the lock back online: Seam fills the pool only while it can reach it."
                    : "Wait for Seam to fill it, and remove codes that the lock no longer needs.")
        }
        if device.isBackupPoolEnabled == false {
            return CheckFinding(
                "pool.disabled", .warning, "A lock's pool of backup codes is not switched on", detail: name,
                fix: "Create its next code with a pool: sparekey codes create --device \(device.id) …")
        }
        return nil
    }
}
