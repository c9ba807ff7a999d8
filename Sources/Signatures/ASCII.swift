/// Bytes by their ASCII names. Text is compared as bytes here: `String` folds characters such as U+212A into ASCII.
enum ASCII {
    static let tab = UInt8(ascii: "\t")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let space = UInt8(ascii: " ")
    static let comma = UInt8(ascii: ",")
    static let fullStop = UInt8(ascii: ".")
    static let equalsSign = UInt8(ascii: "=")

    static func isDigit(_ byte: UInt8) -> Bool {
        UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9")
    }

    static func isWhitespace(_ byte: UInt8) -> Bool {
        byte == space || byte == tab
    }

    /// A to Z as a to z, every other byte as it is.
    static func lowercased(_ byte: UInt8) -> UInt8 {
        UInt8(ascii: "A") <= byte && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
    }
}

extension Collection<UInt8> {
    /// Whether these bytes begin with `prefix`, upper and lower case of ASCII letters taken as the same.
    func starts(withFolded prefix: StaticString) -> Bool {
        prefix.withUTF8Buffer { prefix in
            starts(with: prefix) { ASCII.lowercased($0) == ASCII.lowercased($1) }
        }
    }

    /// Whether these bytes are `text`, upper and lower case of ASCII letters taken as the same.
    func equals(folded text: StaticString) -> Bool {
        text.withUTF8Buffer { text in
            elementsEqual(text) { ASCII.lowercased($0) == ASCII.lowercased($1) }
        }
    }

    /// Whether these bytes begin with exactly `prefix`.
    func starts(withExactly prefix: StaticString) -> Bool {
        prefix.withUTF8Buffer { starts(with: $0) }
    }
}

extension ArraySlice<UInt8> {
    /// Without the optional white space (RFC 9110 section 5.6.3: space and tab) at both ends.
    var withoutOuterWhitespace: ArraySlice<UInt8> {
        guard let first = firstIndex(where: { !ASCII.isWhitespace($0) }),
            let last = lastIndex(where: { !ASCII.isWhitespace($0) })
        else { return [] }
        return self[first...last]
    }
}
