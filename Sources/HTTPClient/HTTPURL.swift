internal import CCurl
internal import Glibc

/// An absolute http or https URL, taken apart by libcurl's own parser, so that what was checked is what is connected
/// to.
package struct HTTPURL: Sendable, Equatable {
    package let isSecure: Bool
    /// A name or an address; an IPv6 address without its brackets.
    package let host: String
    package let port: Int
    /// At least `/`.
    package let path: String
    package let hasQuery: Bool
    package let hasFragment: Bool

    /// `host:port`, the form in which an endpoint may be named in a log or an error.
    package var endpoint: String {
        host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Refuses what must never be asked: another scheme, plain http to a host that is not loopback, a user or a
    /// password.
    ///
    /// - Throws: `ClientError.invalidURL`, whose reason does not quote the URL.
    package init(_ text: String) throws(ClientError) {
        guard !text.isEmpty else { throw .invalidURL(reason: "is empty") }
        guard text.utf8.count <= 8192 else { throw .invalidURL(reason: "is longer than 8192 bytes") }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalidURL(reason: "holds a space, a control character or a character that is not ASCII")
        }
        // libcurl would take "https:///name" for "https://name".
        guard let slashes = text.firstRange(of: "://"), text[slashes.upperBound...].first != "/" else {
            throw .invalidURL(reason: "is not of the form https://host/path")
        }
        guard let handle = curl_url() else { throw .invalidURL(reason: "could not be read: no memory") }
        defer { curl_url_cleanup(handle) }
        let outcome = curl_url_set(handle, CURLUPART_URL, text, UInt32(CURLU_DISALLOW_USER))
        if outcome == CURLUE_USER_NOT_ALLOWED { throw .invalidURL(reason: "must not hold a user or a password") }
        guard outcome == CURLUE_OK, let scheme = Self.part(CURLUPART_SCHEME, of: handle),
            scheme == "https" || scheme == "http"
        else { throw .invalidURL(reason: "is not of the form https://host/path") }
        guard var host = Self.part(CURLUPART_HOST, of: handle), !host.isEmpty,
            let port = Self.part(CURLUPART_PORT, of: handle, flags: UInt32(CURLU_DEFAULT_PORT)).flatMap({ Int($0) })
        else { throw .invalidURL(reason: "names no host") }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard scheme == "https" || isLoopback(host: host) else {
            throw .invalidURL(reason: "must begin with https:// (http:// is only for localhost)")
        }
        isSecure = scheme == "https"
        self.host = host
        self.port = port
        path = Self.part(CURLUPART_PATH, of: handle) ?? "/"
        hasQuery = Self.part(CURLUPART_QUERY, of: handle) != nil
        hasFragment = Self.part(CURLUPART_FRAGMENT, of: handle) != nil
    }

    private static func part(_ part: CURLUPart, of handle: OpaquePointer, flags: UInt32 = 0) -> String? {
        var text: UnsafeMutablePointer<CChar>?
        guard curl_url_get(handle, part, &text, flags) == CURLUE_OK, let text else { return nil }
        defer { curl_free(text) }
        return String(cString: text)
    }
}

/// Whether a host is this machine whatever DNS says: `localhost` (libcurl resolves it itself), 127.0.0.0/8, `::1`.
/// An IPv6 address may stand in brackets.
package func isLoopback(host: String) -> Bool {
    var name = Substring(host)
    if name.utf8.first == UInt8(ascii: "["), name.utf8.last == UInt8(ascii: "]") { name = name.dropFirst().dropLast() }
    // ASCII folding by hand: String.lowercased() folds other scripts' letters into these.
    let folded = name.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    if folded.elementsEqual("localhost".utf8) { return true }
    guard !folded.contains(0) else { return false }
    var address4 = in_addr()
    if inet_pton(AF_INET, String(name), &address4) == 1 { return UInt32(bigEndian: address4.s_addr) >> 24 == 127 }
    var address6 = in6_addr()
    guard inet_pton(AF_INET6, String(name), &address6) == 1 else { return false }
    return withUnsafeBytes(of: address6) { $0.dropLast().allSatisfy { $0 == 0 } && $0.last == 1 }
}
