extension RequestParser {
    /// Goes on with chunked content (RFC 9112 7.1); false when more bytes are needed. The end sets the phase to `start`.
    mutating func advanceChunked() throws(Rejection) -> Bool {
        switch phase {
        case .chunkSize:
            // 8 digits and what extensions may still take, so that a line of chunk framing is bounded.
            let allowance = limits.maxChunkExtensionBytes - chunkExtensionBytes
            guard let line = try nextLine(limit: 8 + allowance, tooLong: .chunkLineTooLong) else { return false }
            let size = try chunkSize(line)
            if size == 0 {
                lineBytes = 0
                phase = .trailers
            } else {
                guard size <= limits.maxBodyBytes - body.count else { throw .bodyTooLarge }
                phase = .chunkData(remaining: size)
            }
            return true
        case .chunkData(let remaining):
            let taken = take(remaining)
            phase = taken < remaining ? .chunkData(remaining: remaining - taken) : .chunkEnd
            return taken == remaining
        case .chunkEnd:
            // Exactly CRLF after the data: RFC 9112 7.1.
            guard cursor < buffer.count else { return false }
            guard buffer[cursor] == Octet.carriageReturn else { throw .chunkDataEnd }
            guard cursor + 1 < buffer.count else { return false }
            guard buffer[cursor + 1] == Octet.lineFeed else { throw .chunkDataEnd }
            cursor += 2
            scanned = cursor
            phase = .chunkSize
            return true
        default:
            // Trailer fields are held to the syntax of fields, counted, and dropped: RFC 9110 6.5.1 allows merging only
            // what is known to be safe, and nothing here needs them. What frames or routes a message must not be there.
            guard let line = try nextFieldLine() else { return false }
            if line.isEmpty {
                phase = .start
            } else {
                let name = buffer[try fieldLine(line).name]
                for forbidden in ["content-length", "transfer-encoding", "host"] as [StaticString] {
                    guard !name.equalsIgnoringCase(forbidden) else { throw .trailer }
                }
            }
            return true
        }
    }

    /// chunk-size [ chunk-ext ]: 1 to 8 hexadecimal digits, which cannot overflow, no blanks (RFC 9112 7.1).
    private mutating func chunkSize(_ line: Range<Int>) throws(Rejection) -> Int {
        var size = 0
        var index = line.lowerBound
        while index < line.upperBound, let digit = buffer[index].hexValue {
            guard index - line.lowerBound < 8 else { throw .chunkSize }
            size = size << 4 | digit
            index += 1
        }
        guard index > line.lowerBound else { throw .chunkSize }
        if index < line.upperBound {
            chunkExtensionBytes += line.upperBound - index
            guard chunkExtensionBytes <= limits.maxChunkExtensionBytes else { throw .chunkLineTooLong }
            guard RequestParser.isChunkExtension(buffer[index..<line.upperBound]) else {
                throw buffer[index] == Octet.semicolon ? .chunkExtension : .chunkSize
            }
        }
        return size
    }

    /// `*( ";" token [ "=" ( token / quoted-string ) ] )` (RFC 9112 7.1.1).
    ///
    /// Unknown extensions are to be ignored, and are; the "bad whitespace" of that grammar is refused.
    static func isChunkExtension(_ bytes: ArraySlice<UInt8>) -> Bool {
        var rest = bytes
        while let first = rest.popFirst() {
            guard first == Octet.semicolon else { return false }
            let name = rest.prefix(while: \.isTokenByte)
            guard !name.isEmpty else { return false }
            rest = rest.dropFirst(name.count)
            guard rest.first == Octet.equals else { continue }
            rest = rest.dropFirst()
            if rest.first == Octet.quote {
                guard let after = endOfQuoted(rest) else { return false }
                rest = rest[after...]
            } else {
                let value = rest.prefix(while: \.isTokenByte)
                guard !value.isEmpty else { return false }
                rest = rest.dropFirst(value.count)
            }
        }
        return true
    }

    /// The index after a quoted-string (RFC 9110 5.6.4) that begins here; nil when it does not end.
    private static func endOfQuoted(_ bytes: ArraySlice<UInt8>) -> Int? {
        var index = bytes.startIndex + 1
        while index < bytes.endIndex {
            switch bytes[index] {
            case Octet.quote: return index + 1
            case Octet.backslash: index += 2
            default: index += 1
            }
        }
        return nil
    }
}
