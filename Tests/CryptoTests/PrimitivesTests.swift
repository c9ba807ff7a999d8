import COpenSSL
import Testing

@testable import Crypto

@Suite struct PrimitivesTests {
    /// FIPS 180-4 examples, as published by NIST.
    @Test(arguments: [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
        ),
    ])
    func digests(_ text: String, _ digest: String) throws {
        let result = try SHA256.digest(of: Array(text.utf8).span)
        #expect(hex(result) == digest)
    }

    @Test func comparesEveryByte() {
        let bytes = [UInt8](0..<44)
        #expect(areEqual(bytes, [UInt8](0..<44)))
        #expect(areEqual([UInt8](), [UInt8]()))
        // Slices of one buffer: what lies behind the shorter one is what the longer one holds.
        let shorter = bytes[..<43]
        let isShorterEqual = constantTimeEquals(shorter.span, bytes.span)
        let isLongerEqual = constantTimeEquals(bytes.span, shorter.span)
        #expect(!isShorterEqual && !isLongerEqual)
        #expect(!areEqual(bytes, [UInt8]()))
        for index in bytes.indices {
            for bit in 0..<8 {
                var other = bytes
                other[index] ^= 1 << UInt8(bit)
                #expect(!areEqual(bytes, other))
            }
        }
    }

    @Test func randomBytesAreAsManyAsAskedForAndDiffer() throws {
        for count in [0, 1, 24, 32, 4096] { #expect(try SecureRandom.bytes(count).count == count) }
        #expect(try SecureRandom.bytes(32) != SecureRandom.bytes(32))
        #expect(try Set(SecureRandom.bytes(4096)).count > 200)
    }

    @Test func anErrorHoldsTheWholeStackAndLeavesItEmpty() throws {
        OpenSSLError.clear()
        #expect(EVP_MAC_fetch(nil, "SPAREKEY-NONE", nil) == nil)
        #expect(EVP_MD_fetch(nil, "SPAREKEY-NONE-EITHER", nil) == nil)
        let error = OpenSSLError.taken(after: "EVP_MAC_fetch")
        #expect(error.entries.count == 2)
        #expect(error.description.hasPrefix("OpenSSL: EVP_MAC_fetch failed: error:"))
        #expect(error.description.contains("unsupported"))
        #expect(error.description.contains("SPAREKEY-NONE "))
        #expect(error.description.contains("SPAREKEY-NONE-EITHER"))
        #expect(ERR_peek_error() == 0)
        #expect(OpenSSLError.taken(after: "nothing").description == "OpenSSL: nothing failed without giving a reason")
    }
}
