/// The colours of a terminal. They repeat what words say, for those who see them.
package enum Colour: String, Sendable {
    case bold = "1"
    case red = "31"
    case green = "32"
    case yellow = "33"

    /// ECMA-48, 8.3.117 (SGR).
    package func applied(to text: String) -> String {
        text.isEmpty ? text : "\u{1B}[\(rawValue)m\(text)\u{1B}[0m"
    }

    /// What the log's words of state mean for a guest; nil for those that mean nothing good or bad.
    package static func ofState(_ word: String) -> Colour? {
        switch word {
        case "substituted", "delivered", "active": .green
        case "pending", "waiting", "claimed": .yellow
        case "ineligible", "expired", "failed", "revoked": .red
        default: nil
        }
    }
}
