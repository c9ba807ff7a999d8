/// One call that was made, for the journal, the metrics and the log. It holds no PIN and nothing of a body.
package struct APICall: Sendable, Equatable {
    /// A fixed and small set, fit for a metric's label.
    package enum Outcome: String, Sendable, CaseIterable {
        case ok, unauthorized, refused, unavailable
        case notFound = "not_found"
        case rateLimited = "rate_limited"
    }

    /// Such as `/access_codes/get`.
    package var route: String
    package var outcome: Outcome
    /// `APIFailure.errorType` where the call failed: Seam's own word, or one of ours such as `timeout`.
    package var errorType: String?
    /// Nil where no response came.
    package var status: Int?
    /// `seam-request-id`: what Seam's support asks for.
    package var requestID: String?
    package var duration: Duration
    /// How long Seam asked to wait.
    package var retryAfter: Duration?
    package var accessCodeID: String?
    package var deviceID: String?
}
