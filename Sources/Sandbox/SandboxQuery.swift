internal import JSON

/// The query of a URL: names and values, percent-decoded, in order.
struct SandboxQuery: Sendable {
    private var items: [(name: String, value: String)] = []

    init() {}

    init(_ text: String?) {
        for item in (text ?? "").utf8.split(separator: UInt8(ascii: "&")) {
            let parts = item.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(parts[0]), let value = parts.count > 1 ? Self.decoded(parts[1]) : "" else {
                continue
            }
            items.append((name, value))
        }
    }

    /// The last value of that name.
    func value(_ name: String) -> String? { items.last { $0.name == name }?.value }

    /// Every value of a list, in each form that Seam takes: `ids=a&ids=b`, `ids=a,b`, `ids[]=a`; `ids=` is the empty list.
    func values(_ name: String) -> [String]? {
        let found = items.filter { $0.name == name || $0.name == name + "[]" }
        guard !found.isEmpty else { return nil }
        return found.flatMap { $0.value.split(separator: ",").map(String.init) }
    }

    /// The members of an object, `name.key=a`, ordered by key as those of a body are; of several with one key the last.
    func members(_ name: String) -> [(key: String, value: String)]? {
        var found: [String: String] = [:]
        for item in items where item.name.hasPrefix(name + ".") {
            found[String(item.name.dropFirst(name.count + 1))] = item.value
        }
        return found.isEmpty ? nil : found.sorted { $0.key < $1.key }.map { (key: $0.key, value: $0.value) }
    }

    /// Writes a value so that it is read again as what it is.
    mutating func append(_ name: String, _ value: JSONValue) {
        switch value {
        case .array([]), .null: items.append((name, ""))
        case .array(let values): for value in values { append(name, value) }
        // An empty string in an object stands for no wish, which a query cannot say.
        case .object(let members):
            for member in members where member.value != "" { append(name + "." + member.key, member.value) }
        case .string(let text): items.append((name, text))
        case .bool, .integer, .number: items.append((name, value.integer.map { "\($0)" } ?? value.description))
        }
    }

    /// As it stands in a URL, without its `?`.
    var text: String {
        items.map { Self.encoded($0.name) + "=" + Self.encoded($0.value) }.joined(separator: "&")
    }

    /// Everything but the unreserved characters is escaped (RFC 3986 section 2.3).
    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        let bytes = text.utf8.flatMap { byte -> [UInt8] in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                [byte]
            default: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Nil where the escapes or the UTF-8 are broken.
    private static func decoded(_ text: some Collection<UInt8>) -> String? {
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "+"): bytes.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
                    return nil
                }
                bytes.append(high << 4 | low)
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
