extension RequestParser {
    /// The next line without its CRLF, which is then used up; nil while it is incomplete.
    ///
    /// Only CRLF ends a line. RFC 9112 2.2 lets a recipient take a bare LF for an end: this one does not, for servers
    /// that disagree about it is what request smuggling lives on. A bare CR is invalid there, and NUL and the other
    /// control bytes are invalid in every element of a head (RFC 9110 5.5).
    mutating func nextLine(limit: Int, tooLong: Rejection) throws(Rejection) -> Range<Int>? {
        let (end, isComplete) = try RequestParser.endOfLine(
            buffer.span, from: scanned, bound: cursor + max(0, limit), tooLong: tooLong)
        guard isComplete else {
            scanned = end
            return nil
        }
        let line = cursor..<end
        cursor = end + 2
        scanned = cursor
        lineBytes += line.count + 2
        return line
    }

    /// Where the line's CRLF is, or how far it has been looked at.
    private static func endOfLine(
        _ bytes: Span<UInt8>, from start: Int, bound: Int, tooLong: Rejection
    ) throws(Rejection) -> (index: Int, isComplete: Bool) {
        var index = start
        while index < bytes.count {
            let byte = bytes[index]
            switch byte {
            case Octet.carriageReturn:
                guard index + 1 < bytes.count else { return (index, false) }
                guard bytes[index + 1] == Octet.lineFeed else { throw .bareCarriageReturn }
                return (index, true)
            case Octet.lineFeed: throw .bareLineFeed
            case 0..<0x20 where byte != Octet.tab, Octet.delete: throw .controlByte
            default:
                guard index < bound else { throw tooLong }
                index += 1
            }
        }
        return (index, false)
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
        return try RequestParser.field(buffer.span, line)
    }

    private static func field(
        _ bytes: Span<UInt8>, _ line: Range<Int>
    ) throws(Rejection) -> (name: Range<Int>, value: Range<Int>) {
        var colon = line.lowerBound
        // A token has no blank in it, so a blank before the colon ends here too (RFC 9112 5.1).
        while colon < line.upperBound, bytes[colon].isTokenByte { colon += 1 }
        guard colon < line.upperBound, colon > line.lowerBound, bytes[colon] == Octet.colon else {
            for index in line where bytes[index] == Octet.colon { throw .fieldName }
            throw .fieldWithoutColon
        }
        var (start, end) = (colon + 1, line.upperBound)
        while start < end, bytes[start].isBlank { start += 1 }
        while start < end, bytes[end - 1].isBlank { end -= 1 }
        // Control bytes have been refused with the line; bytes from 0x80 up are opaque but allowed (RFC 9110 5.5).
        return (line.lowerBound..<colon, start..<end)
    }
}
