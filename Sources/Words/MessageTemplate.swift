/// A text with places for what differs from guest to guest.
///
/// `{pin}` is replaced by the value; what stands in square brackets is left out as a whole when one of its values is unknown;
/// `{{`, `}}`, `[[` and `]]` are the signs themselves.
package struct MessageTemplate: Sendable, Equatable {
    /// Why a template cannot be used, without a full stop.
    package struct Problem: Error, Sendable, Equatable {
        package var problem: String
        package var fix: String
    }

    private enum Part: Equatable {
        case text(String)
        case value(String)
        case optional([Part])
    }

    package var text: String

    package init(_ text: String) { self.text = text }

    /// - Parameters:
    ///   - names: what may stand in braces.
    ///   - required: what has to, outside brackets.
    package func check(names: [String], required: [String]) throws(Problem) {
        let parts = try Self.parts(of: text)
        for name in parts.flatMap(Self.names) where !names.contains(name) {
            throw Problem(
                problem: "`{\(name)}` is no value that it could have",
                fix: "write one of " + names.map { "{\($0)}" }.joined(separator: ", "))
        }
        for name in required where !parts.contains(.value(name)) {
            throw Problem(problem: "`{\(name)}` is missing", fix: "put {\(name)} into it, outside square brackets")
        }
        for case .optional(let inner) in parts where inner.flatMap(Self.names).isEmpty {
            throw Problem(
                problem: "there is no value between [ and ]", fix: "write [[ and ]] for the signs themselves")
        }
    }

    /// The text with its values; one that is unknown outside brackets is left out.
    package func filled(_ values: [String: String]) -> String {
        guard let parts = try? Self.parts(of: text) else { return text }
        return parts.map { Self.filled($0, values) ?? "" }.joined()
    }

    private static func filled(_ part: Part, _ values: [String: String]) -> String? {
        switch part {
        case .text(let text): return text
        case .value(let name): return values[name]
        case .optional(let inner):
            let filled = inner.map { Self.filled($0, values) }
            return filled.contains(nil) ? nil : filled.compactMap(\.self).joined()
        }
    }

    private static func names(_ part: Part) -> [String] {
        switch part {
        case .text: []
        case .value(let name): [name]
        case .optional(let inner): inner.flatMap(names)
        }
    }

    private static func parts(of text: String) throws(Problem) -> [Part] {
        var parts: [Part] = []
        var optional: [Part]?
        var literal = ""
        func append(_ part: Part) {
            if optional == nil { parts.append(part) } else { optional?.append(part) }
        }
        func endLiteral() {
            if !literal.isEmpty { append(.text(literal)) }
            literal = ""
        }
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            guard "{}[]".unicodeScalars.contains(scalar) else {
                literal.unicodeScalars.append(scalar)
                continue
            }
            if rest.first == scalar {
                rest.removeFirst()
                literal.unicodeScalars.append(scalar)
                continue
            }
            endLiteral()
            switch scalar {
            case "{":
                guard let end = rest.firstIndex(of: "}") else {
                    throw Problem(problem: "a `{` is not closed", fix: "write {name}, or {{ for the sign itself")
                }
                append(.value(String(rest[..<end])))
                rest = rest[rest.index(after: end)...]
            case "[":
                guard optional == nil else {
                    throw Problem(problem: "a `[` stands within brackets", fix: "close the first one before it")
                }
                optional = []
            case "]":
                guard let inner = optional else {
                    throw Problem(problem: "a `]` closes nothing", fix: "write ]] for the sign itself")
                }
                optional = nil
                parts.append(.optional(inner))
            default:
                throw Problem(problem: "a `}` closes nothing", fix: "write }} for the sign itself")
            }
        }
        endLiteral()
        guard optional == nil else {
            throw Problem(problem: "a `[` is not closed", fix: "close it, or write [[ for the sign itself")
        }
        return parts
    }
}
