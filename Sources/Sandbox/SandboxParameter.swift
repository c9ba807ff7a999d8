internal import JSON
internal import Time

/// One parameter of a route, as far as its value is checked.
struct SandboxParameter: Sendable {
    enum Kind: Sendable, Equatable {
        /// `text` is not empty, `freeText` may be.
        case uuid, text, freeText, boolean, number, timestamp, uri, pin, object
        case oneOf([String])
        indirect case list(Kind)
        /// Anything that JSON can say.
        case any
    }

    var name: String
    var kind: Kind
    var isRequired: Bool
    /// An empty value in a query is null, as the official clients write it, and as good as none.
    var isNullable: Bool

    init(_ name: String, _ kind: Kind, required: Bool = false, nullable: Bool = false) {
        self.name = name
        self.kind = kind
        isRequired = required
        isNullable = nullable
    }

    /// What is wrong with a value, in zod's words; nil where nothing is.
    static func mistake(in value: JSONValue, of kind: Kind) -> String? {
        switch kind {
        case .any: return nil
        case .boolean: return value.bool == nil ? "Expected boolean" : nil
        case .number: return value.number?.isFinite != true ? "Expected number" : nil
        case .object: return value.members == nil ? "Expected object" : nil
        case .list(let element):
            guard let values = value.array else { return "Expected array" }
            return values.lazy.compactMap { mistake(in: $0, of: element) }.first
        default: break
        }
        guard let text = value.string else { return "Expected string" }
        switch kind {
        case .uuid: return isUUID(text) ? nil : "Invalid uuid"
        case .timestamp: return Timestamp(text) == nil ? "Invalid datetime" : nil
        case .uri: return isWebURL(text) ? nil : "Invalid url"
        case .pin:
            let isPIN = (4...12).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
            return isPIN ? nil : "Invalid code: 4 to 12 digits"
        case .oneOf(let words): return words.contains(text) ? nil : "Invalid enum value"
        case .freeText: return nil
        default: return text.isEmpty ? "String must contain at least 1 character(s)" : nil
        }
    }

    /// The value in a query, where everything is text.
    func value(in query: SandboxQuery) -> JSONValue? {
        if case .list = kind { return query.values(name).map { .array($0.map(JSONValue.string)) } }
        if kind == .object, let members = query.members(name) {
            return .object(members.map { .init($0.key, $0.value.isEmpty ? .null : .string($0.value)) })
        }
        guard let text = query.value(name), !(isNullable && text.isEmpty) else { return nil }
        return switch kind {
        case .boolean: text == "true" ? true : text == "false" ? false : .string(text)
        case .number: Double(text).flatMap { $0.isFinite ? .number($0) : nil } ?? .string(text)
        default: .string(text)
        }
    }

    private static func isUUID(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard bytes.count == 36 else { return false }
        return bytes.enumerated().allSatisfy { position, byte in
            switch position {
            case 8, 13, 18, 23: byte == 0x2D
            default: (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte | 0x20)
            }
        }
    }

    private static func isWebURL(_ text: String) -> Bool {
        let host = text.hasPrefix("https://") ? text.dropFirst(8) : text.hasPrefix("http://") ? text.dropFirst(7) : ""
        return !host.isEmpty && !host.hasPrefix("/") && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
    }
}
