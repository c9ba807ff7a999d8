internal import Crypto

/// The written form of a signing secret.
enum SecretText {
    /// The key in `text`: at least one byte.
    ///
    /// Mistakes are looked for from the outside in, so that the one named is the one to mend first.
    static func keyBytes(of text: ArraySlice<UInt8>) throws(SecretError) -> [UInt8] {
        if text.isEmpty { throw .empty }
        try checkSurroundings(of: text)
        try checkKind(of: text)
        var encoded = text
        if text.starts(withExactly: "whsec_") {
            encoded = text.dropFirst(6)
            if encoded.isEmpty { throw .prefixOnly }
            if encoded.starts(withFolded: "whsec_") { throw .doublePrefix }
            try checkKind(of: encoded)
        } else if text.starts(withFolded: "whsec_") {
            throw .prefixInWrongCase
        }
        try checkAlphabet(of: encoded, precededBy: text.count - encoded.count)
        try checkPadding(of: encoded)
        // Alphabet and padding are right, so the unused bits of the last character are all that can be wrong.
        guard let key = Base64.decode(encoded.span) else { throw .nonZeroTrailingBits }
        if key.isEmpty { throw .empty }
        return key
    }

    private static func checkSurroundings(of text: ArraySlice<UInt8>) throws(SecretError) {
        if text.starts(with: [0xEF, 0xBB, 0xBF]) { throw .byteOrderMark }
        if text.contains(ASCII.lineFeed) || text.contains(ASCII.carriageReturn) { throw .lineBreak }
        let inner = text.withoutOuterWhitespace
        if hasQuotationMark(inner.first, inner.prefix(3)) || hasQuotationMark(inner.last, inner.suffix(3)) {
            throw .quoted
        }
        if text.contains(ASCII.space) || text.contains(ASCII.tab) { throw .whitespace }
    }

    /// Whether a quotation mark stands at one end of the text: `"`, `'` or a backquote as its outermost byte, or one of
    /// U+2018 to U+201F, which word processors put in their place, as its outermost three.
    private static func hasQuotationMark(_ outermost: UInt8?, _ outermostThree: ArraySlice<UInt8>) -> Bool {
        if let outermost, "\"'`".utf8.contains(outermost) { return true }
        guard outermostThree.starts(with: [0xE2, 0x80]), let third = outermostThree.dropFirst(2).first else {
            return false
        }
        return (0x98...0x9F).contains(third)
    }

    /// Other things that operators have at hand and that look like a secret.
    private static func checkKind(of text: ArraySlice<UInt8>) throws(SecretError) {
        if text.starts(withFolded: "v1,") { throw .versionPrefix }
        if text.starts(withFolded: "whpk_") || text.starts(withFolded: "whpk1_") { throw .asymmetricPublicKey }
        if text.starts(withFolded: "whsk_") || text.starts(withFolded: "whsk1_") { throw .asymmetricPrivateKey }
        if text.starts(withFolded: "seam_") { throw .seamAPIKey }
    }

    private static func checkAlphabet(
        of encoded: ArraySlice<UInt8>, precededBy prefixBytes: Int
    ) throws(SecretError) {
        let core = encoded.withoutPadding
        for (offset, byte) in core.enumerated() {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                continue
            case UInt8(ascii: "-"), UInt8(ascii: "_"):
                throw .urlSafeAlphabet
            default:
                throw .notBase64(position: prefixBytes + offset + 1)
            }
        }
    }

    private static func checkPadding(of encoded: ArraySlice<UInt8>) throws(SecretError) {
        let core = encoded.withoutPadding.count
        if core % 4 == 1 { throw .incomplete }
        let needed = (4 - core % 4) % 4
        let present = encoded.count - core
        if present < needed { throw .missingPadding }
        if present > needed { throw .excessPadding }
    }
}

extension ArraySlice<UInt8> {
    fileprivate var withoutPadding: ArraySlice<UInt8> {
        guard let last = lastIndex(where: { $0 != ASCII.equalsSign }) else { return [] }
        return self[...last]
    }
}
