import Testing

@testable import HTTPServer

/// Every line of the corpora against the real server, over a socket.
@Suite struct CorpusServerTests {
    @Test(.timeLimit(.minutes(5)), arguments: [true, false])
    func everyLineIsAnsweredOrClosed(halfClosing: Bool) async throws {
        var limits = Limits()
        // A client that stays must be told off soon, for the test's sake.
        limits.headerTimeout = .milliseconds(600)
        limits.bodyTimeout = .milliseconds(600)
        limits.idleTimeout = .milliseconds(600)
        limits.minimumRate = 1_000_000
        let server = try answeringServer(limits) { _ in Response(401) }
        let port = server.port

        try await withThrowingTaskGroup(of: Void.self) { group in
            let lines = CorpusLine.all
            for lane in 0..<64 {
                group.addTask {
                    for line in lines.enumerated() where line.offset % 64 == lane {
                        let line = line.element
                        let statuses = try await blocking {
                            let client = try TestClient(port: port)
                            try client.send(line.bytes)
                            if halfClosing { client.finishSending() }
                            return statusLines(try client.readToEnd())
                        }
                        let verdict = Verdict([line.bytes[...]])
                        #expect(statuses.allSatisfy { $0 >= 400 }, "\(line.id): \(statuses)")
                        // One answer to each request and one to what is wrong or never ends: never two.
                        let refusals = verdict.rejection != nil || verdict.steps.last == "more" ? 1 : 0
                        #expect(statuses.count == verdict.requests + refusals, "\(line.id): \(statuses), \(verdict)")
                    }
                }
            }
            try await group.waitForAll()
        }

        let alive = try await blocking {
            let client = try TestClient(port: port)
            try client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return try client.answer().status
        }
        #expect(alive == 401)
        await server.shutdown(deadline: .seconds(5))
    }
}

/// The final statuses in a stream of answers without content.
private func statusLines(_ bytes: [UInt8]) -> [Int] {
    String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
        .filter { $0.hasPrefix("HTTP/1.1 ") }.compactMap { Int($0.dropFirst(9).prefix(3)) }.filter { $0 != 100 }
}
