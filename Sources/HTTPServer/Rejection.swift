/// Why a request is refused: the status to answer with, and a fixed word for the metric.
package struct Rejection: Error, Sendable, Equatable {
    /// 400 to 599.
    package var status: Int
    /// One of the constants below; never holds bytes from the wire.
    package var reason: String

    private init(_ status: Int, _ reason: String) {
        self.status = status
        self.reason = reason
    }

    // RFC 9112 2.2: how lines end, and what no line may hold.
    static let bareCarriageReturn = Rejection(400, "bare_cr")
    static let bareLineFeed = Rejection(400, "bare_lf")
    static let controlByte = Rejection(400, "control_byte")
    static let truncated = Rejection(400, "truncated")
    // RFC 9112 3: the request line.
    static let requestLine = Rejection(400, "request_line")
    static let method = Rejection(400, "method")
    static let methodTooLong = Rejection(501, "method_too_long")
    static let target = Rejection(400, "target")
    static let targetTooLong = Rejection(414, "target_too_long")
    static let versionSyntax = Rejection(400, "version_syntax")
    static let version = Rejection(505, "version")
    // RFC 9112 5: the fields.
    static let headTooLarge = Rejection(431, "head_too_large")
    static let tooManyFields = Rejection(431, "too_many_fields")
    static let foldedField = Rejection(400, "folded_field")
    static let fieldWithoutColon = Rejection(400, "field_without_colon")
    static let fieldName = Rejection(400, "field_name")
    static let repeatedField = Rejection(400, "repeated_field")
    static let hostMissing = Rejection(400, "host_missing")
    static let host = Rejection(400, "host")
    static let connection = Rejection(400, "connection")
    static let expectation = Rejection(417, "expectation")
    // RFC 9112 6 and 7: the content.
    static let contentLength = Rejection(400, "content_length")
    static let lengthAndCoding = Rejection(400, "length_and_coding")
    static let transferEncoding = Rejection(400, "transfer_encoding")
    static let transferCoding = Rejection(501, "transfer_coding")
    static let lengthRequired = Rejection(411, "length_required")
    static let bodyTooLarge = Rejection(413, "body_too_large")
    static let chunkSize = Rejection(400, "chunk_size")
    static let chunkExtension = Rejection(400, "chunk_extension")
    static let chunkLineTooLong = Rejection(400, "chunk_line_too_long")
    static let chunkDataEnd = Rejection(400, "chunk_data_end")
    static let trailer = Rejection(400, "trailer")
    // Time and memory.
    static let headerTimeout = Rejection(408, "header_timeout")
    static let bodyTimeout = Rejection(408, "body_timeout")
    static let overloaded = Rejection(503, "overloaded")
}
