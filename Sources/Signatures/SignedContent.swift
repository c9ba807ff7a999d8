internal import Crypto

/// What a signature covers: `id` `.` `timestamp` `.` `body`, each as the bytes received.
enum SignedContent {
    /// The version of a signature made with HMAC-SHA256, the only one supported.
    static let version = Array("v1".utf8)

    /// Longest message id; Svix's own are 31 bytes.
    static let maximumIDBytes = 256

    /// Latest timestamp, the largest of 15 digits: far from where arithmetic on `Int64` overflows.
    static let maximumTimestamp: Int64 = 999_999_999_999_999

    private static let fullStop: [UInt8] = [ASCII.fullStop]

    /// Whether `id` is 1 to 256 visible ASCII characters without a full stop.
    ///
    /// With a full stop, content could be cut in two ways: id `a.1` at time `2` signs the same bytes as id `a` at time
    /// `1` with a body that begins `2.`. The specification forbids it in ids.
    static func isValidID(_ id: some Collection<UInt8>) -> Bool {
        guard (1...maximumIDBytes).contains(id.count) else { return false }
        return id.allSatisfy { (0x21...0x7E).contains($0) && $0 != ASCII.fullStop }
    }

    /// Seconds since 1970 from `[1-9][0-9]{0,14}`, else nil. Only one text for each value: the text is what is signed.
    static func timestamp(_ text: ArraySlice<UInt8>) -> Int64? {
        guard (1...15).contains(text.count), text.first != UInt8(ascii: "0") else { return nil }
        var value: Int64 = 0
        for byte in text {
            guard ASCII.isDigit(byte) else { return nil }
            // At most 15 digits, so neither can overflow.
            value = value * 10 + Int64(byte - UInt8(ascii: "0"))
        }
        return value
    }

    /// The base64 of the code, 44 bytes.
    static func encodedCode(
        id: Span<UInt8>, timestamp: Span<UInt8>, body: Span<UInt8>, secret: SigningSecret
    ) throws(OpenSSLError) -> [UInt8] {
        var code = try HMACSHA256(key: secret.key)
        try code.update(id)
        try code.update(fullStop.span)
        try code.update(timestamp)
        try code.update(fullStop.span)
        try code.update(body)
        let bytes = try code.finish()
        return Base64.encode(bytes.span)
    }
}
