import Testing

@testable import Presentation

@Suite struct TerminalTextTests {
    @Test(arguments: [
        ("Zoë & Łukasz", "Zoë & Łukasz"),
        ("a\u{1B}[31mred", "a\\u{1B}[31mred"),
        ("two\nlines\tand\rmore", "two\\nlines\\tand\\rmore"),
        ("\u{9B}2J\u{7F}\u{0}", "\\u{9B}2J\\u{7F}\\u{0}"),
        ("gniht\u{202E}\u{2066}y", "gniht\\u{202E}\\u{2066}y"),
        ("a\u{2028}b\u{FEFF}", "a\\u{2028}b\\u{FEFF}"),
        ("👩\u{200D}👧", "👩\u{200D}👧"),
        ("\r\n", "\\r\\n"),
    ])
    func whatMovesTheCursorIsEscaped(text: String, expected: String) {
        #expect(TerminalText.escaped(text) == expected)
    }

    @Test(arguments: [("", 0), ("abc", 3), ("e\u{301}", 1), ("東京", 4), ("👩\u{200D}👧", 2), ("••••", 4)])
    func widthsAreThoseOfATerminal(text: String, width: Int) {
        #expect(TerminalText.width(text) == width)
    }

    @Test func whatIsTooWideEndsInAnEllipsis() {
        #expect(TerminalText.truncated("guest", to: 5) == "guest")
        #expect(TerminalText.truncated("guests", to: 5) == "gues…")
        #expect(TerminalText.truncated("東京都", to: 4) == "東…")
        #expect(TerminalText.truncated("guests", to: 1) == "…")
        #expect(TerminalText.truncated("guests", to: 0) == "")
    }

    @Test func linesBreakAtSpacesAndLongWordsAnywhere() {
        #expect(TerminalText.wrapped("one two three", to: 8) == ["one two", "three"])
        #expect(TerminalText.wrapped("abcdefghij", to: 4) == ["abcd", "efgh", "ij"])
        #expect(TerminalText.wrapped("one  two  three", to: 8) == ["one  two", "three"])
        #expect(TerminalText.wrapped("", to: 4) == [""])
        #expect(TerminalText.wrapped("東京", to: 1) == ["東", "京"])
        #expect(TerminalText.wrapped("a b", to: 0) == ["a", "b"])
    }
}
