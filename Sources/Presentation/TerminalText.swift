/// Text from outside, made fit for a terminal.
package enum TerminalText {
    /// The text with everything escaped that would move the cursor, change colours, or turn the direction of writing.
    ///
    /// Joiners stay, for emoji and several scripts are written with them.
    package static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            case "\u{200C}", "\u{200D}": escaped.unicodeScalars.append(scalar)
            default:
                switch scalar.properties.generalCategory {
                case .control, .format, .lineSeparator, .paragraphSeparator:
                    escaped += "\\u{" + String(scalar.value, radix: 16, uppercase: true) + "}"
                default: escaped.unicodeScalars.append(scalar)
                }
            }
        }
        return escaped
    }

    /// How many columns of a terminal the text takes.
    package static func width(_ text: String) -> Int {
        text.reduce(0) { $0 + width($1) }
    }

    /// The text in at most `width` columns, the last one an ellipsis where something is missing.
    package static func truncated(_ text: String, to width: Int) -> String {
        guard self.width(text) > width else { return text }
        var taken = ""
        var used = 1
        for character in text {
            used += self.width(character)
            if used > width { break }
            taken.append(character)
        }
        return width > 0 ? taken + "…" : ""
    }

    /// The text in lines of at most `width` columns, broken at spaces where there are any.
    package static func wrapped(_ text: String, to width: Int) -> [String] {
        let width = max(1, width)
        var lines: [String] = []
        var line = ""
        func breakLine() {
            while line.last == " " { line.removeLast() }
            lines.append(line)
            line = ""
        }
        for word in text.split(separator: " ", omittingEmptySubsequences: false) {
            if !line.isEmpty, self.width(line) + 1 + self.width(String(word)) > width { breakLine() }
            if !line.isEmpty { line += " " }
            for character in word {
                if self.width(line) + self.width(character) > width, !line.isEmpty { breakLine() }
                line.append(character)
            }
        }
        if !line.isEmpty || lines.isEmpty { breakLine() }
        return lines
    }

    /// Two for what Unicode Standard Annex 11 calls wide and for emoji, one for the rest; what combines with the letter before it is part of
    /// that letter's character.
    private static func width(_ character: Character) -> Int {
        let isWide = character.unicodeScalars.contains { scalar in
            if scalar.properties.isEmojiPresentation || scalar == "\u{FE0F}" { return true }
            return switch scalar.value {
            case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF,
                0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x3FFFD:
                true
            default: false
            }
        }
        return isWide ? 2 : 1
    }
}
