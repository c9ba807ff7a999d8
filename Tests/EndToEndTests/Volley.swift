import Dispatch
import Foundation
import Testing

/// Posts that are under way at the same time, each on a connection of its own: all are sent before the first answer is read.
enum Volley {
    /// - Returns: the status of each answer, 0 where the connection ended without one.
    static func post(_ webhooks: [HandMade], secret: String, to url: String) async throws -> [Int] {
        let address = try #require(URL(string: url))
        let port = try #require(address.port.flatMap { UInt16(exactly: $0) })
        let requests = try webhooks.map { webhook in
            let headers = try webhook.headers(secret: secret).map { "\($0.0): \($0.1)\r\n" }.joined()
            let head =
                "POST \(address.path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nContent-Length: \(webhook.body.count)\r\n"
            return Array((head + headers + "\r\n").utf8) + webhook.body
        }
        return await withCheckedContinuation { continuation in
            // Reading blocks, so it has a thread of its own.
            DispatchQueue(label: "volley").async {
                continuation.resume(returning: send(requests, to: port))
            }
        }
    }

    private static func send(_ requests: [[UInt8]], to port: UInt16) -> [Int] {
        let sockets = requests.map { _ in connect(to: port) }
        for (socket, request) in zip(sockets, requests) {
            var sent = 0
            while sent < request.count {
                let count = request[sent...].withUnsafeBytes {
                    Foundation.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
                }
                if count <= 0 { break }
                sent += count
            }
        }
        return sockets.map { socket in
            defer { close(socket) }
            return status(from: socket)
        }
    }

    private static func connect(to port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        _ = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return descriptor
    }

    /// The status of the answer's first line.
    private static func status(from socket: Int32) -> Int {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while line.last != UInt8(ascii: "\r"), recv(socket, &byte, 1, 0) == 1 { line.append(byte) }
        let words = line.split(separator: UInt8(ascii: " "))
        return words.count > 1 ? Int(String(decoding: words[1], as: UTF8.self)) ?? 0 : 0
    }
}
