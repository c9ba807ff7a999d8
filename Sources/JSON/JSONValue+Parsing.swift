internal import FoundationEssentials

/// Why bytes are not JSON that we read. Never holds a byte of them: they may carry a PIN.
package enum JSONError: Error, Equatable, CustomStringConvertible {
    case tooLarge(limitBytes: Int)
    case tooDeep(limit: Int)
    case malformed

    package var description: String {
        switch self {
        case .tooLarge(let limit): "JSON of more than \(limit) bytes"
        case .tooDeep(let limit): "JSON nested more than \(limit) levels deep"
        case .malformed: "not JSON in UTF-8"
        }
    }
}

extension JSONValue {
    /// Reads JSON text (RFC 8259) with its size and depth bounded before anything is decoded.
    ///
    /// A comma before a closing bracket is let pass, as JSONDecoder does.
    ///
    /// - Parameters:
    ///   - maximumBytes: more than this is refused unread; 16 MiB unless told.
    ///   - maximumDepth: how deep arrays and objects may nest.
    package init(
        parsing bytes: some Collection<UInt8>, maximumBytes: Int = 16_777_216, maximumDepth: Int = 64
    ) throws(JSONError) {
        guard bytes.count <= maximumBytes else { throw .tooLarge(limitBytes: maximumBytes) }
        // A concrete type from here on: across modules a generic one is not specialised, and each byte costs calls.
        let bytes = Array(bytes)
        guard Self.depth(of: bytes, isWithin: maximumDepth) else { throw .tooDeep(limit: maximumDepth) }
        // JSONDecoder takes UTF-16 and UTF-32 too, and a byte order mark; RFC 8259 section 8.1 does not.
        guard bytes.first != 0xEF, !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil else {
            throw .malformed
        }
        do {
            self = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        } catch {
            throw .malformed
        }
    }

    /// Whether brackets outside strings nest at most `limit` deep. One pass, no recursion.
    private static func depth(of bytes: [UInt8], isWithin limit: Int) -> Bool {
        var depth = 0
        var inString = false
        var escaped = false
        for byte in bytes {
            if inString {
                if escaped {
                    escaped = false
                } else if byte == 0x5C {
                    escaped = true
                } else if byte == 0x22 {
                    inString = false
                }
                continue
            }
            switch byte {
            case 0x22: inString = true
            case 0x5B, 0x7B:
                depth += 1
                if depth > limit { return false }
            case 0x5D, 0x7D: depth -= 1
            default: break
            }
        }
        return true
    }
}

extension JSONValue: Decodable {
    package init(from decoder: any Decoder) throws {
        if let container = try? decoder.container(keyedBy: AnyKey.self) {
            self = .object(
                try container.allKeys.sorted { $0.stringValue < $1.stringValue }.map { key in
                    Member(key.stringValue, try container.decode(JSONValue.self, forKey: key))
                })
            return
        }
        if var container = try? decoder.unkeyedContainer() {
            var values: [JSONValue] = []
            while !container.isAtEnd { values.append(try container.decode(JSONValue.self)) }
            self = .array(values)
            return
        }
        let container = try decoder.singleValueContainer()
        if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int64.self) {
            self = .integer(value)
        } else {
            // A number that no Double holds (1e400) must not spoil the rest of a document. One that is whole once it is a Double, as
            // 9007199254740993.5 is, is taken so: written with an exponent it would be another the next time.
            let number = try? container.decode(Double.self)
            self = number.flatMap(Int64.init(exactly:)).map(JSONValue.integer) ?? number.map(JSONValue.number) ?? .null
        }
    }

    private struct AnyKey: CodingKey {
        var stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}
