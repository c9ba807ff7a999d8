package import Time

/// An answer of Seam that is not the one asked for, as far as a decision depends on it.
package enum APIFailure: Error, Sendable, Equatable {
    /// 401: the key is missing, wrong or revoked.
    case unauthorized
    /// 404; `type` is the API's word, such as `access_code_not_found`.
    case notFound(type: String)
    /// 429, with `Retry-After` where it was sent.
    case rateLimited(retryAfter: Duration?)
    /// 5xx, a timeout, a broken connection, a 404 that is about no access code, or an answer that is not Seam's JSON; `retryAfter` where it was sent.
    case unavailable(detail: String, retryAfter: Duration?)
    /// Any other 4xx, its `error.type` verbatim.
    case refused(status: Int, type: String)

    /// How long Seam asked to wait, where it did.
    package var retryAfter: Duration? {
        switch self {
        case .rateLimited(let retryAfter), .unavailable(_, let retryAfter): retryAfter
        case .unauthorized, .notFound, .refused: nil
        }
    }

    /// The word kept in the log: `error.type` verbatim where Seam sent one.
    package var errorType: String {
        switch self {
        case .unauthorized: "unauthorized"
        case .notFound(let type): type
        case .rateLimited: "rate_limited"
        case .unavailable(let detail, _): detail
        case .refused(_, let type): type
        }
    }
}

/// What follows from a failed call, other than 404, which calls for a fresh reading of the code.
///
/// - Parameter endsAt: the end of the stay as last read; a failover whose stay is over waits for nothing.
package func decide(after failure: APIFailure, endsAt: Timestamp?, now: Timestamp) -> Decision {
    if let endsAt, endsAt <= now { return .expired }
    return switch failure {
    case .unauthorized: .wait(.unauthorized, until: nil)
    case .rateLimited(let retryAfter): .wait(.rateLimited, until: retryAfter.map { now + $0 })
    case .unavailable(_, let retryAfter): .wait(.seamUnavailable, until: retryAfter.map { now + $0 })
    case .notFound, .refused: .wait(.refused, until: nil)
    }
}
