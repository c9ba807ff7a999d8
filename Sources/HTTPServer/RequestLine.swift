/// `method SP request-target SP HTTP-version` (RFC 9112 3), each part checked.
struct RequestLine: Sendable {
    var method = Request.Method.get
    var path: [UInt8] = []
    var query: [UInt8]?
    /// HTTP/1.0, else HTTP/1.1.
    var isVersion10 = false

    init() {}

    init(_ line: ArraySlice<UInt8>, limits: Limits) throws(Rejection) {
        // Exactly one SP between the parts. RFC 9112 3 lets a lenient recipient split at any blanks; this one does not.
        guard let methodEnd = line.firstIndex(of: Octet.space) else { throw .requestLine }
        guard let targetEnd = line[(methodEnd + 1)...].firstIndex(of: Octet.space) else { throw .requestLine }
        let method = line[..<methodEnd]
        let target = line[methodEnd + 1..<targetEnd]
        let version = line[(targetEnd + 1)...]

        // method = token, case-sensitive (RFC 9110 9.1).
        guard method.isToken else { throw .method }
        // CONNECT takes the authority-form alone, and what follows it would be no HTTP (RFC 9112 3.2.3, RFC 9110 9.3.6);
        // PRI is the beginning of HTTP/2 and nothing else (RFC 9113 3.4).
        guard !method.elementsEqual("CONNECT".utf8), !method.elementsEqual("PRI".utf8) else { throw .target }
        guard target.count <= limits.maxTargetBytes else { throw .targetTooLong }
        self.method = Request.Method(method)
        try RequestLine.check(target)
        try readVersion(version)

        if let mark = target.firstIndex(of: Octet.question) {
            path = Array(target[..<mark])
            query = Array(target[(mark + 1)...])
        } else {
            path = Array(target)
        }
    }

    /// origin-form only (RFC 9112 3.2.1). The absolute-form, which 3.2.2 wants every server to accept, is for proxies:
    /// nothing that talks to this server is told to use it as one. The authority-form is for CONNECT and the asterisk
    /// for OPTIONS, which nothing here serves. A fragment is never sent (RFC 9110 7.1).
    private static func check(_ target: ArraySlice<UInt8>) throws(Rejection) {
        guard target.first == Octet.slash else { throw .target }
        var index = target.startIndex
        while index < target.endIndex {
            let byte = target[index]
            guard byte > Octet.space, byte < Octet.delete, byte != Octet.hash else { throw .target }
            if byte == Octet.percent {
                // pct-encoded = "%" HEXDIG HEXDIG (RFC 3986 2.1).
                guard target.endIndex - index > 2, target[index + 1].hexValue != nil, target[index + 2].hexValue != nil
                else { throw .target }
                index += 2
            }
            index += 1
        }
    }

    /// `"HTTP/" DIGIT "." DIGIT`, case-sensitive (RFC 9112 2.3). Other well-formed versions are 505 (RFC 9110 15.6.6).
    ///
    /// 1.0 is taken because that is what nginx speaks to an upstream unless told otherwise (`proxy_http_version`, 1.0 by
    /// default in the nginx of Debian 12), and a listener behind a proxy is one of the ways to run this server. It is
    /// never kept alive and never chunked.
    private mutating func readVersion(_ version: ArraySlice<UInt8>) throws(Rejection) {
        let start = version.startIndex
        guard version.count == 8, version.prefix(5).equals("HTTP/"), version[start + 5].isDigit,
            version[start + 6] == Octet.dot, version[start + 7].isDigit
        else { throw .versionSyntax }
        guard version[start + 5] == 0x31, version[start + 7] <= 0x31 else { throw .version }
        isVersion10 = version[start + 7] == 0x30
    }
}
