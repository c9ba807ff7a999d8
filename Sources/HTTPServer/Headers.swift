/// The fields of a request in the order received: names in small ASCII letters, values without the blanks around them.
///
/// Names are tokens (RFC 9110 5.6.2). Values hold HTAB, SP, visible ASCII and, as RFC 9110 5.5 allows, opaque bytes from
/// 0x80 up. All are slices of one buffer.
package struct Headers: Sendable, Sequence {
    package typealias Element = (name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)

    private struct Field: Sendable {
        var name: Range<Int>
        var value: Range<Int>
    }

    private var bytes: [UInt8] = []
    private var fields: [Field] = []

    package init() {}

    /// How many field lines there are.
    package var count: Int { fields.count }

    /// The values of every line with this name, which must be written in small letters.
    package func values(_ name: StaticString) -> [ArraySlice<UInt8>] {
        var values: [ArraySlice<UInt8>] = []
        for field in fields where matches(field, name) { values.append(bytes[field.value]) }
        return values
    }

    /// The value of the first line with this name, which must be written in small letters.
    package func first(_ name: StaticString) -> ArraySlice<UInt8>? {
        for field in fields where matches(field, name) { return bytes[field.value] }
        return nil
    }

    /// A type of its own and not a lazy map: an opaque one is asked for its type at run time by other rooms, for each field.
    package struct Iterator: IteratorProtocol {
        private let headers: Headers
        private var index = 0

        fileprivate init(_ headers: Headers) { self.headers = headers }

        package mutating func next() -> Element? {
            guard index < headers.fields.count else { return nil }
            let field = headers.fields[index]
            index += 1
            return (name: headers.bytes[field.name], value: headers.bytes[field.value])
        }
    }

    package func makeIterator() -> Iterator { Iterator(self) }

    mutating func reserve(fields fieldCount: Int, bytes byteCount: Int) {
        fields.reserveCapacity(fieldCount)
        bytes.reserveCapacity(byteCount)
    }

    /// Adds a line whose syntax has been checked.
    mutating func append(_ line: Span<UInt8>, name: Range<Int>, value: Range<Int>) {
        let nameStart = bytes.count
        let valueStart = nameStart + name.count
        line.extracting(name).withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        line.extracting(value).withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
        var added = bytes.mutableSpan
        for index in nameStart..<valueStart { added[index] = added[index].lowercasedASCII }
        fields.append(Field(name: nameStart..<valueStart, value: valueStart..<bytes.count))
    }

    /// Which of the fields that frame or route a message this one is; nil for any other.
    func known(_ index: Int) -> KnownField? {
        let field = fields[index]
        // The length tells nearly all others away, so that few are compared.
        let candidate: KnownField? =
            switch field.name.count {
            case 4: .host
            case 6: .expect
            case 10: .connection
            case 12: .contentType
            case 14: .contentLength
            case 16: .contentEncoding
            case 17: .transferEncoding
            default: nil
            }
        return candidate.flatMap { matches(field, $0.name) ? $0 : nil }
    }

    func value(_ index: Int) -> ArraySlice<UInt8> { bytes[fields[index].value] }

    private func matches(_ field: Field, _ name: StaticString) -> Bool {
        guard field.name.count == name.utf8CodeUnitCount else { return false }
        let own = bytes.span
        for index in 0..<field.name.count
        where own[field.name.lowerBound + index] != name.utf8Start[index] { return false }
        return true
    }
}
