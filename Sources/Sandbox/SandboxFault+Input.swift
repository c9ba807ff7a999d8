internal import JSON

// How faults are written in the JSON of the control routes.
extension SandboxFault {
    static let parameters: [SandboxParameter] = [
        .init("kind", .oneOf(words), required: true), .init("route", .text), .init("count", .number),
        .init("access_code_id", .uuid), .init("status", .number), .init("type", .text), .init("retry_after", .text),
        .init("seconds", .number), .init("reads", .number), .init("key", .text),
    ]

    private static let words = [
        "error", "rate_limited", "server_error", "not_found", "empty", "html", "timeout", "reset", "reset_after_commit",
        "drip", "delay", "null_code", "extra_fields", "unknown_enums", "omit", "microseconds",
    ]

    /// `count` is 1 unless given; 0 means until cleared. `seconds` is the delay, or the interval of a drip (0.01).
    init(_ input: SandboxInput) throws(SandboxError) {
        let status = input.integer("status", in: 200...599)
        let retryAfter = input.text("retry_after")
        let kind: Kind =
            switch try input.required("kind") {
            case "error":
                .error(
                    status: status ?? 500, type: input.text("type") ?? "internal_server_error", retryAfter: retryAfter)
            case "rate_limited":
                .error(status: 429, type: input.text("type") ?? "rate_limit_exceeded", retryAfter: retryAfter)
            case "server_error": .error(status: 500, type: "internal_server_error", retryAfter: retryAfter)
            case "not_found":
                .error(status: 404, type: input.text("type") ?? "access_code_not_found", retryAfter: nil)
            case "empty": .empty(status: status ?? 503, retryAfter: retryAfter)
            case "html": .html(status: status ?? 502)
            case "timeout": .timeout
            case "reset": .reset
            case "reset_after_commit": .resetAfterCommit
            case "drip": .drip(interval: input.seconds("seconds") ?? .milliseconds(10))
            case "delay": .delay(input.seconds("seconds") ?? .seconds(1))
            case "null_code": .nullCode(reads: input.integer("reads", in: 1...1_000_000) ?? 1)
            case "extra_fields": .extraFields
            case "unknown_enums": .unknownEnums
            case "omit": .omit(try input.required("key"))
            default: .microseconds
            }
        let count = input.integer("count", in: 0...1_000_000) ?? 1
        self.init(
            kind, route: input.text("route"), count: count == 0 ? nil : count,
            accessCodeID: input.text("access_code_id"))
    }
}

extension SandboxWebhookFault {
    static let words = [
        "duplicate_message", "duplicate_event", "drop", "reorder", "stale_timestamp", "bad_signature", "delay",
    ]

    /// `count` is 1 unless given; 0 means until cleared. For `reorder` it is how many messages are sent in reverse.
    init(_ input: SandboxInput) throws(SandboxError) {
        let count = input.integer("count", in: 0...1_000_000) ?? 1
        let kind: Kind =
            switch try input.required("kind") {
            case "duplicate_message": .duplicateMessage
            case "duplicate_event": .duplicateEvent
            case "drop": .drop
            case "reorder": .reorder(max(2, count))
            case "stale_timestamp": .staleTimestamp(by: input.seconds("seconds") ?? .seconds(600))
            case "bad_signature": .badSignature
            default: .delay(input.seconds("seconds") ?? .seconds(5))
            }
        self.init(kind, eventType: input.text("event_type"), count: count == 0 ? nil : count)
    }
}
