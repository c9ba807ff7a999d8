package import Settings

/// What the configuration warns of, and how it and its secrets are kept.
package struct ConfigurationCheck: Check {
    private let settings: Settings
    private let account: ServiceAccount

    package init(_ settings: Settings, account: ServiceAccount) {
        self.settings = settings
        self.account = account
    }

    package func findings() async -> [CheckFinding] {
        let secretKeys = Set(Settings.keys.filter(\.isSecret).flatMap { [$0.name, $0.name + "_file"] })
        let warnings = settings.warnings.map { warning in
            CheckFinding(
                secretKeys.contains(warning.key) ? "secrets.warning" : "configuration.warning", .warning,
                "\(warning.key) \(warning.problem)", detail: warning.place, fix: warning.fix)
        }
        var findings = warnings + keeping
        if !findings.contains(where: { $0.id.hasPrefix("configuration") }) {
            findings.append(
                CheckFinding(
                    "configuration.ok", .ok, "The configuration is sound",
                    detail: settings.file ?? "It is in the environment; there is no file."))
        }
        if !findings.contains(where: { $0.id.hasPrefix("secrets") }) {
            findings.append(CheckFinding("secrets.ok", .ok, "The secrets are there and well kept"))
        }
        return findings
    }

    /// Whether the service can read what it is given, and nobody else can change it.
    private var keeping: [CheckFinding] {
        var findings: [CheckFinding] = []
        if let file = settings.file, let facts = FileFacts(file) {
            if facts.mode & 0o002 != 0 {
                findings.append(
                    CheckFinding(
                        "configuration.writable", .error, "Anyone on this machine may change the configuration",
                        detail: "\(file) has mode \(facts.octalMode), and delivery.command names a program to run.",
                        fix: "chmod o-w \(file)"))
            }
            if !account.may(.read, file) {
                findings.append(unreadable("configuration.owner", "The service cannot read its configuration", file))
            }
        }
        for (_, place) in settings.secretPlaces.sorted(by: { $0.key < $1.key }) {
            guard case .file(let path) = place, FileFacts(path) != nil, !account.may(.read, path) else { continue }
            findings.append(unreadable("secrets.owner", "The service cannot read a secret's file", path))
        }
        return findings
    }

    private func unreadable(_ id: String, _ title: String, _ path: String) -> CheckFinding {
        let facts = FileFacts(path)
        return CheckFinding(
            id, .error, title,
            detail: "\(path) is \(facts?.ownerName ?? "?")'s with mode \(facts?.octalMode ?? "?"); "
                + "the service runs as \(account.name).",
            fix: "chown root:\(account.name) \(path) && chmod 0640 \(path), and let \(account.name) into its folder.")
    }

    /// What stops the configuration from being loaded at all.
    package static func findings(of error: ConfigurationError) -> [CheckFinding] {
        error.findings.map { finding in
            let key = finding.key.isEmpty ? "The configuration" : finding.key
            return CheckFinding(
                "configuration.error", .error, "\(key) \(finding.problem)", detail: finding.place, fix: finding.fix)
        }
    }
}

extension Finding {
    /// Where it was given: `/etc/sparekey/sparekey.yaml:12`, or a variable's name.
    fileprivate var place: String {
        switch source {
        case .file(let path): line.map { "\(path):\($0)" } ?? path
        case .environment(let name): name
        case .nowhere: ""
        }
    }
}
