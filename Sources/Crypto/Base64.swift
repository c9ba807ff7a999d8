internal import COpenSSL

/// Base64 with the standard alphabet and padding (RFC 4648 section 4), on bytes.
package enum Base64 {
    /// More than this is neither encoded nor decoded: OpenSSL counts in `int`. The largest body is a thousandth of it.
    package static let maximumBytes = 1 << 30

    /// The text of `bytes`, without line breaks.
    ///
    /// - Precondition: at most `maximumBytes`.
    package static func encode(_ bytes: Span<UInt8>) -> [UInt8] {
        precondition(bytes.count <= maximumBytes)
        let textBytes = (bytes.count + 2) / 3 * 4
        return bytes.withUnsafeBufferPointer { source in
            // EVP_EncodeBlock ends its text with a NUL, which needs room and does not count.
            [UInt8](unsafeUninitializedCapacity: textBytes + 1) { buffer, count in
                count = Int(EVP_EncodeBlock(buffer.baseAddress, source.baseAddress, Int32(source.count)))
            }
        }
    }

    /// The bytes of `text`, or nil unless it is exactly what `encode` makes of them.
    ///
    /// So no white space, no other alphabet, no missing or additional padding, and zero in the unused bits of the last
    /// character (RFC 4648 section 3.5): every value has one text, and a changed text is never the same value.
    package static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        if text.isEmpty { return [] }
        guard text.count <= maximumBytes, text.count % 4 == 0 else { return nil }
        var padding = 0
        if text[text.count - 1] == UInt8(ascii: "=") { padding = text[text.count - 2] == UInt8(ascii: "=") ? 2 : 1 }
        OpenSSLError.clear()
        let bytes = text.withUnsafeBufferPointer { source in
            [UInt8](unsafeUninitializedCapacity: text.count / 4 * 3) { buffer, count in
                let decoded = EVP_DecodeBlock(buffer.baseAddress, source.baseAddress, Int32(source.count))
                // EVP_DecodeBlock counts each padding character as a zero byte.
                count = max(0, Int(decoded) - padding)
            }
        }
        // It also takes white space around the text, misplaced padding and non-zero unused bits; only the canonical
        // text comes back from encoding. Where it failed, `bytes` is empty and the texts differ.
        OpenSSLError.clear()
        let canonical = encode(bytes.span)
        return constantTimeEquals(canonical.span, text) ? bytes : nil
    }
}
