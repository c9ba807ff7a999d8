/// A request whose URL, method and headers have been checked before anything is queued.
struct PreparedRequest: Sendable {
    let request: ClientRequest
    let url: HTTPURL
    /// Lines for libcurl, which sends each as it is.
    let headerLines: [String]

    init(_ request: ClientRequest) throws(ClientError) {
        url = try HTTPURL(request.url)
        guard Self.isToken(request.method), request.method.utf8.count <= 32 else {
            throw .invalidRequest(reason: "has a method that is no HTTP token")
        }
        var lines: [String] = []
        var hasContentType = false
        for (name, value) in request.headers {
            guard Self.isToken(name) else { throw .invalidRequest(reason: "has a header name that is no HTTP token") }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else {
                throw .invalidRequest(reason: "has a control character in a header value")
            }
            // In libcurl "Name:" removes a header; "Name;" is the header with an empty value.
            lines.append(value.isEmpty ? "\(name);" : "\(name): \(value)")
            if name.utf8.count == 12, name.lowercased() == "content-type" { hasContentType = true }
        }
        // libcurl would call any body a form, and ask with Expect before sending a large one.
        if !hasContentType { lines.append("Content-Type:") }
        lines.append("Expect:")
        lines.append("Accept-Encoding: identity")
        headerLines = lines
        self.request = request
    }

    /// RFC 9110 section 5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
