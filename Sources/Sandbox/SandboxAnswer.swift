internal import JSON

/// What the simulated Seam does with a request. How it is carried out is another's: the socket server's, or the transport's.
package struct SandboxAnswer: Sendable, Equatable {
    package enum Effect: Sendable, Equatable {
        case answer
        /// Never answers; the connection stays open for two minutes.
        case drop
        /// The connection is reset.
        case reset
        /// The body goes out one byte per interval.
        case drip(interval: Duration)
        /// The answer comes after this time.
        case delay(Duration)
    }

    package var status: Int
    /// Names in lower case.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]
    package var effect: Effect

    package static func == (left: Self, right: Self) -> Bool {
        left.status == right.status && left.body == right.body && left.effect == right.effect
            && left.headers.elementsEqual(right.headers) { $0 == $1 }
    }

    init(status: Int, json: JSONValue) {
        self.status = status
        headers = [("content-type", "application/json; charset=utf-8")]
        body = json.bytes
        effect = .answer
    }

    init(status: Int, contentType: String?, body: String) {
        self.status = status
        headers = contentType.map { [("content-type", $0)] } ?? []
        self.body = Array(body.utf8)
        effect = .answer
    }

    package func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// An error as Seam words it (Seam's API reference).
struct SandboxError: Error {
    var status: Int
    var type: String
    var message: String
    var data: JSONValue?
    var validationErrors: JSONValue?

    init(_ status: Int, _ type: String, _ message: String, data: JSONValue? = nil, validationErrors: JSONValue? = nil) {
        self.status = status
        self.type = type
        self.message = message
        self.data = data
        self.validationErrors = validationErrors
    }

    static func notFound(_ type: String, _ message: String, _ key: String, _ id: String) -> SandboxError {
        SandboxError(404, type, message, data: .object([.init(key, .string(id))]))
    }

    static func accessCode(_ id: String) -> SandboxError {
        notFound("access_code_not_found", "Access code not found", "access_code_id", id)
    }

    static func device(_ id: String) -> SandboxError {
        notFound("device_not_found", "Device not found", "device_id", id)
    }

    /// 400 `invalid_input` in the form of zod's `error.format()`.
    static func invalid(_ issues: [(name: String, message: String)]) -> SandboxError {
        let message =
            issues.count == 1
            ? text(of: issues[0])
            : "\(issues.count) Input Errors: " + issues.map(text(of:)).joined(separator: ", ")
        var members: [JSONValue.Member] = [.init("_errors", [])]
        for issue in issues { members.append(.init(issue.name, ["_errors": [.string(issue.message)]])) }
        return SandboxError(400, "invalid_input", message, validationErrors: .object(members))
    }

    static func invalid(_ name: String, _ message: String) -> SandboxError { invalid([(name, message)]) }

    func answer(requestID: String) -> SandboxAnswer {
        var error: JSONValue = ["type": .string(type), "message": .string(message), "request_id": .string(requestID)]
        if let data { error["data"] = data }
        if let validationErrors { error["validation_errors"] = validationErrors }
        return SandboxAnswer(status: status, json: ["error": error, "ok": false])
    }

    private static func text(of issue: (name: String, message: String)) -> String {
        issue.message == "Required" ? "\(issue.name) is required" : "\(issue.message) for \"\(issue.name)\""
    }
}
