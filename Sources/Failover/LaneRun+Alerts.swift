internal import Ledger
internal import Policy

extension LaneRun {
    /// What a decision opens, and what the reading behind it shows to be well again.
    ///
    /// - Parameter decision: nil where a substitution was recorded.
    func alertChanges(
        _ failover: Failover, _ decision: Decision?, reading: AccessCode?, errorType: String?
    ) -> AlertChanges {
        var changes = AlertChanges()
        changes.channels = engine.settings.channels
        let deviceID = reading?.deviceID ?? failover.deviceID
        // A code that still lies in the pool is nobody's, and Seam puts another there.
        let isInPool = reading?.isBackup == true && reading?.endsAt == nil
        if let decision, !isInPool,
            let alert = alert(for: decision, failover, deviceID: deviceID, errorType: errorType)
        {
            changes.opened = [alert]
        }
        if let deviceID, decision == nil || reading?.isBackupAvailable == true {
            changes.closed.append(.init(.poolEmpty, subject: deviceID))
        }
        // Whatever Seam answered with a reading, it accepted the key.
        if reading != nil { changes.closed.append(.init(.unauthorized, subject: Alert.workspace)) }
        switch decision {
        case nil, .notNeeded(.codeDeleted):
            changes.closed.append(.init(.unsupportedDevice, subject: failover.accessCodeID))
        case .notNeeded(.recovered):
            changes.closed += [.unsupportedDevice, .backupFailed].map { .init($0, subject: failover.accessCodeID) }
        default: break
        }
        // That Seam cannot be asked at the moment does not say that it gives a code now.
        if decision?.isWait != true || errorType == nil {
            changes.closed.append(.init(.refused, subject: failover.accessCodeID))
        }
        return changes
    }

    private func alert(
        for decision: Decision, _ failover: Failover, deviceID: String?, errorType: String?
    ) -> Alert? {
        let code = failover.accessCodeID
        func alert(_ kind: Alert.Kind, subject: String, _ text: String) -> Alert {
            Alert(kind, subject: subject, accessCodeID: code, deviceID: deviceID, text: text)
        }
        switch decision {
        case .ineligible(.isBackup):
            return alert(
                .backupFailed, subject: code,
                "A backup code that was given to a guest failed on its lock. Give them another way in.")
        case .ineligible(.unsupportedDevice):
            return alert(
                .unsupportedDevice, subject: code,
                "A guest code failed on a lock that has no backup codes. Give the guest another way in.")
        case .wait(.poolEmpty, _):
            return alert(
                .poolEmpty, subject: deviceID ?? code,
                "A guest code failed and the lock's pool of backup codes is empty. It is looked at again until the stay ends; look whether the lock is online."
            )
        case .wait(.unauthorized, _):
            return alert(
                .unauthorized, subject: Alert.workspace,
                "Seam refuses the API key. Check seam.api_key, and that the key was not revoked in Seam Console.")
        case .wait(.refused, _):
            return alert(
                .refused, subject: code,
                "Seam refused to give a backup code (\(errorType ?? "no reason")). It is asked again until the stay ends."
            )
        default: return nil
        }
    }
}

extension Decision {
    fileprivate var isWait: Bool {
        if case .wait = self { true } else { false }
    }
}
