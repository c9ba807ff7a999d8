import JSON
import Testing

@Suite struct JSONValueTests {
    @Test func readsWhatItWrites() throws {
        let value: JSONValue = [
            "array": [1, "two", nil, true, .number(2.5)], "empty": [:], "list": [], "text": "a\"b\\c\n\u{1}é🔑",
        ]
        #expect(try JSONValue(parsing: value.bytes) == value)
        #expect(try JSONValue(parsing: Array(value.indented.utf8)) == value)
    }

    @Test func keepsTheOrderOfMembersThatCodeWrote() {
        let value: JSONValue = ["z": 1, "a": 2]
        #expect(value.description == #"{"z":1,"a":2}"#)
    }

    @Test func wholeNumbersStayWhole() throws {
        #expect(try JSONValue(parsing: Array("9007199254740993".utf8)) == .integer(9_007_199_254_740_993))
        #expect(try JSONValue(parsing: Array("3.0".utf8)).integer == 3)
        #expect(try JSONValue(parsing: Array("1e400".utf8)).integer == nil)
        // Nothing changes when it is read again.
        let whole = try JSONValue(parsing: Array("1844674407379055161.5".utf8))
        #expect(whole == .integer(1_844_674_407_379_055_104))
        #expect(try JSONValue(parsing: whole.bytes) == whole)
    }

    @Test func missingAndMistypedMembersAreNil() throws {
        let value = try JSONValue(parsing: Array(#"{"a":null,"b":"x","c":[1]}"#.utf8))
        #expect(value["a"] == nil && value["b"]?.bool == nil && value["c"]?.string == nil && value["d"] == nil)
        #expect(value.has("a") && !value.has("d"))
    }

    @Test func boundsAreCheckedBeforeDecoding() {
        let deep = Array(repeating: UInt8(ascii: "["), count: 100_000)
        #expect(throws: JSONError.tooDeep(limit: 64)) { try JSONValue(parsing: deep) }
        #expect(throws: JSONError.tooLarge(limitBytes: 10)) {
            try JSONValue(parsing: Array("[1,2,3,4,5,6]".utf8), maximumBytes: 10)
        }
    }

    @Test func bracketsInStringsDoNotCount() throws {
        let text = "[\"" + String(repeating: "[{\\\"", count: 100) + "\"]"
        #expect(try JSONValue(parsing: Array(text.utf8)).array?.count == 1)
    }

    @Test(arguments: ["", "{", "nul", "{\"a\":}", "\u{FEFF}{}", "{}{}", "'a'", "NaN"])
    func refusesWhatIsNotJSON(text: String) {
        #expect(throws: JSONError.malformed) { try JSONValue(parsing: Array(text.utf8)) }
    }

    @Test(arguments: [[0xFF], [0x22, 0xC3, 0x22], [0x22, 0x00, 0x22], [0x7B, 0x00, 0x7D, 0x00]] as [[UInt8]])
    func refusesWhatIsNotUTF8(bytes: [UInt8]) {
        #expect(throws: JSONError.malformed) { try JSONValue(parsing: bytes) }
    }
}
