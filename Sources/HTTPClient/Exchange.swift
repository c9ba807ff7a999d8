/// What libcurl's callbacks collect of one response, within its limits.
final class Exchange {
    /// The whole head, interim responses included; a usual one is 1 KiB.
    static let maxHeadBytes = 65_536

    let maxBodyBytes: Int
    private let cutsBody: Bool
    private(set) var headers: [(name: String, value: String)] = []
    private(set) var body: [UInt8] = []
    /// The limit that was passed, once one was.
    private(set) var exceededLimit: Int?
    /// Whether the transfer was ended because the rest of the body is not wanted.
    private var isCut = false
    private var headBytes = 0
    private var isHeadComplete = false
    private var isInterim = false

    /// Whether all is there that is wanted, however the transfer ends: whoever cuts the body wants the status.
    var isAnswered: Bool { isCut || cutsBody && isHeadComplete && !isInterim }

    init(maxBodyBytes: Int, cutsBody: Bool = false) {
        self.maxBodyBytes = max(0, maxBodyBytes)
        self.cutsBody = cutsBody
    }

    /// False ends the transfer.
    func take(body bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count <= maxBodyBytes - body.count else {
            if cutsBody {
                body.append(contentsOf: bytes.prefix(maxBodyBytes - body.count))
                isCut = true
                return false
            }
            exceededLimit = maxBodyBytes
            return false
        }
        body.append(contentsOf: bytes)
        return true
    }

    /// One line of the head, the status line and the empty line included; false ends the transfer.
    func take(headerLine bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count <= Self.maxHeadBytes - headBytes else {
            exceededLimit = Self.maxHeadBytes
            return false
        }
        headBytes += bytes.count
        let line = trimmed(bytes[...])
        if line.starts(with: "HTTP/".utf8) {
            // A response that follows an interim one (RFC 9110 section 15.2) begins anew.
            headers = []
            isHeadComplete = false
            isInterim = line.drop { $0 != 0x20 }.dropFirst().first == UInt8(ascii: "1")
        } else if line.isEmpty {
            isHeadComplete = true
        } else if !isHeadComplete, let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
            bytes.first != 0x20, bytes.first != 0x09
        {
            let name = line[..<colon].map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
            let value = trimmed(line[(colon + 1)...])
            headers.append((String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self)))
        }
        // After the empty line come only trailers (RFC 9110 section 6.5): dropped, never merged.
        return true
    }

    private func trimmed(_ bytes: Slice<UnsafeRawBufferPointer>) -> Slice<UnsafeRawBufferPointer> {
        func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A }
        var slice = bytes.drop(while: isSpace)
        while let last = slice.last, isSpace(last) { slice.removeLast() }
        return slice
    }
}
