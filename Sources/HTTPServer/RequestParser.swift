/// Turns the bytes of one connection into requests, strictly (RFC 9112).
///
/// A value without clock or IO. What it says depends on the bytes alone, not on how they were cut into pieces: every
/// limit counts from a position in the stream, and no byte is looked at twice while a line is incomplete.
/// After `.head` the next `step()` goes on with the content; after `.request` with the next request. `.reject` is final.
package struct RequestParser: Sendable {
    package enum Step: Sendable {
        /// Nothing more can be said before more bytes come.
        case needMore
        /// Line and fields are complete and well-formed, the content is still to come.
        case head(RequestHead)
        /// A complete request, and whether the connection ends after its answer.
        case request(Request, closes: Bool)
        case reject(Rejection)
    }

    enum Phase: Sendable, Equatable {
        case start
        case requestLine
        case fields
        case head
        case body(remaining: Int)
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailers
    }

    let limits: Limits
    let peer: String

    var phase = Phase.start
    /// Bytes received and not yet dropped; those before `cursor` are used up, `scanned` is how far the line that
    /// begins at `cursor` has been looked at.
    var buffer: [UInt8] = []
    var cursor = 0
    var scanned = 0
    /// Bytes of lines so far: of the head, then of the trailers.
    var lineBytes = 0
    var fieldCount = 0
    var chunkExtensionBytes = 0

    var line = RequestLine()
    var headers = Headers()
    var head: RequestHead?
    var body: [UInt8] = []
    private var rejection: Rejection?

    /// - Parameter peer: put into each request as it is.
    package init(limits: Limits = Limits(), peer: String = "") {
        self.limits = limits
        self.peer = peer
    }

    /// No byte of a further request has come.
    package var isEmpty: Bool { phase == .start && cursor == buffer.count }

    /// A head has been reported, and nothing of its content has come.
    var awaitsContent: Bool {
        guard body.isEmpty, cursor == buffer.count else { return false }
        return switch phase {
        case .head, .body: true
        case .chunkSize: lineBytes == 0
        default: false
        }
    }

    /// Content received so far of the request under way.
    var bodyBytes: Int { body.count }

    /// Memory held, in bytes.
    var heldBytes: Int { buffer.count + body.count }

    /// Takes bytes from the connection and says what they lead to.
    package mutating func feed(_ bytes: ArraySlice<UInt8>) -> Step {
        append(bytes)
        return step()
    }

    /// Takes bytes from the connection.
    mutating func append(_ bytes: ArraySlice<UInt8>) {
        guard rejection == nil else { return }
        if cursor > 0 {
            buffer.removeFirst(cursor)
            scanned -= cursor
            cursor = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// Goes on with the bytes at hand.
    package mutating func step() -> Step {
        if let rejection { return .reject(rejection) }
        do throws(Rejection) {
            let step = try advance()
            releaseUsed()
            return step
        } catch {
            discard()
            rejection = error
            return .reject(error)
        }
    }

    /// Lets go of everything received: nothing further will be parsed.
    mutating func discard() {
        buffer = []
        body = []
        cursor = 0
        scanned = 0
        headers = Headers()
        head = nil
        if rejection == nil { rejection = .truncated }
    }

    private mutating func advance() throws(Rejection) -> Step {
        while true {
            switch phase {
            case .start:
                // At least one empty line before a request line is to be ignored (RFC 9112 2.2): exactly one is.
                guard cursor < buffer.count else { return .needMore }
                if buffer[cursor] == Octet.carriageReturn {
                    guard cursor + 1 < buffer.count else { return .needMore }
                    guard buffer[cursor + 1] == Octet.lineFeed else { throw .bareCarriageReturn }
                    cursor += 2
                }
                scanned = cursor
                lineBytes = 0
                fieldCount = 0
                chunkExtensionBytes = 0
                phase = .requestLine
            case .requestLine:
                guard let range = try requestLineRange() else { return .needMore }
                line = try RequestLine(buffer[range], limits: limits)
                headers = Headers()
                headers.reserve(fields: 16, bytes: 512)
                phase = .fields
            case .fields:
                guard let range = try nextFieldLine() else { return .needMore }
                if range.isEmpty {
                    let head = try RequestHead(line, headers, limits: limits, peer: peer)
                    self.head = head
                    phase = .head
                    return .head(head)
                }
                let field = try fieldLine(range)
                // Taken out while it grows: the bytes it takes are this value's, too.
                var grown = Headers()
                swap(&grown, &headers)
                grown.append(buffer.span, name: field.name, value: field.value)
                headers = grown
            case .head:
                guard let head else { throw .truncated }
                lineBytes = 0
                fieldCount = 0
                if let length = head.contentLength {
                    // A declared length costs the sender nothing: no more than this is reserved for what has not come.
                    body.reserveCapacity(min(length, 65_536))
                    phase = .body(remaining: length)
                } else {
                    phase = .chunkSize
                }
            case .body(let remaining):
                let taken = take(remaining)
                if taken < remaining {
                    phase = .body(remaining: remaining - taken)
                    return .needMore
                }
                return try complete()
            case .chunkSize, .chunkData, .chunkEnd, .trailers:
                guard try advanceChunked() else { return .needMore }
                if phase == .start { return try complete() }
            }
        }
    }

    private mutating func complete() throws(Rejection) -> Step {
        guard let head else { throw .truncated }
        let request = Request(head, body: body)
        self.head = nil
        headers = Headers()
        body = []
        phase = .start
        scanned = cursor
        return .request(request, closes: head.closes)
    }

    /// Moves up to `count` bytes of the buffer into the body.
    mutating func take(_ count: Int) -> Int {
        let taken = min(count, buffer.count - cursor)
        if taken > 0 { body.append(contentsOf: buffer[cursor..<cursor + taken]) }
        cursor += taken
        scanned = cursor
        return taken
    }

    /// Gives memory back once all is used; a connection at rest holds none.
    private mutating func releaseUsed() {
        guard cursor > 0, cursor == buffer.count else { return }
        if phase == .start || buffer.capacity > 65_536 { buffer = [] } else { buffer.removeAll(keepingCapacity: true) }
        cursor = 0
        scanned = 0
    }
}
