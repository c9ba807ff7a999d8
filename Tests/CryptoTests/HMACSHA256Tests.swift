import Testing

@testable import Crypto

/// RFC 4231 section 4.
@Suite struct HMACSHA256Tests {
    struct Vector: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let key: [UInt8]
        let data: [UInt8]
        let code: String
    }

    static let vectors = [
        Vector(
            testDescription: "4.2", key: Array(repeating: 0x0B, count: 20), data: Array("Hi There".utf8),
            code: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        Vector(
            testDescription: "4.3", key: Array("Jefe".utf8), data: Array("what do ya want for nothing?".utf8),
            code: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        Vector(
            testDescription: "4.4", key: Array(repeating: 0xAA, count: 20), data: Array(repeating: 0xDD, count: 50),
            code: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        Vector(
            testDescription: "4.5", key: Array(1...25), data: Array(repeating: 0xCD, count: 50),
            code: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        Vector(
            testDescription: "4.6, its first 16 bytes", key: Array(repeating: 0x0C, count: 20),
            data: Array("Test With Truncation".utf8), code: "a3b6167473100ee06e0c796c2955552b"),
        Vector(
            testDescription: "4.7", key: Array(repeating: 0xAA, count: 131),
            data: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            code: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        Vector(
            testDescription: "4.8", key: Array(repeating: 0xAA, count: 131),
            data: Array(
                ("This is a test using a larger than block-size key and a larger than block-size data. "
                    + "The key needs to be hashed before being used by the HMAC algorithm.").utf8),
            code: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
    ]

    @Test(arguments: vectors) func matchesTheRFC(_ vector: Vector) throws {
        let key = try HMACSHA256.Key(vector.key.span)
        // Twice: a key is not used up.
        for _ in 1...2 {
            let code = try HMACSHA256.code(of: [vector.data[...]], key: key)
            #expect(code.count == 32)
            #expect(hex(code.prefix(vector.code.utf8.count / 2)) == vector.code)
        }
    }

    @Test func isTheSameHoweverTheMessageIsCut() throws {
        let data = (0..<300).map { UInt8($0 % 251) }
        let key = try HMACSHA256.Key(Array("key".utf8).span)
        let whole = try HMACSHA256.code(of: [data[...]], key: key)
        for cut in 0...data.count {
            #expect(try HMACSHA256.code(of: [data[..<cut], [], data[cut...]], key: key) == whole)
        }
    }

    @Test func refusesAnEmptyKey() {
        #expect(throws: OpenSSLError.self) { try HMACSHA256.Key([UInt8]().span) }
    }

    @Test func aKeyServesManyTasksAtOnce() async throws {
        let key = try HMACSHA256.Key(Array("shared".utf8).span)
        let expected = try (0..<8).map { try HMACSHA256.code(of: [[UInt8($0)]], key: key) }
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for _ in 0..<2000 {
                        if try HMACSHA256.code(of: [[UInt8(task)]], key: key) != expected[task] { return false }
                    }
                    return true
                }
            }
            for try await isRight in group { #expect(isRight) }
        }
    }
}
