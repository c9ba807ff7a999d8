internal import Policy
package import Seam
package import Settings

/// What Seam says: whether the key is accepted, whether the webhook is registered, and which locks have a backup code.
package struct SeamCheck: Check {
    private let seam: SeamClient
    private let settings: Settings
    private let knownLocks: @Sendable () async -> Set<String>

    /// - Parameter knownLocks: those that the daemon has read before; empty where it has not run yet.
    package init(
        _ seam: SeamClient, settings: Settings, knownLocks: @escaping @Sendable () async -> Set<String> = { [] }
    ) {
        self.seam = seam
        self.settings = settings
        self.knownLocks = knownLocks
    }

    package func findings() async -> [CheckFinding] {
        let workspace: Workspace
        do {
            workspace = try await seam.workspace()
        } catch {
            // What depends on the key would fail for the same reason.
            return [failure(error, of: "seam", "The webhook and the locks were not looked at.")]
        }
        var findings = [judge(workspace)]
        do {
            findings += WebhookRegistration(settings: settings).findings(try await seam.webhooks())
        } catch {
            findings.append(failure(error, of: "webhook", "The webhook was not looked at."))
        }
        do {
            let devices = try await seam.devices()
            findings += PoolSupport.findings(devices)
            let known = await knownLocks()
            if !known.isEmpty, known.isDisjoint(with: devices.map(\.id)) {
                findings.append(
                    CheckFinding(
                        "seam.other_workspace", .error, "The API key belongs to another workspace than before",
                        detail: "None of the \(known.count) locks in the database is in workspace \(workspace.id).",
                        fix: "Use the key of the locks' workspace, or a database.path of its own for this one."))
            }
        } catch {
            findings.append(failure(error, of: "pool", "The locks were not looked at."))
        }
        return findings
    }

    private func judge(_ workspace: Workspace) -> CheckFinding {
        let name = [workspace.name, workspace.id].compactMap(\.self).joined(separator: ", ")
        if workspace.isSuspended == true {
            return CheckFinding(
                "seam.suspended", .error, "The workspace is suspended", detail: name,
                fix: "Seam suspends a sandbox that nobody has used for 14 days: open it in Seam Console, or ask Seam.")
        }
        let kind = workspace.isSandbox == true ? ", a sandbox workspace" : ""
        return CheckFinding("seam.ok", .ok, "Seam accepts the API key", detail: name + kind)
    }

    private func failure(_ error: SeamError, of area: String, _ consequence: String) -> CheckFinding {
        let detail = error.message + ". " + consequence
        switch error.failure {
        case .unauthorized:
            return CheckFinding(
                "\(area).unauthorized", .error, "Seam refuses the API key", detail: detail,
                fix: "Create an API key in Seam Console under Developer > API Keys, and set it as seam.api_key.")
        case .unavailable:
            return CheckFinding(
                "\(area).unreachable", .error, "Seam cannot be reached", detail: detail,
                fix: "Look at seam.base_url, at this machine's way to the internet, and at Seam's status page.")
        case .rateLimited:
            return CheckFinding(
                "\(area).rate_limited", .warning, "Seam answers that there are too many requests", detail: detail,
                fix: "Try again in a minute.")
        case .notFound, .refused:
            return CheckFinding(
                "\(area).refused", .error, "Seam refuses the question", detail: detail,
                fix: "Look at seam.base_url, and whether the API key belongs to a workspace.")
        }
    }
}
