/// One outbound HTTP request. Its text names the method and nothing else: URL, headers and body may carry secrets.
package struct ClientRequest: Sendable {
    package var method: String
    /// Absolute, `https://…`; `http://…` only where the host is loopback.
    package var url: String
    package var headers: [(String, String)]
    package var body: [UInt8]?
    /// From `send` to the last byte of the response, waiting in the queue included.
    package var timeout: Duration
    /// A response body longer than this is refused, or cut where `cutsResponse` says so.
    package var maxResponseBytes: Int
    /// Whether a response body that is too long is cut and the response taken as it is: for who needs the status only.
    package var cutsResponse = false
    /// Whether the server may see the request twice. libcurl silently sends a request again when a kept-alive
    /// connection dies before the first byte of an answer (`Curl_retry_request`); false makes a connection of its own,
    /// where it never does.
    package var isRepeatable: Bool

    package init(
        method: String, url: String, headers: [(String, String)] = [], body: [UInt8]? = nil, timeout: Duration,
        maxResponseBytes: Int = 1_048_576, isRepeatable: Bool = true
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.timeout = timeout
        self.maxResponseBytes = maxResponseBytes
        self.isRepeatable = isRepeatable
    }
}

extension ClientRequest: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "a \(method) request" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
