internal import HTTPClient

/// What a URL in the configuration must be: `https`, or `http` to this machine itself, so that neither the API key
/// nor a guest's PIN travels in clear. Nothing of the URL is shown, for its path and query may hold a token.
enum URLRules {
    static func check(_ text: String, allowsQuery: Bool) throws(Complaint) {
        let refused = "\"<>\\^`{|}".utf8
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !refused.contains($0) })
        else { throw Complaint(problem: "has a character that no URL has, or is longer than 2048 bytes") }
        let isSecure: Bool
        let rest: Substring
        if text.hasPrefix("https://") {
            (isSecure, rest) = (true, text.dropFirst("https://".count))
        } else if text.hasPrefix("http://") {
            (isSecure, rest) = (false, text.dropFirst("http://".count))
        } else {
            throw Complaint(problem: "does not begin with https://")
        }
        if text.utf8.contains(UInt8(ascii: "#")) { throw Complaint(problem: "has a fragment (#)") }
        if !allowsQuery, text.utf8.contains(UInt8(ascii: "?")) { throw Complaint(problem: "has a query (?)") }
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        if authority.utf8.contains(UInt8(ascii: "@")) {
            throw Complaint(problem: "has a user name or password in it", fix: "remove all up to and with the @")
        }
        let (host, port) = try split(authority)
        guard !host.isEmpty else { throw Complaint(problem: "names no host") }
        if let port {
            let isNumber = !port.isEmpty && port.utf8.allSatisfy { (0x30...0x39).contains($0) }
            guard isNumber, let number = UInt16(port), number > 0 else {
                throw Complaint(problem: "has a port that is not from 1 to 65535")
            }
        }
        if !isSecure, !isLoopback(host: String(host)) {
            throw Complaint(problem: "would send in clear over the network", fix: "use https://")
        }
    }

    /// RFC 3986, 3.2: an IPv6 address is in brackets, so that its colons begin no port.
    private static func split(_ authority: Substring) throws(Complaint) -> (host: Substring, port: Substring?) {
        var host = authority
        var rest = Substring()
        if authority.first == "[" {
            guard let end = authority.firstIndex(of: "]") else { throw Complaint(problem: "has a [ without a ]") }
            host = authority[...end]
            rest = authority[authority.index(after: end)...]
        } else if let colon = authority.firstIndex(of: ":") {
            host = authority[..<colon]
            rest = authority[colon...]
        }
        if rest.isEmpty { return (host, nil) }
        guard rest.first == ":" else { throw Complaint(problem: "has something after its host that is no port") }
        return (host, rest.dropFirst())
    }
}
