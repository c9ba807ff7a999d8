package import JSON

/// What a check found, for people: what is wrong first, each with its fix.
package struct FindingsText: Sendable {
    private static let indent = 9

    private let width: Int
    private let showsColours: Bool

    /// - Parameter width: of the terminal.
    package init(width: Int, showsColours: Bool) {
        self.width = width
        self.showsColours = showsColours
    }

    /// - Parameter report: the object that `check --json` prints.
    package func text(_ report: JSONValue) -> String {
        let findings = report["findings"]?.array ?? []
        let ordered = ["error", "warning", "ok"].flatMap { word in findings.filter { $0["severity"]?.string == word } }
        let wrong = ordered.count { $0["severity"] != "ok" }
        let summary =
            switch wrong {
            case 0: "Nothing is wrong."
            case 1: "1 thing needs attention."
            default: "\(wrong) things need attention."
            }
        return (ordered.flatMap(block) + [summary]).map { $0 + "\n" }.joined()
    }

    private func block(_ finding: JSONValue) -> [String] {
        let word = finding["severity"]?.string ?? "?"
        let colour: Colour =
            switch word {
            case "error": .red
            case "warning": .yellow
            default: .green
            }
        let blanks = String(repeating: " ", count: max(1, Self.indent - word.utf8.count))
        var lines = wrapped(finding["title"])
        lines[0] = (showsColours ? colour.applied(to: word) : word) + blanks + lines[0].dropFirst(Self.indent)
        lines += wrapped(finding["detail"])
        if let fix = finding["fix"]?.string, !fix.isEmpty { lines += wrapped(.string("Fix: " + fix)) }
        return lines
    }

    /// Commands and paths may be copied out of it, so a word is never broken where it need not be.
    private func wrapped(_ text: JSONValue?) -> [String] {
        guard let text = text?.string, !text.isEmpty else { return [] }
        return TerminalText.wrapped(TerminalText.escaped(text), to: max(30, width - Self.indent)).map {
            String(repeating: " ", count: Self.indent) + $0
        }
    }
}
