import Testing

@testable import HTTPClient

@Suite struct ExchangeTests {
    private func feed(_ exchange: Exchange, _ lines: [String]) -> Bool {
        lines.allSatisfy { line in Array((line + "\r\n").utf8).withUnsafeBytes { exchange.take(headerLine: $0) } }
    }

    @Test func keepsTheFinalResponsesHeadersWithoutTrailers() {
        let exchange = Exchange(maxBodyBytes: 10)
        #expect(
            feed(
                exchange,
                [
                    "HTTP/1.1 103 Early Hints", "Link: a", "", "HTTP/1.1 200 OK", "Retry-After:  5\t ", "no colon",
                    ": none",
                    " folded: x", "X-\u{C4}: \u{E4}", "", "Trailer: z",
                ]))
        #expect(exchange.headers.map(\.name) == ["retry-after", "x-\u{C4}"])
        #expect(exchange.headers.first?.value == "5")
    }

    @Test func aStatusIsTheWholeAnswerToWhoCutsTheBody() {
        let exchange = Exchange(maxBodyBytes: 10, cutsBody: true)
        #expect(feed(exchange, ["HTTP/1.1 100 Continue", ""]) && !exchange.isAnswered)
        #expect(feed(exchange, ["HTTP/1.1 200 OK", "A: b"]) && !exchange.isAnswered)
        #expect(feed(exchange, [""]) && exchange.isAnswered)
        let whole = Exchange(maxBodyBytes: 10)
        #expect(feed(whole, ["HTTP/1.1 200 OK", ""]) && !whole.isAnswered)
    }

    @Test func boundsHeadAndBody() {
        let exchange = Exchange(maxBodyBytes: 10)
        let eleven = [UInt8](repeating: 0, count: 11)
        #expect(eleven.dropLast().withUnsafeBytes { exchange.take(body: $0) })
        #expect(exchange.exceededLimit == nil)
        #expect(!eleven.prefix(1).withUnsafeBytes { exchange.take(body: $0) })
        #expect(exchange.exceededLimit == 10)

        let other = Exchange(maxBodyBytes: -1)
        let line = "X: " + String(repeating: "a", count: 995)
        #expect(feed(other, Array(repeating: line, count: 65)))
        #expect(!feed(other, [line]))
        #expect(other.exceededLimit == Exchange.maxHeadBytes)
    }
}
