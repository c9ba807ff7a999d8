internal import HTTPClient
internal import JSON
internal import Policy
internal import Time

/// What one HTTP response means (Seam's API reference).
struct ResponseReading {
    let status: Int
    let requestID: String?
    let outcome: Result<JSONValue, APIFailure>

    init(_ response: ClientResponse, now: Timestamp) {
        status = response.status
        let body = try? JSONValue(parsing: response.body)
        let error = body?["error"]
        requestID = (response.header("seam-request-id") ?? error?["request_id"]?.string).flatMap { visible($0) }
        let type = error?["type"]?.string.flatMap { visible($0) }
        let retryAfter = response.retryAfter(now: now)
        let httpWord = "http_\(response.status)"
        outcome =
            switch response.status {
            case 200..<300: Self.success(body)
            case 401: .failure(.unauthorized)
            case 404 where Self.namesWhatIsMissing(type, message: error?["message"]?.string):
                .failure(.notFound(type: type ?? httpWord))
            case 404: .failure(.unavailable(detail: type ?? httpWord, retryAfter: retryAfter))
            case 429: .failure(.rateLimited(retryAfter: retryAfter))
            case 408: .failure(.unavailable(detail: httpWord, retryAfter: retryAfter))
            case 400..<500: .failure(.refused(status: response.status, type: type ?? httpWord))
            default: .failure(.unavailable(detail: httpWord, retryAfter: retryAfter))
            }
    }

    /// Whether a 404 says that the access code, or whatever was asked for, is not there. One without Seam's envelope is a proxy's; one
    /// of a route, or of the workspace, comes of a wrong base URL or key: neither says anything about a guest's code.
    private static func namesWhatIsMissing(_ type: String?, message: String?) -> Bool {
        guard let type else { return false }
        // The official fake's `/access_codes/get` names it in the message alone.
        if type == "not_found" { return message?.lowercased() == "access code not found" }
        return type.hasSuffix("_not_found") && type != "workspace_not_found"
    }

    private static func success(_ body: JSONValue?) -> Result<JSONValue, APIFailure> {
        guard let body, body.members != nil else { return .failure(.unavailable(detail: "not_json", retryAfter: nil)) }
        guard body["ok"]?.bool != false else { return .failure(.unavailable(detail: "not_ok", retryAfter: nil)) }
        return .success(body)
    }
}

/// At most 100 visible ASCII characters, others as `?`; nil for an empty text.
private func visible(_ text: String) -> String? {
    text.isEmpty
        ? nil : String(decoding: text.utf8.prefix(100).map { (0x21...0x7E).contains($0) ? $0 : 0x3F }, as: UTF8.self)
}

/// Whether a text can be an identifier of Seam's: 1 to 128 visible ASCII characters. They are UUIDs today, but nothing
/// here depends on that.
func isIdentifier(_ text: String) -> Bool {
    (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
}

extension JSONValue {
    /// The member as an identifier, nil where it is none.
    func identifier(_ key: String) -> String? {
        self[key]?.string.flatMap { isIdentifier($0) ? $0 : nil }
    }

    func timestamp(_ key: String) -> Timestamp? {
        self[key]?.string.flatMap { Timestamp($0) }
    }
}
