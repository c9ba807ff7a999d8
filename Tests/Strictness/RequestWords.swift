package import HTTPServer

/// What the parser makes of the bytes of one connection. Its words hold everything; bytes from the wire in hexadecimal.
///
///     request:METHOD:TARGET:BODY:NAME=VALUE,NAME=VALUE…    a complete request
///     close                                                 the connection ends after its answer
///     refused:STATUS:REASON                                 nothing is read after this
///     more                                                  a request has begun and is not complete
package struct RequestWords: Equatable {
    /// How the stream ends.
    package enum End: Equatable {
        /// All bytes belong to the requests.
        case complete
        case more
        case close
        case refused(Rejection)
    }

    package private(set) var requests: [Request] = []
    package private(set) var end = End.complete

    package static func == (one: RequestWords, other: RequestWords) -> Bool { one.words == other.words }

    /// - Parameter pieces: the stream as it arrives.
    package init(_ pieces: [ArraySlice<UInt8>], limits: Limits = Limits()) {
        var parser = RequestParser(limits: limits)
        for piece in pieces {
            var step = parser.feed(piece)
            reading: while true {
                switch step {
                case .needMore: break reading
                case .head: break
                case .request(let request, let closes):
                    requests.append(request)
                    if closes {
                        end = .close
                        return
                    }
                case .reject(let rejection):
                    end = .refused(rejection)
                    return
                }
                step = parser.step()
            }
        }
        if !parser.isEmpty { end = .more }
    }

    package var words: [String] {
        let last: [String] =
            switch end {
            case .complete: []
            case .more: ["more"]
            case .close: ["close"]
            case .refused(let rejection): ["refused:\(rejection.status):\(rejection.reason)"]
            }
        return requests.map(Self.word) + last
    }

    private static func word(_ request: Request) -> String {
        let target = request.path + (request.query.map { [0x3F] + $0 } ?? [])
        let fields = request.headers.map { hex($0.name) + "=" + hex($0.value) }.joined(separator: ",")
        return ["request", hex(request.method.bytes), hex(target), hex(request.body), fields].joined(separator: ":")
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
