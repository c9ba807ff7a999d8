import Testing

@testable import Settings

@Suite struct SuggestionTests {
    @Test(arguments: [("seam", "saem", 1), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("a", "a", 0)])
    func countsEdits(_ first: String, _ second: String, _ expected: Int) {
        #expect(Suggestion.distance(Array(first.utf8), Array(second.utf8)) == expected)
        #expect(Suggestion.distance(Array(second.utf8), Array(first.utf8)) == expected)
    }

    @Test func givesUpOnWhatIsFar() {
        #expect(Suggestion.nearest(to: "frobnicate", among: ["seam.timeout"]) == nil)
        #expect(Suggestion.nearest(to: String(repeating: "a", count: 1000), among: ["a"]) == nil)
        #expect(Suggestion.nearest(to: "x", among: []) == nil)
    }
}
