extension JSONValue: CustomStringConvertible {
    /// Compact JSON text, members in the order they have.
    package var description: String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// Compact JSON text in UTF-8.
    package var bytes: [UInt8] {
        var output: [UInt8] = []
        write(to: &output, indentation: nil, level: 0)
        return output
    }

    /// JSON text over several lines, two spaces a level.
    package var indented: String {
        var output: [UInt8] = []
        write(to: &output, indentation: 2, level: 0)
        return String(decoding: output, as: UTF8.self)
    }

    private func write(to output: inout [UInt8], indentation: Int?, level: Int) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .integer(let value): output += String(value).utf8
        // JSON has no infinity and no NaN (RFC 8259 section 6).
        case .number(let value): output += (value.isFinite ? "\(value)" : "null").utf8
        case .string(let value): Self.write(value, to: &output)
        case .array(let values):
            Self.writeList(values, "[", "]", to: &output, indentation: indentation, level: level) { value, output in
                value.write(to: &output, indentation: indentation, level: level + 1)
            }
        case .object(let members):
            Self.writeList(members, "{", "}", to: &output, indentation: indentation, level: level) { member, output in
                Self.write(member.key, to: &output)
                output += (indentation == nil ? ":" : ": ").utf8
                member.value.write(to: &output, indentation: indentation, level: level + 1)
            }
        }
    }

    private static func writeList<Element>(
        _ elements: [Element], _ open: String, _ close: String, to output: inout [UInt8], indentation: Int?, level: Int,
        element write: (Element, inout [UInt8]) -> Void
    ) {
        output += open.utf8
        for (index, element) in elements.enumerated() {
            if index > 0 { output += ",".utf8 }
            newLine(to: &output, indentation: indentation, level: level + 1)
            write(element, &output)
        }
        if !elements.isEmpty { newLine(to: &output, indentation: indentation, level: level) }
        output += close.utf8
    }

    private static func newLine(to output: inout [UInt8], indentation: Int?, level: Int) {
        guard let indentation else { return }
        output += "\n".utf8
        output += repeatElement(0x20, count: indentation * level)
    }

    private static func write(_ text: String, to output: inout [UInt8]) {
        output.append(0x22)
        for byte in text.utf8 {
            switch byte {
            case 0x22: output += "\\\"".utf8
            case 0x5C: output += "\\\\".utf8
            case 0x0A: output += "\\n".utf8
            case 0x0D: output += "\\r".utf8
            case 0x09: output += "\\t".utf8
            case 0x00..<0x20, 0x7F:
                let digits = String(byte, radix: 16)
                output += ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8
            default: output.append(byte)
            }
        }
        output.append(0x22)
    }
}
