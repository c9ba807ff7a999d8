import Strictness
import Testing
import Time

@testable import HTTPServer

/// What a parser with these limits makes of a text: a rejection, or the number of requests.
private func outcome(_ text: String, _ limits: Limits = Limits()) -> String {
    outcome(Array(text.utf8), limits)
}

private func outcome(_ bytes: [UInt8], _ limits: Limits = Limits()) -> String {
    let whole = run([bytes[...]], limits)
    let bitwise = run(bytes.indices.map { bytes[$0...$0] }, limits)
    return whole == bitwise ? whole : "\(whole) in one, \(bitwise) in pieces"
}

private func run(_ pieces: [ArraySlice<UInt8>], _ limits: Limits) -> String {
    let read = RequestWords(pieces, limits: limits)
    return switch read.end {
    case .complete: "\(read.requests.count)"
    case .more: "\(read.requests.count) more"
    case .close: "\(read.requests.count) close"
    case .refused(let rejection): "\(rejection.status) \(rejection.reason)"
    }
}

private func get(_ fields: String) -> String { "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n" }
private func post(_ fields: String, _ body: String = "") -> String {
    "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\(body)"
}

@Suite struct RequestParserTests {
    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "1"),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "1"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 request_line"),
        ("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "400 bare_lf"),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", "400 bare_lf"),
        ("GET / HTTP/1.1\rHost: a\r\n\r\n", "400 bare_cr"),
        ("GET  / HTTP/1.1\r\n", "400 target"),
        ("GET /  HTTP/1.1\r\n", "400 version_syntax"),
        ("GET / HTTP/1.1 \r\n", "400 version_syntax"),
        (" GET / HTTP/1.1\r\n", "400 method"),
        ("GET\t/ HTTP/1.1\r\n", "400 request_line"),
        ("GET /\r\n", "400 request_line"),
        ("G(T / HTTP/1.1\r\n", "400 method"),
        ("get / HTTP/1.1\r\nHost: a\r\n\r\n", "1"),
        ("GET a HTTP/1.1\r\n", "400 target"),
        ("OPTIONS * HTTP/1.1\r\n", "400 target"),
        ("GET http://a/ HTTP/1.1\r\n", "400 target"),
        ("CONNECT a:1 HTTP/1.1\r\n", "400 target"), ("CONNECT / HTTP/1.1\r\n", "400 target"),
        ("PRI / HTTP/1.1\r\n", "400 target"),
        ("GET /#a HTTP/1.1\r\n", "400 target"),
        ("GET /%2 HTTP/1.1\r\n", "400 target"),
        ("GET /%2g HTTP/1.1\r\n", "400 target"),
        ("GET /%2F?%2f HTTP/1.1\r\nHost: a\r\n\r\n", "1"),
        ("GET /\u{E9} HTTP/1.1\r\n", "400 target"),
        ("GET / HTTP/1.0\r\n\r\n", "1 close"),
        ("GET / HTTP/1.2\r\n", "505 version"),
        ("GET / HTTP/2.0\r\n", "505 version"),
        ("GET / HTTP/0.9\r\n", "505 version"),
        ("GET / http/1.1\r\n", "400 version_syntax"),
        ("GET / HTTP/1.10\r\n", "400 version_syntax"),
        ("GET / HTTP/1,1\r\n", "400 version_syntax"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400 target"),
        ("\u{16}\u{3}\u{1}\u{2}", "400 control_byte"),
    ])
    func requestLine(text: String, expected: String) {
        #expect(outcome(text) == expected)
    }

    @Test(arguments: [
        ("", "1"),
        ("A: b\r\n", "1"),
        ("A:\r\n", "1"),
        ("A:\t b \t\r\n", "1"),
        ("A: \u{E9}\r\n", "1"),
        ("\u{E9}: b\r\n", "400 field_name"),
        ("A : b\r\n", "400 field_name"),
        ("A b: c\r\n", "400 field_name"),
        (": b\r\n", "400 field_name"),
        ("A\r\n", "400 field_without_colon"),
        (" A: b\r\n", "400 folded_field"),
        ("A: b\r\n\tc\r\n", "400 folded_field"),
        ("A: b\u{0}\r\n", "400 control_byte"),
        ("A: b\u{7F}\r\n", "400 control_byte"),
        ("A: b\nB: c\r\n", "400 bare_lf"),
        ("A: b\rB: c\r\n", "400 bare_cr"),
        ("Host: b\r\n", "400 repeated_field"),
        ("Content-Type: a\r\nContent-Type: a\r\n", "400 repeated_field"),
        ("Content-Encoding: a\r\ncontent-encoding: b\r\n", "400 repeated_field"),
        ("Expect: 100-continue\r\nExpect: 100-continue\r\n", "400 repeated_field"),
        ("Expect: 200-ok\r\n", "417 expectation"),
        ("Connection: a\r\nConnection: , CLOSE\r\n", "1 close"),
        ("Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n", "1"),
        ("Connection: a b\r\n", "400 connection"),
    ])
    func fields(fields: String, expected: String) {
        #expect(outcome(get(fields)) == expected)
    }

    @Test(arguments: [
        ("a", true), ("a.example", true), ("a.example.", true), ("A-1_b.c:8080", true), ("a:", true),
        ("127.0.0.1:1", true), ("[::1]", true), ("[2001:db8::1]:65535", true), ("[::ffff:1.2.3.4]", true),
        ("", false), (":80", false), ("a:b", false), ("a:123456", false), ("a:1:2", false), ("a b", false),
        ("a,b", false), ("a/b", false), ("user@a", false), ("%61", false), ("[::1", false), ("[]", false),
        ("[::1]a", false), ("[g::]", false), ("a..b", false), (".a", false), ("-a", false), ("a-", false),
        ("1.2.3", false), ("1.2.3.256", false), ("1.2.3.04", false), (".", false), ("\u{E9}", false),
    ])
    func host(host: String, isValid: Bool) {
        #expect(outcome("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n") == (isValid ? "1" : "400 host"))
    }

    @Test func hostIsRequiredOnlyInHTTP11() {
        #expect(outcome("GET / HTTP/1.1\r\n\r\n") == "400 host_missing")
        #expect(outcome("GET / HTTP/1.0\r\n\r\n") == "1 close")
        #expect(outcome("GET / HTTP/1.0\r\nHost: a b\r\n\r\n") == "400 host")
    }

    @Test(arguments: [
        ("", "", "411 length_required"),
        ("Content-Length: 0\r\n", "", "1"),
        ("Content-Length: 5\r\n", "hello", "1"),
        ("Content-Length: 5\r\n", "hell", "0 more"),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello", "400 repeated_field"),
        ("Content-Length: 5, 5\r\n", "hello", "400 content_length"),
        ("Content-Length: +5\r\n", "hello", "400 content_length"),
        ("Content-Length: -5\r\n", "hello", "400 content_length"),
        ("Content-Length: 05\r\n", "hello", "400 content_length"),
        ("Content-Length: 0x5\r\n", "hello", "400 content_length"),
        ("Content-Length:\r\n", "hello", "400 content_length"),
        ("Content-Length: 1572864\r\n", "", "0 more"),
        ("Content-Length: 1572865\r\n", "", "413 body_too_large"),
        ("Content-Length: 99999999999999999999999999\r\n", "", "413 body_too_large"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", "400 length_and_coding"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n", "400 repeated_field"),
        ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n", "501 transfer_coding"),
        ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n", "501 transfer_coding"),
        ("Transfer-Encoding: identity\r\n", "", "501 transfer_coding"),
        ("Transfer-Encoding:\r\n", "", "400 transfer_encoding"),
        ("Transfer-Encoding: \"chunked\"\r\n", "", "400 transfer_encoding"),
        ("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n", "1"),
    ])
    func framing(fields: String, body: String, expected: String) {
        #expect(outcome(post(fields, body)) == expected)
    }

    @Test func aLengthIsRequiredOnlyWhereTheLimitsSaySo() {
        var limits = Limits()
        limits.requiresLength = false
        for method in ["POST", "PUT", "PATCH"] {
            let request = "\(method) / HTTP/1.1\r\nHost: a\r\n\r\n"
            #expect(outcome(request, limits) == "1")
            #expect(outcome(request) == "411 length_required")
        }
        #expect(outcome("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", limits) == "0 more")
    }

    @Test func aCodingInHTTP10IsRefused() {
        #expect(
            outcome("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "400 length_and_coding")
    }

    @Test(arguments: [
        ("0\r\n\r\n", "1"),
        ("5\r\nhello\r\n0\r\n\r\n", "1"),
        ("0000000A\r\n0123456789\r\n000\r\n\r\n", "1"),
        ("000000005\r\nhello\r\n0\r\n\r\n", "400 chunk_size"),
        ("FFFFFFFF\r\n", "413 body_too_large"),
        ("\r\n", "400 chunk_size"),
        ("g\r\n", "400 chunk_size"),
        ("0x5\r\n", "400 chunk_size"),
        ("+5\r\n", "400 chunk_size"),
        (" 5\r\n", "400 chunk_size"),
        ("5 \r\n", "400 chunk_size"),
        ("5\n", "400 bare_lf"),
        ("5\r\nhello0\r\n", "400 chunk_data_end"),
        ("5\r\nhello\n0\r\n", "400 chunk_data_end"),
        ("5\r\nhello\r0\r\n", "400 chunk_data_end"),
        ("5\r\nhellox\n0\r\n", "400 chunk_data_end"),
        ("5;a;b=c;d=\"e \\\" f\"\r\nhello\r\n0;x\r\n\r\n", "1"),
        ("5;\r\n", "400 chunk_extension"),
        ("5; a\r\n", "400 chunk_extension"),
        ("5;a=\r\n", "400 chunk_extension"),
        ("5;a=\"b\r\n", "400 chunk_extension"),
        ("5;a=\"b\\\"\r\n", "400 chunk_extension"),
        ("5;a=\"b\"c\r\n", "400 chunk_extension"),
        ("0\r\nX: 1\r\nY: 2\r\n\r\n", "1"),
        ("0\r\nX : 1\r\n\r\n", "400 field_name"),
        ("0\r\n X: 1\r\n\r\n", "400 folded_field"),
        ("0\r\nContent-Length: 1\r\n\r\n", "400 trailer"),
        ("0\r\nX: 1\n\r\n", "400 bare_lf"),
    ])
    func chunked(body: String, expected: String) {
        #expect(outcome(post("Transfer-Encoding: chunked\r\n", body)) == expected)
    }

    @Test func limitsAreExact() {
        var limits = Limits()
        limits.maxTargetBytes = 100
        limits.maxHeadBytes = 400
        limits.maxFields = 3
        limits.maxBodyBytes = 10
        limits.maxChunkExtensionBytes = 8
        func target(_ count: Int) -> String {
            outcome("GET /\(String(repeating: "a", count: count - 1)) HTTP/1.1\r\nHost: a\r\n\r\n", limits)
        }
        #expect(target(100) == "1")
        #expect(target(101) == "414 target_too_long")
        #expect(target(1_000) == "414 target_too_long")
        #expect(outcome(String(repeating: "A", count: 200), limits) == "501 method_too_long")

        let used = "GET / HTTP/1.1\r\nHost: a\r\n".utf8.count
        func value(_ count: Int) -> String { outcome(get("A: \(String(repeating: "b", count: count))\r\n"), limits) }
        #expect(value(400 - used - 3) == "1")
        #expect(value(400 - used - 2) == "431 head_too_large")
        #expect(outcome(get("A: b\r\nA: b\r\n"), limits) == "1")
        #expect(outcome(get("A: b\r\nA: b\r\nA: b\r\n"), limits) == "431 too_many_fields")

        #expect(outcome(post("Content-Length: 10\r\n", "0123456789"), limits) == "1")
        #expect(outcome(post("Content-Length: 11\r\n"), limits) == "413 body_too_large")
        let chunked = "Transfer-Encoding: chunked\r\n"
        #expect(outcome(post(chunked, "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n"), limits) == "1")
        #expect(outcome(post(chunked, "5\r\n01234\r\n6\r\n"), limits) == "413 body_too_large")
        #expect(outcome(post(chunked, "1;abc\r\n0\r\n1;abc\r\n0\r\n0\r\n\r\n"), limits) == "1")
        #expect(outcome(post(chunked, "1;abc\r\n0\r\n1;abcd\r\n"), limits) == "400 chunk_line_too_long")
        #expect(outcome(post(chunked, "0\r\nA: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"), limits) == "431 too_many_fields")
        #expect(
            outcome(post(chunked, "0\r\nA: \(String(repeating: "b", count: 500))\r\n\r\n"), limits)
                == "431 head_too_large")
    }

    @Test func pipelinedRequestsFollowEachOther() {
        #expect(outcome(post("Content-Length: 5\r\n", "hello") + get("") + post("Content-Length: 1\r\n", "x")) == "3")
        #expect(outcome(get("") + "\r\n" + get("") + "X") == "2 more")
    }

    @Test func fieldsAreCountedForEachRequest() {
        var limits = Limits()
        limits.maxFields = 3
        let chunked = post("Transfer-Encoding: chunked\r\n", "0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n")
        #expect(outcome(chunked + get("A: b\r\n") + get("A: b\r\n"), limits) == "3")
    }

    @Test func aConnectionAtRestHoldsNoMemory() {
        var parser = RequestParser()
        _ = parser.feed(Array(post("Content-Length: 5\r\n", "hello").utf8)[...])
        while case .head = parser.step() {}
        _ = parser.step()
        #expect(parser.isEmpty)
        #expect(parser.heldBytes == 0)
    }

    /// Damaged requests, cut anywhere: the same verdict whole and in pieces, and never a crash.
    @Test func damageDoesNoHarm() {
        var generator = SeededGenerator(seed: 20_261_123)
        let lines = CorpusLine.all.filter { $0.bytes.count < 400 }
        let spice: [UInt8] = Array("\r\n\0 \t:;,=\"%0123456789aAfF/?#-[]\u{7F}".utf8) + [0x80, 0xFF]
        for _ in 0..<6_000 {
            var bytes = lines.randomElement(using: &generator)?.bytes ?? []
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let at = Int.random(in: 0...bytes.count, using: &generator)
                let byte = spice.randomElement(using: &generator) ?? 0
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes.insert(byte, at: at)
                case 1 where at < bytes.count: bytes[at] = byte
                default: if at < bytes.count { bytes.remove(at: at) }
                }
            }
            let cut = Int.random(in: 0...bytes.count, using: &generator)
            let whole = Verdict([bytes[...]])
            #expect(Verdict([bytes[..<cut], bytes[cut...]]) == whole)
            #expect(Verdict(bytes.indices.map { bytes[$0...$0] }) == whole)
        }
    }
}
