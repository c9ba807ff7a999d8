/// Why a request has no response. Texts name the endpoint as host and port: never a path, a query, a header or a body.
package enum ClientError: Error, Sendable, Equatable {
    /// `reason` says how far it came: `no connection`, `no complete answer`, `no free connection`.
    case timeout(endpoint: String, reason: String)
    /// No such host, refused, unreachable, or no libcurl.
    case cannotConnect(endpoint: String, reason: String)
    case tls(endpoint: String, reason: String)
    /// The body or the head of the response is larger than the limit.
    case tooLarge(endpoint: String, limitBytes: Int)
    /// Reset, closed early, cut short, or no HTTP. The server may have acted on the request.
    case connectionBroken(endpoint: String, reason: String)
    /// Refused before any connection was made.
    case invalidURL(reason: String)
    /// A method or header that HTTP cannot carry; refused before any connection was made.
    case invalidRequest(reason: String)
    /// As many requests wait as may wait; this one was not sent.
    case busy(limit: Int)
    /// The task was cancelled. The server may have acted on the request.
    case cancelled

    /// One word for metrics and the log.
    package var word: String {
        switch self {
        case .timeout: "timeout"
        case .cannotConnect: "connection_failed"
        case .tls: "tls"
        case .tooLarge: "response_too_large"
        case .connectionBroken: "connection_broken"
        case .invalidURL: "invalid_url"
        case .invalidRequest: "invalid_request"
        case .busy: "client_busy"
        case .cancelled: "cancelled"
        }
    }
}

extension ClientError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .timeout(let endpoint, let reason): "timed out at \(endpoint): \(reason) in time"
        case .cannotConnect(let endpoint, let reason): "cannot connect to \(endpoint): \(reason)"
        case .tls(let endpoint, let reason): "TLS with \(endpoint) failed: \(reason)"
        case .tooLarge(let endpoint, let limit): "the response of \(endpoint) is larger than \(limit) bytes"
        case .connectionBroken(let endpoint, let reason): "the connection to \(endpoint) broke: \(reason)"
        case .invalidURL(let reason): "the URL \(reason)"
        case .invalidRequest(let reason): "the request \(reason)"
        case .busy(let limit): "\(limit) requests are waiting already; this one was not sent"
        case .cancelled: "the request was cancelled"
        }
    }
}
