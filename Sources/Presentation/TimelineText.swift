package import JSON

/// A timeline for people: time, kind, and what happened in words that wrap.
package struct TimelineText: Sendable {
    private let width: Int
    private let zone: ShownZone

    /// - Parameter width: of the terminal.
    package init(width: Int, zone: ShownZone = .utc) {
        self.width = width
        self.zone = zone
    }

    /// - Parameter entries: objects with `at`, `kind`, `reason`, `backup_code` and `detail`.
    package func lines(_ entries: [JSONValue]) -> [String] {
        let cells = entries.map { entry in
            [
                entry["at"]?.string.map { at in ShownZone.instant(at).map(zone.preciseText) ?? at } ?? "-",
                TerminalText.escaped(entry["kind"]?.string ?? "-"),
                TerminalText.escaped(Self.sentence(entry, zone: zone)),
            ]
        }
        let kindWidth = cells.map { TerminalText.width($0[1]) }.max() ?? 0
        return cells.flatMap { cell in
            let head =
                cell[0] + "  " + cell[1] + String(repeating: " ", count: kindWidth - TerminalText.width(cell[1]) + 2)
            let headWidth = TerminalText.width(head)
            // On a terminal too narrow for two columns the words go below.
            let indentation = width - headWidth >= 30 ? headWidth : 4
            var lines = TerminalText.wrapped(cell[2], to: width - indentation)
            guard indentation == headWidth else {
                return [String(head.dropLast(2))] + lines.map { String(repeating: " ", count: indentation) + $0 }
            }
            let first = head + lines.removeFirst()
            return [first] + lines.map { String(repeating: " ", count: indentation) + $0 }
        }
    }

    /// What the entry says first, then the rest of its detail as `name=value`.
    static func sentence(_ entry: JSONValue, zone: ShownZone = .utc) -> String {
        let detail = entry["detail"] ?? .null
        var told: Set<String> = []
        func tell(_ key: String) -> String? {
            told.insert(key)
            guard let value = detail[key] else { return nil }
            return value.string ?? value.description
        }
        var words: [String] = []
        switch entry["kind"]?.string {
        case "event.received":
            words = [
                tell("event_type") ?? "unreadable message", "by", (tell("source") ?? "?") + ":",
                tell("disposition") ?? "",
            ]
        case "decision": words = [tell("decision") ?? tell("state") ?? ""]
        case "substitution.not_recorded": words = ["not recorded"]
        case "api.call": words = [(tell("route") ?? "?") + ":", tell("outcome") ?? "", tell("status") ?? ""]
        case "alert.opened", "alert.closed": words = [tell("alert") ?? "", tell("text").map { "(\($0))" } ?? ""]
        case "pull.intended": words = ["asking Seam for a backup"]
        case "pull.finished": words = [tell("outcome") ?? ""]
        case "failover.retried", "failover.reopened", "failover.cancelled":
            words = [tell("by").map { "by the \($0)" } ?? "", tell("event_type") ?? ""]
        case "delivery.created", "delivery.attempted":
            words = [tell("kind") ?? "", tell("channel").map { "(\($0)):" } ?? "", tell("state") ?? ""]
        default: words = [tell("event_type")].compactMap { $0 }
        }
        var sentence = words.filter { !$0.isEmpty }.joined(separator: " ")
        if let reason = reason(of: entry, told: &told), !words.contains(reason) {
            let explanation = ReasonText.explanation(of: reason).map { " (\($0))" } ?? ""
            sentence += (sentence.isEmpty ? "" : ", ") + reason + explanation
        }
        if let pin = entry["backup_code"]?.string { sentence += (sentence.isEmpty ? "" : ", ") + "PIN " + pin }
        let rest = (detail.members ?? []).filter { !told.contains($0.key) && $0.value != .null && $0.value != false }
            .map { "\($0.key)=\(zone.shown($0.value.string ?? $0.value.description))" }
        return ([sentence] + rest).filter { !$0.isEmpty }.joined(separator: "  ")
    }

    private static func reason(of entry: JSONValue, told: inout Set<String>) -> String? {
        guard let reason = entry["reason"]?.string else { return nil }
        // The member of the detail that the reason was taken from is not said twice.
        for key in ["reason", "error", "error_type", "last_error", "event_type", "state", "alert", "outcome"]
        where entry["detail"]?[key]?.string == reason {
            told.insert(key)
        }
        return reason
    }
}
