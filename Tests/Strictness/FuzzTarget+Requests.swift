internal import HTTPServer

extension FuzzTarget {
    /// How bytes are cut into pieces never matters, and what is taken is what the handlers rely on.
    static func request(_ bytes: [UInt8]) -> String? {
        let whole = RequestWords([bytes[...]], limits: small)
        if let cut = differingCut(bytes, whole) { return "cut \(cut), the stream is read as something else" }
        for request in whole.requests {
            if request.body.count > small.maxBodyBytes { return "a body larger than the bound" }
            if request.path.first != UInt8(ascii: "/") { return "a path that does not begin with /" }
            if let flaw = flaw(in: request.headers) { return flaw }
        }
        return nil
    }

    /// Any bytes in the place of chunked content: the same however cut. Content that is coded is decoded.
    static func chunked(_ bytes: [UInt8]) -> String? {
        let head = Array("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        let stream = head + bytes
        let whole = RequestWords([stream[...]], limits: small)
        if let cut = differingCut(stream, whole) { return "cut \(cut), the content is read as something else" }

        let sizes = bytes.prefix(4).map { Int($0) + 1 }
        let content = bytes.dropFirst(4)
        guard !sizes.isEmpty, content.count <= small.maxBodyBytes else { return nil }
        var coded = head
        var rest = content
        var turn = 0
        while !rest.isEmpty {
            let piece = rest.prefix(sizes[turn % sizes.count])
            coded += Array("\(String(piece.count, radix: 16, uppercase: turn % 2 == 0))\r\n".utf8) + piece + [13, 10]
            rest = rest.dropFirst(piece.count)
            turn += 1
        }
        coded += Array("0\r\n\r\n".utf8)
        let read = RequestWords([coded[...]], limits: small)
        return read.requests.count == 1 && read.end == .complete && read.requests[0].body[...] == content
            ? nil : "content that was coded is not decoded"
    }

    private static var small: Limits {
        var limits = Limits()
        limits.maxBodyBytes = 4_096
        limits.maxHeadBytes = 2_048
        limits.maxTargetBytes = 512
        limits.maxFields = 20
        limits.maxChunkExtensionBytes = 64
        return limits
    }

    /// Byte by byte, then at every place of a short stream, at sixteen of a long one.
    private static func differingCut(_ bytes: [UInt8], _ whole: RequestWords) -> String? {
        if RequestWords(bytes.indices.map { bytes[$0...$0] }, limits: small) != whole { return "into single bytes" }
        for cut in stride(from: 1, to: bytes.count, by: 1 + bytes.count / 32)
        where RequestWords([bytes[..<cut], bytes[cut...]], limits: small) != whole { return "at \(cut)" }
        return nil
    }

    private static func flaw(in headers: Headers) -> String? {
        if headers.values("host").count > 1 { return "two hosts" }
        if headers.values("content-length").count + headers.values("transfer-encoding").count > 1 {
            return "framed in two ways"
        }
        for field in headers {
            if field.name.isEmpty || field.name.contains(where: { $0 <= 0x20 || $0 >= 0x7F || $0 == 0x3A }) {
                return "a field name that is no token"
            }
            if field.name.contains(where: { (0x41...0x5A).contains($0) }) { return "a field name in capitals" }
            if field.value.contains(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }) { return "a control byte" }
            if field.value.first == 0x20 || field.value.last == 0x20 { return "blanks around a value" }
        }
        return nil
    }
}
