internal import Time
internal import Words

/// How the values of a key are read and written, and what is expected of them.
struct ValueType<Value: Equatable & Sendable>: Sendable {
    /// For `Write …`: `a duration from 1s to 1h`.
    let expected: String
    let isList: Bool
    let read: @Sendable (WrittenValue) throws(Complaint) -> Value
    /// The value in the file's form.
    let text: @Sendable (Value) -> String
}

extension ValueType {
    static func scalar(
        _ expected: String, text: @escaping @Sendable (Value) -> String,
        read: @escaping @Sendable (String) throws(Complaint) -> Value
    ) -> ValueType {
        ValueType(
            expected: expected, isList: false,
            read: { written throws(Complaint) in
                switch written {
                case .scalar(""): throw Complaint(problem: "is empty")
                case .scalar(let text): return try read(text)
                case .list: throw Complaint(problem: "is a list, not a single value")
                case .nested: throw Complaint(problem: "has keys below it, but is no section")
                case .nothing: throw Complaint(problem: "has no value")
                }
            }, text: text)
    }
}

extension ValueType<Int> {
    /// Decimal digits; in the file quotation marks around them do no harm.
    static func number(_ range: ClosedRange<Int>, unit: String = "") -> ValueType {
        let unit = unit.isEmpty ? "" : " of \(unit)"
        return scalar(
            "a whole number\(unit) from \(range.lowerBound) to \(range.upperBound)", text: { "\($0)" },
            read: { text throws(Complaint) in
                let digits = text.utf8.drop { $0 == UInt8(ascii: "-") }
                guard !digits.isEmpty, digits.allSatisfy({ (0x30...0x39).contains($0) }),
                    digits.count == 1 || digits.first != UInt8(ascii: "0")
                else {
                    throw Complaint(problem: "\(text.shown) is not a whole number")
                }
                // More digits than an Int holds are out of every range.
                guard let number = Int(text), range.contains(number) else {
                    throw Complaint(problem: "\(text.shown) is out of range")
                }
                return number
            })
    }
}

extension ValueType<Duration> {
    static func duration(_ range: ClosedRange<Duration>) -> ValueType {
        scalar(
            "a duration from \(range.lowerBound.configured) to \(range.upperBound.configured), "
                + "in the units ms, s, m, h or d",
            text: \.configured,
            read: { text throws(Complaint) in
                guard let duration = Duration(configured: text) else {
                    let isBareNumber = text.utf8.allSatisfy { (0x30...0x39).contains($0) }
                    throw Complaint(problem: "\(text.shown) \(isBareNumber ? "has no unit" : "is not a duration")")
                }
                guard range.contains(duration) else { throw Complaint(problem: "\(text.shown) is out of range") }
                return duration
            })
    }
}

extension ValueType<Bool> {
    /// Only these two words: YAML's other ones differ between its versions.
    static var flag: ValueType {
        scalar(
            "true or false", text: { "\($0)" },
            read: { text throws(Complaint) in
                switch text {
                case "true": return true
                case "false": return false
                default: throw Complaint(problem: "\(text.shown) is neither true nor false")
                }
            })
    }
}

extension ValueType where Value: RawRepresentable & CaseIterable, Value.RawValue == String {
    static var choice: ValueType {
        let words = Value.allCases.map(\.rawValue)
        return scalar(
            "one of \(words.joined(separator: ", "))", text: \.rawValue,
            read: { text throws(Complaint) in
                guard let value = Value(rawValue: text) else {
                    let nearest = Suggestion.nearest(to: text, among: words).map { "write \($0)" }
                    throw Complaint(problem: "\(text.shown) is none of its values", fix: nearest)
                }
                return value
            })
    }
}

extension ValueType<String> {
    static func string(
        _ expected: String, check: @escaping @Sendable (String) throws(Complaint) -> Void
    ) -> ValueType {
        scalar(
            expected, text: { $0 },
            read: { text throws(Complaint) in
                try check(text)
                return text
            })
    }

    /// A daemon's working directory is nobody's business, so paths are absolute. A value that is no path is not
    /// shown: in the place of a secret's file it may be the secret.
    static var path: ValueType {
        string("an absolute path") { text throws(Complaint) in
            guard text.utf8.first == UInt8(ascii: "/") else { throw Complaint(problem: "is not an absolute path") }
            guard text == text.withoutControlCharacters else {
                throw Complaint(problem: "has a control character in it")
            }
            guard text.utf8.count < 4096 else { throw Complaint(problem: "is longer than a path can be") }
        }
    }

    /// An address or name to listen on.
    static var host: ValueType {
        string("an IP address or a host name, without a port") { text throws(Complaint) in
            let isHost = text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
                    UInt8(ascii: "%"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
            guard isHost, text.utf8.count <= 253 else { throw Complaint(problem: "\(text.shown) is not a host") }
            // One colon is a port; an IPv6 address has two at least.
            guard text.utf8.count(where: { $0 == UInt8(ascii: ":") }) != 1 else {
                throw Complaint(problem: "\(text.shown) has a port", fix: "write the port under the key port")
            }
        }
    }

    /// The path of a URL, as a request's target brings it.
    static var requestPath: ValueType {
        string("a path that begins with /, without a query") { text throws(Complaint) in
            guard text.utf8.first == UInt8(ascii: "/") else {
                throw Complaint(problem: "\(text.shown) does not begin with /")
            }
            let refused = "?#\"<>\\^`{|}".utf8
            guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) && !refused.contains($0) }) else {
                throw Complaint(problem: "has a character that no URL path has")
            }
            guard text.utf8.count <= 1024 else { throw Complaint(problem: "is longer than 1024 bytes") }
        }
    }

    /// The name of a language's file, without its ending.
    static var language: ValueType {
        string("a language such as en or pt-BR") { text throws(Complaint) in
            let isName = text.utf8.allSatisfy { byte in
                (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || (0x30...0x39).contains(byte)
                    || byte == UInt8(ascii: "-")
            }
            guard isName, text.utf8.count <= 35 else { throw Complaint(problem: "\(text.shown) is not a language") }
        }
    }

    static var template: ValueType {
        string("a text with {pin} in it") { text throws(Complaint) in
            do throws(MessageTemplate.Problem) {
                try MessageTemplate(text).check(
                    names: MessageTexts.names, required: MessageTexts.required(.created))
            } catch {
                throw Complaint(problem: error.problem, fix: error.fix)
            }
        }
    }

    static func url(query: Bool) -> ValueType {
        string("an https:// URL\(query ? "" : " without a query"), or http:// to this machine itself") {
            text throws(Complaint) in try URLRules.check(text, allowsQuery: query)
        }
    }
}

extension ValueType {
    /// A list of words, each at most once.
    static func words<Word>() -> ValueType
    where Value == [Word], Word: RawRepresentable & CaseIterable, Word.RawValue == String {
        let words = Word.allCases.map(\.rawValue)
        return ValueType(
            expected: "a list of \(words.joined(separator: ", "))", isList: true,
            read: { written throws(Complaint) in
                guard case .list(let items) = written else { throw Complaint(problem: "is not a list") }
                var values: [Word] = []
                for item in items {
                    guard let value = Word(rawValue: item.text) else {
                        let nearest = Suggestion.nearest(to: item.text, among: words).map { "write \($0)" }
                        throw Complaint(
                            problem: "\(item.text.shown) is none of its values", fix: nearest, line: item.line)
                    }
                    guard !values.contains(where: { $0.rawValue == value.rawValue }) else {
                        throw Complaint(problem: "`\(item.text)` is there twice", fix: "keep one", line: item.line)
                    }
                    values.append(value)
                }
                return values
            }, text: { "[" + $0.map(\.rawValue).joined(separator: ", ") + "]" })
    }
}

extension ValueType<[String]> {
    /// At least one item.
    static func list(
        _ expected: String, check: @escaping @Sendable ([WrittenValue.Item]) throws(Complaint) -> Void
    ) -> ValueType {
        ValueType(
            expected: expected, isList: true,
            read: { written throws(Complaint) in
                switch written {
                case .list([]): throw Complaint(problem: "is an empty list")
                case .list(let items):
                    if let empty = items.first(where: \.text.isEmpty) {
                        throw Complaint(problem: "has an empty item", line: empty.line)
                    }
                    try check(items)
                    return items.map(\.text)
                case .scalar: throw Complaint(problem: "is a single value, not a list")
                case .nested: throw Complaint(problem: "has items that are not single values")
                case .nothing: throw Complaint(problem: "has no value")
                }
            }, text: { "[" + $0.joined(separator: ", ") + "]" })
    }

    static var accessCodeEvents: ValueType {
        list("a list of event types that begin with access_code.") { items throws(Complaint) in
            var seen: Set<String> = []
            for item in items {
                guard EventTypes.ofAccessCodes.contains(item.text) else {
                    let nearest = Suggestion.nearest(to: item.text, among: EventTypes.ofAccessCodes)
                    throw Complaint(
                        problem: "\(item.text.shown) is not such an event type", fix: nearest.map { "write \($0)" },
                        line: item.line)
                }
                guard seen.insert(item.text).inserted else {
                    throw Complaint(problem: "`\(item.text)` is there twice", fix: "keep one", line: item.line)
                }
            }
        }
    }

    /// Items are not shown: arguments may be secret.
    static var command: ValueType {
        list("a list: the program's absolute path, then its arguments") { items throws(Complaint) in
            guard let program = items.first, program.text.utf8.first == UInt8(ascii: "/") else {
                throw Complaint(problem: "does not begin with the absolute path of a program", line: items.first?.line)
            }
            for item in items where item.text.utf8.contains(0) {
                throw Complaint(problem: "has an argument with a NUL in it", line: item.line)
            }
        }
    }
}
