@testable import Crypto

// `#expect` cannot take apart a call with a Span in it; these take arrays.

func encode(_ bytes: [UInt8]) -> [UInt8] {
    Base64.encode(bytes.span)
}

func decode(_ text: [UInt8]) -> [UInt8]? {
    Base64.decode(text.span)
}

func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    constantTimeEquals(left.span, right.span)
}

func hex(_ bytes: some Sequence<UInt8>) -> String {
    bytes.map { byte in
        let digits = String(byte, radix: 16)
        return digits.utf8.count == 1 ? "0" + digits : digits
    }.joined()
}
