/// A field that says how a message is framed, routed and to be answered.
enum KnownField {
    case host, expect, connection, contentType, contentLength, contentEncoding, transferEncoding

    var name: StaticString {
        switch self {
        case .host: "host"
        case .expect: "expect"
        case .connection: "connection"
        case .contentType: "content-type"
        case .contentLength: "content-length"
        case .contentEncoding: "content-encoding"
        case .transferEncoding: "transfer-encoding"
        }
    }
}

/// Where the known fields of a head are, found in one pass over it.
struct KnownFields {
    /// Each the index of the first line with this name.
    private(set) var host: Int?
    private(set) var contentLength: Int?
    private(set) var transferEncoding: Int?
    private(set) var expect: Int?
    private var contentType: Int?
    private var contentEncoding: Int?

    private(set) var hasConnection = false
    private(set) var isHostRepeated = false
    /// Another field that must not come twice does.
    private(set) var isOtherRepeated = false

    init(_ headers: Headers) {
        for index in 0..<headers.count {
            switch headers.known(index) {
            case nil: break
            case .connection: hasConnection = true
            case .host: Self.note(index, &host, &isHostRepeated)
            case .expect: Self.note(index, &expect, &isOtherRepeated)
            case .contentType: Self.note(index, &contentType, &isOtherRepeated)
            case .contentLength: Self.note(index, &contentLength, &isOtherRepeated)
            case .contentEncoding: Self.note(index, &contentEncoding, &isOtherRepeated)
            case .transferEncoding: Self.note(index, &transferEncoding, &isOtherRepeated)
            }
        }
    }

    private static func note(_ index: Int, _ first: inout Int?, _ isRepeated: inout Bool) {
        if first == nil { first = index } else { isRepeated = true }
    }
}
