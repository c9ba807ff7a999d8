package import JSON

/// What one check found: something wrong with its fix, or that all is well. It never holds a secret.
package struct CheckFinding: Sendable, Equatable {
    package enum Severity: String, Sendable, CaseIterable {
        /// A guest will stand before a locked door, or nobody will know.
        case error
        /// It works, but not for every lock or not for ever.
        case warning
        case ok
    }

    /// Stable, such as `webhook.missing`; the part before the dot is what was checked.
    package var id: String
    package var severity: Severity
    /// One line, without a full stop.
    package var title: String
    /// What was seen; may be empty.
    package var detail: String
    /// What to do; empty where all is well.
    package var fix: String

    package init(_ id: String, _ severity: Severity, _ title: String, detail: String = "", fix: String = "") {
        self.id = id
        self.severity = severity
        self.title = title
        self.detail = detail
        self.fix = fix
    }

    /// As `check --json` prints it.
    package var json: JSONValue {
        [
            "id": .string(id), "severity": .string(severity.rawValue), "title": .string(title),
            "detail": .string(detail), "fix": .string(fix),
        ]
    }
}

/// One thing that is looked at. It changes nothing.
package protocol Check: Sendable {
    /// At least one; failing to look is a finding, too.
    func findings() async -> [CheckFinding]
}

/// Everything that was found.
package struct CheckReport: Sendable {
    package var findings: [CheckFinding]

    package init(findings: [CheckFinding]) {
        self.findings = findings
    }

    /// Whether nothing is wrong: a warning counts as wrong.
    package var isOK: Bool { findings.allSatisfy { $0.severity == .ok } }

    package var json: JSONValue { ["ok": .bool(isOK), "findings": .array(findings.map(\.json))] }

    /// As `check --json` prints it, one object.
    package var jsonText: String { json.description }
}
