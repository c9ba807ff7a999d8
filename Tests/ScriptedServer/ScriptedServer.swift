internal import Dispatch
internal import Glibc
internal import Synchronization

/// A small blocking HTTP/1.1 server on 127.0.0.1 that answers as the test says, also wrongly.
package final class ScriptedServer: Sendable {
    package struct Request: Sendable {
        package var method: String
        package var target: String
        /// Names in lower case.
        package var headers: [(name: String, value: String)]
        package var body: [UInt8]
        /// Which connection it came on, from 0 in the order of acceptance.
        package var connection: Int

        package func header(_ name: String) -> String? {
            headers.first { $0.name == name }?.value
        }
    }

    package enum Ending: Sendable {
        case keepOpen, close
        /// Closes with a TCP reset.
        case reset
        /// Sends nothing more until the client goes away.
        case hang
    }

    package struct Reply: Sendable {
        package var bytes: [UInt8]
        package var ending: Ending

        package init(bytes: [UInt8] = [], ending: Ending = .keepOpen) {
            self.bytes = bytes
            self.ending = ending
        }

        package static func raw(_ text: String, _ ending: Ending = .close) -> Reply {
            Reply(bytes: Array(text.utf8), ending: ending)
        }

        /// A well-formed response with its length.
        package static func response(
            _ status: Int, headers: [(String, String)] = [], body: String = "", ending: Ending = .keepOpen
        ) -> Reply {
            var head = "HTTP/1.1 \(status) Scripted\r\nContent-Length: \(body.utf8.count)\r\n"
            for (name, value) in headers { head += "\(name): \(value)\r\n" }
            return Reply(bytes: Array((head + "\r\n" + body).utf8), ending: ending)
        }

        package static func json(_ status: Int, _ body: String, headers: [(String, String)] = []) -> Reply {
            response(status, headers: [("Content-Type", "application/json; charset=utf-8")] + headers, body: body)
        }
    }

    private struct State {
        var requests: [Request] = []
        var connections: [Int32] = []
        var isStopped = false
    }

    package let port: Int
    private let listener: Int32
    private let state = Mutex(State())
    private let answer: @Sendable (Request) -> Reply

    /// - Parameter answer: called on the connection's own thread; it may block.
    package init(answer: @escaping @Sendable (Request) -> Reply) {
        self.answer = answer
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        port = withUnsafeMutablePointer(to: &address) { [listener] pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                precondition(bind(listener, $0, length) == 0 && listen(listener, 64) == 0)
                getsockname(listener, $0, &length)
            }
            return Int(UInt16(bigEndian: pointer.pointee.sin_port))
        }
        DispatchQueue(label: "scripted-server").async { @Sendable in self.acceptAll() }
    }

    package var url: String { "http://127.0.0.1:\(port)" }
    package var requests: [Request] { state.withLock { $0.requests } }
    package var connectionCount: Int { state.withLock { $0.connections.count } }

    package func stop() {
        state.withLock { state in
            guard !state.isStopped else { return }
            state.isStopped = true
            shutdown(listener, Int32(SHUT_RDWR))
            for connection in state.connections where connection >= 0 { shutdown(connection, Int32(SHUT_RDWR)) }
        }
    }

    private func acceptAll() {
        while true {
            let connection = accept(listener, nil, nil)
            guard connection >= 0 else { break }
            let index: Int? = state.withLock { state in
                guard !state.isStopped else { return nil }
                state.connections.append(connection)
                return state.connections.count - 1
            }
            guard let index else {
                close(connection)
                break
            }
            DispatchQueue(label: "scripted-server.connection").async { @Sendable in self.serve(connection, index) }
        }
        close(listener)
    }

    private func serve(_ connection: Int32, _ index: Int) {
        var buffer: [UInt8] = []
        defer {
            state.withLock { $0.connections[index] = -1 }
            close(connection)
        }
        while let request = readRequest(connection, &buffer, index) {
            state.withLock { $0.requests.append(request) }
            let reply = answer(request)
            var rest = reply.bytes[...]
            while !rest.isEmpty {
                let sent = rest.withUnsafeBytes { send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard sent > 0 else { return }
                rest = rest.dropFirst(sent)
            }
            switch reply.ending {
            case .keepOpen: continue
            case .close: return
            case .reset:
                var option = linger(l_onoff: 1, l_linger: 0)
                setsockopt(connection, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
                return
            case .hang:
                while readSome(connection, &buffer) {}
                return
            }
        }
    }

    private func readRequest(_ connection: Int32, _ buffer: inout [UInt8], _ index: Int) -> Request? {
        let separator = Array("\r\n\r\n".utf8)
        while true {
            if let end = buffer.firstRange(of: separator) {
                let lines = String(decoding: buffer[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
                let first = lines[0].split(separator: " ").map(String.init)
                let headers = lines.dropFirst().map { line in
                    let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                    return (name: parts[0].lowercased(), value: String((parts.last ?? "").drop { $0 == " " }))
                }
                let length = headers.first { $0.name == "content-length" }.flatMap { Int($0.value) } ?? 0
                while buffer.count < end.upperBound + length { guard readSome(connection, &buffer) else { return nil } }
                let body = Array(buffer[end.upperBound..<end.upperBound + length])
                buffer.removeFirst(end.upperBound + length)
                return Request(method: first[0], target: first[1], headers: headers, body: body, connection: index)
            }
            guard readSome(connection, &buffer) else { return nil }
        }
    }

    private func readSome(_ connection: Int32, _ buffer: inout [UInt8]) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 16_384)
        let count = recv(connection, &chunk, chunk.count, 0)
        guard count > 0 else { return false }
        buffer += chunk[..<count]
        return true
    }
}
