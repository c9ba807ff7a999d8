/// A complete request: everything in it has passed the parser, nothing in it is trusted.
package struct Request: Sendable {
    /// Methods are compared byte by byte: they are case-sensitive (RFC 9110 9.1).
    package enum Method: Sendable, Equatable {
        case get
        case head
        case post
        case put
        case patch
        case delete
        case options
        case other([UInt8])

        init(_ bytes: ArraySlice<UInt8>) {
            switch bytes.count {
            case 3 where bytes.equals("GET"): self = .get
            case 3 where bytes.equals("PUT"): self = .put
            case 4 where bytes.equals("POST"): self = .post
            case 4 where bytes.equals("HEAD"): self = .head
            case 5 where bytes.equals("PATCH"): self = .patch
            case 6 where bytes.equals("DELETE"): self = .delete
            case 7 where bytes.equals("OPTIONS"): self = .options
            default: self = .other(Array(bytes))
            }
        }

        /// As it came.
        package var bytes: [UInt8] {
            switch self {
            case .get: Array("GET".utf8)
            case .head: Array("HEAD".utf8)
            case .post: Array("POST".utf8)
            case .put: Array("PUT".utf8)
            case .patch: Array("PATCH".utf8)
            case .delete: Array("DELETE".utf8)
            case .options: Array("OPTIONS".utf8)
            case .other(let bytes): bytes
            }
        }
    }

    package var method: Method
    /// The raw path of the origin-form target, before any `?`; begins with `/` (RFC 9112 3.2.1).
    package var path: [UInt8]
    /// The raw query without its `?`; nil when there is none.
    package var query: [UInt8]?
    package var headers: Headers
    /// The content with any chunked coding removed.
    package var body: [UInt8]
    /// Where the connection comes from: `203.0.113.7:51234`, `[2001:db8::7]:51234`.
    package var peer: String

    package init(
        method: Method, path: [UInt8], query: [UInt8]? = nil, headers: Headers = Headers(), body: [UInt8] = [],
        peer: String
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
    }

    init(_ head: RequestHead, body: [UInt8]) {
        self.init(
            method: head.method, path: head.path, query: head.query, headers: head.headers, body: body, peer: head.peer)
    }
}

/// A request's line and fields, known before its content has come.
package struct RequestHead: Sendable {
    package var method: Request.Method
    package var path: [UInt8]
    package var query: [UInt8]?
    package var headers: Headers
    /// The declared length in bytes; nil when the content is chunked.
    package var contentLength: Int?
    package var peer: String

    /// The connection ends after the answer: `Connection: close`, or HTTP/1.0.
    var closes = false
    /// The client waits for `100 Continue` before it sends the content (RFC 9110 10.1.1).
    var expectsContinue = false

    package init(
        method: Request.Method, path: [UInt8], query: [UInt8]? = nil, headers: Headers = Headers(),
        contentLength: Int? = 0, peer: String
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.contentLength = contentLength
        self.peer = peer
    }
}
