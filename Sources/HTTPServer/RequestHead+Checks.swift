extension RequestHead {
    /// What the fields mean for the message as a whole, once all are known.
    init(_ line: RequestLine, _ headers: Headers, limits: Limits, peer: String) throws(Rejection) {
        self.init(method: line.method, path: line.path, query: line.query, headers: headers, peer: peer)
        closes = line.isVersion10
        let known = KnownFields(headers)
        try checkHost(known, isRequired: !line.isVersion10)
        // A field that is not a list must not come twice (RFC 9110 5.3): which one counts is anybody's guess.
        // Content-Encoding is a list; of it and of Expect one line is all that an honest sender needs.
        guard !known.isOtherRepeated else { throw .repeatedField }
        contentLength = try framing(known, isVersion10: line.isVersion10, limits: limits)
        if known.hasConnection { try readConnection() }
        if let expectation = known.expect, !line.isVersion10 { try readExpect(headers.value(expectation)) }
    }

    /// Exactly one valid Host: none in HTTP/1.1, more than one, or an invalid one is 400 (RFC 9112 3.2).
    private func checkHost(_ known: KnownFields, isRequired: Bool) throws(Rejection) {
        guard !known.isHostRepeated else { throw .repeatedField }
        if let host = known.host {
            guard HostSyntax.isValid(headers.value(host)) else { throw .host }
        } else if isRequired {
            throw .hostMissing
        }
    }

    /// The length of the content; nil for chunked (RFC 9112 6.3).
    private func framing(
        _ known: KnownFields, isVersion10: Bool, limits: Limits
    ) throws(Rejection) -> Int? {
        let length = known.contentLength
        if let coding = known.transferEncoding.map({ headers.value($0) }) {
            // Both is how requests are smuggled; 6.1 lets a server reject it, and a coding in HTTP/1.0 is faulty framing.
            guard length == nil, !isVersion10 else { throw .lengthAndCoding }
            if coding.equalsIgnoringCase("chunked") { return nil }
            // A coding that is not understood is 501 (6.1), what is no list of codings at all is 400.
            let codings = coding.split(separator: Octet.comma, omittingEmptySubsequences: false)
            throw codings.allSatisfy({ $0.trimmingBlanks.isToken }) ? .transferCoding : .transferEncoding
        }
        guard let length else {
            // These carry content, so they say how much: 411 (RFC 9110 15.5.12). All others have none (RFC 9112 6.3).
            switch method {
            case .post, .put, .patch: if limits.requiresLength { throw .lengthRequired }
            default: break
            }
            return 0
        }
        return try RequestHead.contentLength(headers.value(length), limit: limits.maxBodyBytes)
    }

    /// Content-Length = 1*DIGIT (RFC 9110 8.6). A list of equal lengths, which 8.6 lets a recipient repair, a sign and
    /// leading zeros are refused: no sender needs them, and servers have read them differently.
    static func contentLength(_ value: ArraySlice<UInt8>, limit: Int) throws(Rejection) -> Int {
        guard !value.isEmpty, value.allSatisfy(\.isDigit), value.count == 1 || value.first != 0x30 else {
            throw .contentLength
        }
        // 18 digits cannot overflow 64 bits.
        guard value.count <= 18 else { throw .bodyTooLarge }
        let length = value.reduce(0) { $0 * 10 + Int($1 - 0x30) }
        guard length <= limit else { throw .bodyTooLarge }
        return length
    }

    /// Connection = #connection-option; `close` ends the connection after the answer (RFC 9112 9.6), and HTTP/1.0 is
    /// never kept alive, which 9.3 leaves to the server. Empty list elements are allowed (RFC 9110 5.6.1.2).
    private mutating func readConnection() throws(Rejection) {
        for value in headers.values("connection") {
            for part in value.split(separator: Octet.comma) {
                let option = part.trimmingBlanks
                guard option.isEmpty || option.isToken else { throw .connection }
                if option.equalsIgnoringCase("close") { closes = true }
            }
        }
    }

    /// `100-continue` is the only expectation there is, any other is 417; HTTP/1.0 cannot have one (RFC 9110 10.1.1).
    private mutating func readExpect(_ expectation: ArraySlice<UInt8>) throws(Rejection) {
        guard expectation.equalsIgnoringCase("100-continue") else { throw .expectation }
        expectsContinue = true
    }
}

extension ArraySlice<UInt8> {
    /// Without the blanks around it (OWS, RFC 9110 5.6.3).
    var trimmingBlanks: ArraySlice<UInt8> {
        var rest = self
        while let first = rest.first, first.isBlank { rest = rest.dropFirst() }
        while let last = rest.last, last.isBlank { rest = rest.dropLast() }
        return rest
    }
}
