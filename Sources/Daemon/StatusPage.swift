internal import JSON
internal import Ledger
internal import Policy
internal import Presentation
internal import Time

/// One page for people: whether guests are safe, at a glance and by ear. No script, no external thing, never a PIN.
struct StatusPage {
    var overview: Overview
    /// Rows of `substitution_log`, the newest first.
    var substitutions: [JSONValue]
    let report: Health.Report
    let acknowledgements: [AcknowledgementHour]
    let facts: Facts
    /// Why the log cannot be read: then the page says so, and nothing that would come from there.
    var logFailure: String?

    /// What the daemon knows of itself.
    struct Facts: Sendable {
        var version: String
        var startedAt: Timestamp
        /// Nil: plain HTTP.
        var certificateDays: Double?
        /// Nil before the first authentic webhook.
        var clockSkewSeconds: Int64?
        var toleranceSeconds: Int64
        var sweepInterval: Duration

        /// So far off that webhooks will soon be refused for their time.
        var isClockOff: Bool { clockSkewSeconds.map { $0.magnitude * 2 > toleranceSeconds.magnitude } ?? false }
    }

    var now: Timestamp { overview.now }

    var html: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(escaped(title))</title>
        <style>\(Self.style)</style>
        </head>
        <body>
        <header>
        <h1>Sparekey</h1>
        \(verdict)
        <p class="small">As of \(time(now)). <a href="/">Look again</a></p>
        </header>
        <main>
        \(problems)
        \(logFailure == nil ? contents : "")
        </main>
        </body>
        </html>

        """
    }

    private var contents: String {
        [guests, recentSubstitutions, locks, plots, housekeeping].joined(separator: "\n")
    }

    // MARK: The verdict

    private enum Level: String { case well, warn, bad }

    private var level: Level {
        if !report.isReady || logFailure != nil || overview.guests.contains(where: arrivesSoon) { return .bad }
        let isWell =
            report.degraded.isEmpty && !facts.isClockOff && overview.guests.isEmpty && overview.openAlerts.isEmpty
        return isWell ? .well : .warn
    }

    private func arrivesSoon(_ guest: Overview.Guest) -> Bool {
        guest.startsAt.map { $0 <= now + .seconds(86_400) } ?? true
    }

    private var sentence: String {
        let count = overview.guestCount
        if !report.isReady { return "Webhooks cannot be taken now." }
        if count > 0 { return count == 1 ? "One guest is at risk." : "\(count) guests are at risk." }
        return level == .well ? "No guest is at risk, and all works." : "No guest is at risk, but not all is well."
    }

    private var headline: String {
        logFailure != nil && report.isReady ? "Which guests are at risk cannot be read." : sentence
    }

    private var title: String { "Sparekey: \(headline)" }

    /// The word says what the colour says.
    private var verdict: String {
        let word =
            switch level {
            case .well: "Well"
            case .warn: "Look"
            case .bad: "Act"
            }
        return "<p class=\"verdict \(level.rawValue)\" role=\"status\"><strong>\(word).</strong> \(headline)</p>"
    }

    private var problems: String {
        var degraded = report.degraded
        if let logFailure { degraded.append(("log", logFailure)) }
        if facts.isClockOff { degraded.append(("clock", nil)) }
        let items =
            degraded.map { item in
                let words = Self.problemWords[item.what] ?? item.what.replacing("_", with: " ")
                return "<li>\(escaped(words + (item.detail.map { ": " + $0 } ?? "")))</li>"
            }
            + overview.openAlerts.map { alert in
                "<li>\(escaped(alert.text))\(alert.openedAt.map { " <span class=\"small\">since \(time($0))</span>" } ?? "")</li>"
            }
        return items.isEmpty ? "" : section("problems", "Needs attention", "<ul>\(items.joined())</ul>")
    }

    private static let problemWords = [
        "database": "Events cannot be committed", "log": "The log cannot be read",
        "seam_key_refused": "Seam refuses the API key", "seam_unreachable": "Seam cannot be reached",
        "certificate_expired": "The certificate has expired, and Seam does not connect",
        "clock": "This clock and the webhooks' are far apart",
        "stalled": "Parts of the daemon make no progress", "failing": "Parts of the daemon fail again and again",
        "reload_refused": "The last reload was refused, and the configuration before it goes on",
        "shutting_down": "The daemon is stopping",
    ]

    // MARK: Text

    func section(_ id: String, _ title: String, _ body: String) -> String {
        "<section aria-labelledby=\"\(id)\"><h2 id=\"\(id)\">\(title)</h2>\(body)</section>"
    }

    /// What turns the direction of the words that follow: a name is somebody else's.
    private static let directions: Set<Unicode.Scalar> = [
        "\u{202A}", "\u{202B}", "\u{202C}", "\u{202D}", "\u{202E}", "\u{2066}", "\u{2067}", "\u{2068}", "\u{2069}",
    ]

    func escaped(_ text: String) -> String {
        var kept = text
        kept.unicodeScalars.removeAll { Self.directions.contains($0) }
        return kept.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    /// `25 Nov 2026, 16:20 UTC`, for machines too.
    func time(_ instant: Timestamp) -> String {
        "<time datetime=\"\(instant)\">\(Self.text(of: instant))</time>"
    }

    static func text(of instant: Timestamp) -> String {
        let text = "\(instant)"
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let parts = text.prefix(10).split(separator: "-")
        guard parts.count == 3, let month = Int(parts[1]), months.indices.contains(month - 1), let day = Int(parts[2])
        else { return text }
        return "\(day) \(months[month - 1]) \(parts[0]), \(text.dropFirst(11).prefix(5)) UTC"
    }

    /// `in 2 h 5 min`, `3 days ago`, `just now`.
    func distance(to instant: Timestamp) -> String {
        let seconds = Int64(instant.duration(since: now).inSeconds)
        let (size, minutes) = (seconds.magnitude, seconds.magnitude / 60)
        if seconds <= 0, size < 60 { return "just now" }
        let text =
            switch size {
            case ..<60: "less than a minute"
            case ..<3600: "\(minutes) min"
            case ..<86_400: minutes % 60 == 0 ? "\(minutes / 60) h" : "\(minutes / 60) h \(minutes % 60) min"
            case ..<172_800: "1 day"
            default: "\(size / 86_400) days"
            }
        return seconds >= 0 ? "in \(text)" : "\(text) ago"
    }
}
