import Testing

@testable import Crypto

@Suite struct Base64Tests {
    /// RFC 4648 section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func matchesTheRFC(_ bytes: String, _ text: String) {
        #expect(encode(Array(bytes.utf8)) == Array(text.utf8))
        #expect(decode(Array(text.utf8)) == Array(bytes.utf8))
    }

    @Test func everyLengthComesBack() {
        for length in 0...200 {
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ length) }
            let text = encode(bytes)
            #expect(text.count == (length + 2) / 3 * 4)
            #expect(!text.contains(0))
            #expect(decode(text) == bytes, "\(length) bytes")
        }
    }

    /// No changed text decodes to a value whose text it is not, so nobody can change a text and keep its value.
    @Test(arguments: 1...9) func everyMutationIsRefusedOrIsAnotherValue(_ length: Int) {
        let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 91 &+ 200) }
        let canonical = encode(bytes)
        for index in canonical.indices {
            for byte in UInt8.min...UInt8.max where byte != canonical[index] {
                var text = canonical
                text[index] = byte
                guard let decoded = decode(text) else { continue }
                #expect(encode(decoded) == text)
                #expect(decoded != bytes)
            }
        }
    }

    @Test(arguments: [
        "A", "AA", "AAA", "AAAAA", "=", "==", "===", "====", "A===", "AA=A", "AAA=AAAA", "AA==AAAA", "AAAA====", "AB==",
        "AAB=", " AAA", "AAAA    ", "AAAA\n\n\n\n", "\nAAAA", "AA\nAA\nAA", "AA-A", "AA_A", "AA\0A", "----",
        "AAA\u{80}",
    ])
    func refuses(_ text: String) {
        #expect(decode(Array(text.utf8)) == nil)
    }
}
