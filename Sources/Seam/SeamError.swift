package import Policy

/// A call that did not give what was asked for.
package struct SeamError: Error, Sendable, Equatable {
    package var failure: APIFailure
    package var route: String
    /// Nil where no response came.
    package var status: Int?
    package var requestID: String?
    /// What happened, where, and what to do next. Never holds a key, a PIN or the text of a body.
    package var message: String
}

extension SeamError: CustomStringConvertible {
    package var description: String { message }
}

extension SeamError {
    /// - Parameter detail: what the transport says, where it failed.
    init(_ failure: APIFailure, route: String, status: Int? = nil, requestID: String? = nil, detail: String? = nil) {
        self.failure = failure
        self.route = route
        self.status = status
        self.requestID = requestID
        let answer = status.map { "answered HTTP \($0)" } ?? "gave no answer"
        var text = "Seam's \(route) "
        switch failure {
        case .unauthorized:
            text +=
                "refused the API key (HTTP 401): check seam.api_key, and in Seam Console that it is not revoked"
        case .notFound(let type):
            text += "answered HTTP 404 (\(type)): it does not exist there, or not in this key's workspace"
        case .rateLimited(let retryAfter):
            text += "answered HTTP 429: too many requests"
            if let retryAfter { text += "; asks to wait \(retryAfter.components.seconds) s" }
        case .unavailable(let word, _):
            text += "\(answer) (\(word)): it is tried again"
            if let detail { text += "; \(detail)" }
        case .refused(_, let type):
            text +=
                "\(answer) (\(type)): Seam does not accept the request as it is; its documentation explains the word"
        }
        if let requestID { text += "; request id \(requestID)" }
        message = text
    }
}
