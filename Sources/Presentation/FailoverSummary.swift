package import JSON

/// One row of the failover log as the head of an explanation.
package enum FailoverSummary {
    package static func lines(_ row: JSONValue, zone: ShownZone = .utc) -> [String] {
        func shown(_ field: String) -> String? {
            row[field].map { zone.shown(TerminalText.escaped($0.string ?? $0.description)) }
        }
        func window(_ start: String, _ end: String) -> String? {
            guard shown(start) != nil || shown(end) != nil else { return nil }
            return "\(shown(start) ?? "open") to \(shown(end) ?? "open")"
        }
        func named(_ field: String, _ more: [String?]) -> String? {
            shown(field).map { ([$0] + more.compactMap { $0 }).joined(separator: ", ") }
        }
        let reason = shown("reason").map { reason in
            ReasonText.explanation(of: reason).map { "\(reason) (\($0))" } ?? reason
        }
        let facts: [(String, String?)] = [
            ("Access code", named("access_code_id", [shown("original_name")])),
            ("Device", shown("device_id")),
            ("Stay", window("original_starts_at", "original_ends_at")),
            ("Failed", shown("failed_at")),
            ("Failover", named("failover_id", [shown("state"), reason])),
            ("Next look", shown("next_attempt_at")),
            (
                "Last error",
                named("last_error_type", [shown("last_request_id").map { "request " + $0 }])
            ),
            ("Substitution", named("substitution_id", [shown("substitution_state")])),
            ("Backup", named("backup_access_code_id", [shown("backup_code").map { "PIN " + $0 }])),
            ("Backup valid", window("backup_starts_at", "backup_ends_at")),
            ("Delivery", named("delivery_state", [shown("delivered_at")])),
        ]
        return facts.compactMap { label, value in
            value.map { label + String(repeating: " ", count: 14 - label.utf8.count) + $0 }
        }
    }
}
