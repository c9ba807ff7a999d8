import Dispatch
import Glibc

@testable import HTTPServer

/// A blocking client on a real socket. Each call waits at most ten seconds.
final class TestClient {
    struct Failure: Error {
        var what: String
        var errno: Int32
    }

    struct Answer: Equatable, Sendable {
        var status: Int
        var head: String
        var body: [UInt8]

        func has(_ line: String) -> Bool { head.split(separator: "\r\n").contains { $0 == line } }
    }

    let descriptor: Int32
    private var received: [UInt8] = []

    /// - Parameter source: the loopback address to come from; nil leaves it to the system.
    init(port: Int, receiveBuffer: Int32? = nil, family: Int32 = AF_INET, source: String? = nil) throws {
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(what: "socket", errno: errno) }
        if let receiveBuffer { SystemCall.setOption(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer) }
        // Tests that reckon may keep both threads of the pool for seconds, and with them whoever has to answer here.
        var wait = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &wait, socklen_t(MemoryLayout<timeval>.size))
        if let source, case .addresses(let found) = SocketAddress.resolve(host: source, port: 0) {
            guard case .value? = found.first.map({ SystemCall.bind(descriptor, $0) }) else {
                throw Failure(what: "bind", errno: errno)
            }
        }
        let host = family == AF_INET6 ? "::1" : "127.0.0.1"
        guard case .addresses(let addresses) = SocketAddress.resolve(host: host, port: port),
            let address = addresses.first
        else { throw Failure(what: "resolve", errno: 0) }
        guard address.withPointer({ Glibc.connect(descriptor, $0, $1) }) == 0 else {
            throw Failure(what: "connect", errno: errno)
        }
    }

    deinit { close(descriptor) }

    func send(_ text: String) throws { try send(Array(text.utf8)) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { throw Failure(what: "send", errno: errno) }
            sent += count
        }
    }

    /// Returns once the server's side of the connection has everything that was sent (SIOCOUTQ, tcp(7)).
    func waitUntilTaken() {
        var unsent: Int32 = 0
        repeat { _ = ioctl(descriptor, UInt(TIOCOUTQ), &unsent) } while unsent > 0
    }

    func finishSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// One more piece; empty at the end of the connection.
    private func receive() throws -> ArraySlice<UInt8> {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        guard count >= 0 else { throw Failure(what: "recv", errno: errno) }
        return buffer[..<count]
    }

    func readToEnd() throws -> [UInt8] {
        while true {
            let piece = try receive()
            if piece.isEmpty { return received }
            received += piece
        }
    }

    /// The next answer; `withoutBody` for answers to HEAD.
    func answer(withoutBody: Bool = false) throws -> Answer {
        let mark = Array("\r\n\r\n".utf8)
        while true {
            if let end = received.firstRange(of: mark) {
                let head = String(decoding: received[..<end.lowerBound], as: UTF8.self)
                let lines = head.split(separator: "\r\n")
                let length = lines.first { $0.hasPrefix("Content-Length: ") }.flatMap { Int($0.dropFirst(16)) } ?? 0
                let bodyEnd = end.upperBound + (withoutBody ? 0 : length)
                if received.count >= bodyEnd {
                    let answer = Answer(
                        status: Int(head.dropFirst(9).prefix(3)) ?? 0, head: head,
                        body: Array(received[end.upperBound..<bodyEnd]))
                    received.removeFirst(bodyEnd)
                    return answer
                }
            }
            let piece = try receive()
            guard !piece.isEmpty else { throw Failure(what: "closed", errno: 0) }
            received += piece
        }
    }

    func isAtEnd() throws -> Bool {
        guard received.isEmpty else { return false }
        return try receive().isEmpty
    }
}

extension Collection<UInt8> {
    fileprivate func firstRange(of mark: [UInt8]) -> Range<Int>? where Index == Int {
        guard count >= mark.count else { return nil }
        for start in startIndex...(endIndex - mark.count) where self[start..<start + mark.count].elementsEqual(mark) {
            return start..<start + mark.count
        }
        return nil
    }
}

/// Runs blocking code where it may block: not on Swift's own threads, nor on the few of a shared queue.
func blocking<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        DispatchQueue(label: "client").async { continuation.resume(with: Result { try body() }) }
    }
}
