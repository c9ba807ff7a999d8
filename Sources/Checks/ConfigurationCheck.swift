package import Settings

/// What the configuration warns of, and how its secrets are kept.
package struct ConfigurationCheck: Check {
    private let settings: Settings

    package init(_ settings: Settings) {
        self.settings = settings
    }

    package func findings() async -> [CheckFinding] {
        let secretKeys = Set(Settings.keys.filter(\.isSecret).flatMap { [$0.name, $0.name + "_file"] })
        let warnings = settings.warnings.map { warning in
            CheckFinding(
                secretKeys.contains(warning.key) ? "secrets.warning" : "configuration.warning", .warning,
                "\(warning.key) \(warning.problem)", detail: warning.place, fix: warning.fix)
        }
        var findings = warnings
        if !warnings.contains(where: { $0.id.hasPrefix("configuration") }) {
            findings.append(
                CheckFinding(
                    "configuration.ok", .ok, "The configuration is sound",
                    detail: settings.file ?? "It is in the environment; there is no file."))
        }
        if !warnings.contains(where: { $0.id.hasPrefix("secrets") }) {
            findings.append(CheckFinding("secrets.ok", .ok, "The secrets are there and well kept"))
        }
        return findings
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
