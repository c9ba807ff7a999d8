import COpenSSL
import Testing

@testable import Crypto

@Suite struct PrimitivesTests {
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
