/// Names and classes of the bytes that HTTP/1.1 gives a meaning.
enum Octet {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let quote: UInt8 = 0x22
    static let hash: UInt8 = 0x23
    static let percent: UInt8 = 0x25
    static let comma: UInt8 = 0x2C
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let equals: UInt8 = 0x3D
    static let question: UInt8 = 0x3F
    static let backslash: UInt8 = 0x5C
    static let delete: UInt8 = 0x7F
}

extension UInt8 {
    /// SP or HTAB (RFC 9110 5.6.3).
    var isBlank: Bool { self == Octet.space || self == Octet.tab }

    var isDigit: Bool { self >= 0x30 && self <= 0x39 }

    /// A letter of ASCII made small, any other byte as it is.
    var lowercasedASCII: UInt8 { self >= 0x41 && self <= 0x5A ? self | 0x20 : self }

    var isLetter: Bool { lowercasedASCII >= 0x61 && lowercasedASCII <= 0x7A }

    /// The value of a hexadecimal digit, nil for any other byte.
    var hexValue: Int? {
        switch self {
        case 0x30...0x39: Int(self) - 0x30
        case 0x41...0x46: Int(self) - 0x41 + 10
        case 0x61...0x66: Int(self) - 0x61 + 10
        default: nil
        }
    }

    /// A byte of a token: method, field name, connection option, chunk extension (RFC 9110 5.6.2).
    var isTokenByte: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        // "!" "#" "$" "%" "&" "'" "*" "+" "-" "." "^" "_" "`" "|" "~"
        case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E, 0x5F, 0x60, 0x7C, 0x7E: true
        default: false
        }
    }
}

extension Collection<UInt8> {
    /// token = 1*tchar (RFC 9110 5.6.2).
    var isToken: Bool { !isEmpty && allSatisfy(\.isTokenByte) }

    /// Whether these bytes are exactly `text`.
    func equals(_ text: StaticString) -> Bool {
        elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Equality that ignores the case of ASCII letters; `lowercase` must be written in small letters.
    func equalsIgnoringCase(_ lowercase: StaticString) -> Bool {
        guard count == lowercase.utf8CodeUnitCount else { return false }
        let expected = UnsafeBufferPointer(start: lowercase.utf8Start, count: lowercase.utf8CodeUnitCount)
        return zip(self, expected).allSatisfy { $0.lowercasedASCII == $1 }
    }
}
