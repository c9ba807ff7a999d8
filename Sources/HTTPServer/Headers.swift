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

    /// Fields as a parser would have found them, for tests; names are made small, nothing is checked.
    package init(_ fields: [(String, String)]) {
        for (name, value) in fields { append(name: Array(name.utf8)[...], value: Array(value.utf8)[...]) }
    }

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

    package func makeIterator() -> some IteratorProtocol<Element> {
        fields.lazy.map { (name: bytes[$0.name], value: bytes[$0.value]) }.makeIterator()
    }

    mutating func reserve(fields fieldCount: Int, bytes byteCount: Int) {
        fields.reserveCapacity(fieldCount)
        bytes.reserveCapacity(byteCount)
    }

    /// Adds a line whose syntax has been checked.
    mutating func append(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>) {
        let nameStart = bytes.count
        for byte in name { bytes.append(byte.lowercasedASCII) }
        let valueStart = bytes.count
        bytes.append(contentsOf: value)
        fields.append(Field(name: nameStart..<valueStart, value: valueStart..<bytes.count))
    }

    private func matches(_ field: Field, _ name: StaticString) -> Bool {
        guard field.name.count == name.utf8CodeUnitCount else { return false }
        let expected = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        return bytes[field.name].elementsEqual(expected)
    }
}
