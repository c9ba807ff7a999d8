internal import JSON
internal import Time

/// The checked parameters of one request, and what a handler may want to know besides.
struct SandboxInput: Sendable {
    let path: String
    /// This Seam's time.
    let now: Timestamp
    /// The scheme and `Host` as sent, for `next_page_url`.
    let origin: String
    private let values: JSONValue

    /// - Throws: 400 `invalid_input` with every parameter that is missing or of the wrong form.
    init(
        _ parameters: [SandboxParameter], query: SandboxQuery, body: JSONValue, path: String, origin: String,
        now: Timestamp
    ) throws(SandboxError) {
        var issues: [(name: String, message: String)] = []
        var values: JSONValue = [:]
        for parameter in parameters {
            guard let value = body[parameter.name] ?? parameter.value(in: query) else {
                if parameter.isRequired { issues.append((parameter.name, "Required")) }
                continue
            }
            if let mistake = SandboxParameter.mistake(in: value, of: parameter.kind) {
                issues.append((parameter.name, mistake))
            } else {
                values[parameter.name] = value
            }
        }
        guard issues.isEmpty else { throw .invalid(issues) }
        self.values = values
        self.path = path
        self.origin = origin
        self.now = now
    }

    func has(_ name: String) -> Bool { values[name] != nil }
    func hasAny(of parameters: [SandboxParameter]) -> Bool { parameters.contains { has($0.name) } }
    func value(_ name: String) -> JSONValue? { values[name] }
    func text(_ name: String) -> String? { values[name]?.string }
    func texts(_ name: String) -> [String]? { values[name]?.array?.compactMap(\.string) }
    func bool(_ name: String) -> Bool? { values[name]?.bool }
    func number(_ name: String) -> Double? { values[name]?.number }
    func members(_ name: String) -> [JSONValue.Member]? { values[name]?.members }
    func timestamp(_ name: String) -> Timestamp? { text(name).flatMap { Timestamp($0) } }

    /// A whole number within bounds, cut to them.
    func integer(_ name: String, in range: ClosedRange<Int>) -> Int? {
        number(name).map { Int(min(max($0, Double(range.lowerBound)), Double(range.upperBound))) }
    }

    /// A number of seconds, at most ten years.
    func seconds(_ name: String) -> Duration? {
        number(name).map { .milliseconds(Int64(min(max($0, 0), 315_360_000) * 1000)) }
    }

    /// A parameter that the table marks as required.
    func required(_ name: String) throws(SandboxError) -> String {
        guard let text = text(name) else { throw .invalid(name, "Required") }
        return text
    }

    /// A page of `items` in their order (Seam's API reference); the cursor names the query and the last item of the page.
    func page<Item>(
        _ items: [Item], id: (Item) -> String, defaultLimit: Int
    ) throws(SandboxError) -> (items: ArraySlice<Item>, pagination: JSONValue) {
        var start = 0
        if let cursor = text("page_cursor") {
            let parts = cursor.split(separator: ".")
            guard parts.count == 2 else { throw .invalid("page_cursor", "Invalid page cursor") }
            guard parts[0] == fingerprint else {
                throw SandboxError(
                    400, "mismatched_page_parameters",
                    "When using next_page_cursor, the request must send parameters identical to the initial request.")
            }
            // Where the item has gone since, the list begins anew: a repeat is better than a gap.
            if let last = items.firstIndex(where: { id($0) == parts[1] }) { start = last + 1 }
        }
        let limit = integer("limit", in: 1...1_000_000) ?? defaultLimit
        let end = min(items.count, start + limit)
        let hasNext = end < items.count
        let cursor = hasNext ? fingerprint + "." + id(items[end - 1]) : nil
        let url = cursor.map { cursor in
            var query = query
            query.append("page_cursor", .string(cursor))
            return "\(origin)\(path)?\(query.text)"
        }
        return (
            items[start..<end],
            [
                "has_next_page": .bool(hasNext), "next_page_cursor": JSONValue(cursor), "next_page_url": JSONValue(url),
            ]
        )
    }

    /// Every parameter but the cursor, the same whether they came in a query or in a body.
    private var query: SandboxQuery {
        var query = SandboxQuery()
        for member in values.members ?? [] where member.key != "page_cursor" { query.append(member.key, member.value) }
        return query
    }

    /// FNV-1a over the path and every parameter but the cursor.
    private var fingerprint: String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in "\(path)?\(query.text)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return String(hash, radix: 16)
    }
}
