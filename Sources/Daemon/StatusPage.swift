internal import JSON
internal import Policy
internal import Time

/// One page for people: whether events are taken, how failovers stand, and the last substitutions. Never a PIN.
struct StatusPage {
    private static let columns: [(key: String, title: String)] = [
        ("recorded_at", "Recorded"), ("original_name", "Guest code"), ("device_id", "Lock"),
        ("original_ends_at", "Stay ends"), ("substitution_state", "State"), ("delivery_state", "Told"),
    ]

    let now: Timestamp
    let counts: [FailoverState: Int]
    /// Rows of `substitution_log`.
    let substitutions: [JSONValue]
    let report: JSONValue

    var html: String {
        let states = FailoverState.allCases.map { state in
            "<tr><th scope=\"row\">\(state.rawValue)</th><td>\(counts[state] ?? 0)</td></tr>"
        }.joined()
        let heads = Self.columns.map { "<th scope=\"col\">\($0.title)</th>" }.joined()
        let rows = substitutions.map { row in
            "<tr>" + Self.columns.map { "<td>\(escaped(row[$0.key]?.string ?? "–"))</td>" }.joined() + "</tr>"
        }.joined()
        let isReady = report["ready"]?.bool == true
        let problems = (report["degraded"]?.array ?? []).map { "<li>\(escaped($0["what"]?.string ?? ""))</li>" }
            .joined()
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8"><title>Sparekey</title>
            <meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
            <style>
            body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
            table { border-collapse: collapse; } th, td { text-align: left; padding: .25rem .75rem .25rem 0; }
            div { overflow-x: auto; }
            </style></head><body>
            <h1>Sparekey</h1>
            <p>\(isReady ? "Webhooks are taken and committed." : "Webhooks cannot be taken now.") <small>\(now)</small></p>
            \(problems.isEmpty ? "" : "<h2>Degraded</h2><ul>\(problems)</ul>")
            <h2>Failovers</h2><table>\(states)</table>
            <h2>Last substitutions</h2>
            \(substitutions.isEmpty ? "<p>None yet.</p>" : "<div><table><tr>\(heads)</tr>\(rows)</table></div>")
            </body></html>
            """
    }

    private func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }
}
