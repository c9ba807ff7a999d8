extension RequestParser {
    /// The next line without its CRLF, which is then used up; nil while it is incomplete.
    ///
    /// Only CRLF ends a line. RFC 9112 2.2 lets a recipient take a bare LF for an end: this one does not, for servers
    /// that disagree about it is what request smuggling lives on. A bare CR is invalid there, and NUL and the other
    /// control bytes are invalid in every element of a head (RFC 9110 5.5).
    mutating func nextLine(limit: Int, tooLong: Rejection) throws(Rejection) -> Range<Int>? {
        let end = buffer.count
        let bound = cursor + max(0, limit)
        var index = scanned
        while index < end {
            let byte = buffer[index]
            switch byte {
            case Octet.carriageReturn:
                guard index + 1 < end else {
                    scanned = index
                    return nil
                }
                guard buffer[index + 1] == Octet.lineFeed else { throw .bareCarriageReturn }
                let line = cursor..<index
                cursor = index + 2
                scanned = cursor
                lineBytes += line.count + 2
                return line
            case Octet.lineFeed: throw .bareLineFeed
            case 0..<0x20 where byte != Octet.tab, Octet.delete: throw .controlByte
            default:
                guard index < bound else { throw tooLong }
                index += 1
            }
        }
        scanned = index
        return nil
    }

    /// The request line. Its bound leaves the target its own limit and 64 bytes for method and version; a longer line
    /// is 414 once it has a method, and 501 when it begins with something too long for any method (RFC 9112 3).
    mutating func requestLineRange() throws(Rejection) -> Range<Int>? {
        let start = cursor
        do {
            return try nextLine(limit: limits.maxTargetBytes + 64, tooLong: .targetTooLong)
        } catch {
            let methodEnd = buffer[start...].prefix(33).firstIndex(of: Octet.space)
            if error == .targetTooLong, methodEnd == nil { throw .methodTooLong }
            throw error
        }
    }

    /// The next line of a head or of trailers; nil while it is incomplete.
    mutating func nextFieldLine() throws(Rejection) -> Range<Int>? {
        // A line that begins with a blank would continue the one before, or hide the first one: RFC 9112 5.2, 2.2.
        if cursor < buffer.count, buffer[cursor].isBlank { throw .foldedField }
        return try nextLine(limit: limits.maxHeadBytes - lineBytes, tooLong: .headTooLarge)
    }

    /// Takes a field line apart: `field-name ":" OWS field-value OWS` (RFC 9112 5).
    mutating func fieldLine(_ line: Range<Int>) throws(Rejection) -> (name: Range<Int>, value: Range<Int>) {
        fieldCount += 1
        guard fieldCount <= limits.maxFields else { throw .tooManyFields }
        guard let colon = buffer[line].firstIndex(of: Octet.colon) else { throw .fieldWithoutColon }
        let name = line.lowerBound..<colon
        // A token has no blank in it, so a blank before the colon ends here too (RFC 9112 5.1).
        guard buffer[name].isToken else { throw .fieldName }
        var value = colon + 1..<line.upperBound
        while let first = buffer[value].first, first.isBlank { value = value.lowerBound + 1..<value.upperBound }
        while let last = buffer[value].last, last.isBlank { value = value.lowerBound..<value.upperBound - 1 }
        // Control bytes have been refused with the line; bytes from 0x80 up are opaque but allowed (RFC 9110 5.5).
        return (name, value)
    }
}
