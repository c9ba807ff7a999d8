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
        let unsupported = devices.filter { $0.supportsBackupPool == false }
        let wrong = devices.compactMap(judge)
        var findings = wrong
        let good = devices.count - wrong.count - unsupported.count
        if good > 0 {
            findings.append(
                CheckFinding("pool.ok", .ok, "\(good) of \(devices.count) locks are without a fault of their pool"))
        }
        if !unsupported.isEmpty {
            // Nothing that an operator could mend: a site with such a lock is as well as it can be.
            findings.append(
                CheckFinding(
                    "pool.unsupported", .ok,
                    unsupported.count == 1
                        ? "1 lock has no backup codes" : "\(unsupported.count) locks have no backup codes",
                    detail: unsupported.map(name).joined(separator: "; ")
                        + ". Its guests need another way in; a failure there is told as an alert."))
        }
        return findings
    }

    private static func name(_ device: Device) -> String {
        device.name.map { "\($0), \(device.id)" } ?? device.id
    }

    private static func judge(_ device: Device) -> CheckFinding? {
        if device.supportsBackupPool == false { return nil }
        let name = name(device)
        if device.isPoolEmpty {
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
