/// An answer. The server adds `Content-Length` and `Connection` itself, and `Date` where it was given a clock.
package struct Response: Sendable {
    /// 200 to 599; anything else is sent as 500.
    package var status: Int
    /// Written as they are. Left out: the fields that frame the message, and any whose name is not a token or whose
    /// value holds a control byte, so that nothing from outside can add a line.
    package var headers: [(String, String)]
    package var body: [UInt8]
    /// Adds `Connection: close` and ends the connection after this answer.
    package var closesConnection = false
    /// When set, the body goes out one byte per interval: a slow server, for the sandbox.
    package var dripInterval: Duration?

    package init(_ status: Int, headers: [(String, String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

extension Response {
    /// The status line and fields up to and with the empty line (RFC 9112 4, 6.3).
    ///
    /// 204 and 304 have no content and no `Content-Length` (RFC 9110 8.6); every other answer states its length.
    ///
    /// - Parameter date: the line that says when; empty for none.
    func head(closing: Bool, date: [UInt8] = []) -> [UInt8] {
        if status == 204, headers.isEmpty, !closing { return Response.noContent(date) }
        let status = (200...599).contains(status) ? status : 500
        var bytes: [UInt8] = []
        bytes.reserveCapacity(256 + body.count)
        bytes.append(contentsOf: "HTTP/1.1 ".utf8)
        bytes.append(decimal: status)
        bytes.append(Octet.space)
        bytes.append(contentsOf: Response.reason(status).utf8)
        bytes.append(contentsOf: "\r\n".utf8)
        bytes.append(contentsOf: date)
        for (name, value) in headers where Response.isSendable(name, value) {
            bytes.append(contentsOf: name.utf8)
            bytes.append(contentsOf: ": ".utf8)
            bytes.append(contentsOf: value.utf8)
            bytes.append(contentsOf: "\r\n".utf8)
        }
        if hasContent {
            bytes.append(contentsOf: "Content-Length: ".utf8)
            bytes.append(decimal: body.count)
            bytes.append(contentsOf: "\r\n".utf8)
        }
        if closing { bytes.append(contentsOf: "Connection: close\r\n".utf8) }
        bytes.append(contentsOf: "\r\n".utf8)
        return bytes
    }

    /// The answer to nearly every webhook, in one piece of memory.
    private static func noContent(_ date: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(noContentLine.count + date.count + 2)
        bytes.append(contentsOf: noContentLine)
        bytes.append(contentsOf: date)
        bytes.append(Octet.carriageReturn)
        bytes.append(Octet.lineFeed)
        return bytes
    }

    private static let noContentLine = Array("HTTP/1.1 204 No Content\r\n".utf8)

    /// False for the statuses that never have content (RFC 9110 15.3.5, 15.4.5).
    var hasContent: Bool { status != 204 && status != 304 }

    private static func isSendable(_ name: String, _ value: String) -> Bool {
        guard name.utf8.isToken, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != Octet.delete }) else {
            return false
        }
        return !name.utf8.equalsIgnoringCase("content-length") && !name.utf8.equalsIgnoringCase("transfer-encoding")
            && !name.utf8.equalsIgnoringCase("connection")
    }

    /// The reason phrase of RFC 9110 15; empty for a status without one, which RFC 9112 4 allows.
    private static func reason(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 301: "Moved Permanently"
        case 302: "Found"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 409: "Conflict"
        case 410: "Gone"
        case 411: "Length Required"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: ""
        }
    }
}

extension [UInt8] {
    /// Appends a number that is not negative in decimal digits.
    fileprivate mutating func append(decimal number: Int) {
        let start = count
        var rest = number
        repeat {
            append(UInt8(0x30 + rest % 10))
            rest /= 10
        } while rest > 0
        self[start...].reverse()
    }
}
