import FoundationEssentials
import Testing

@testable import HTTPServer

@Suite struct CorpusTests {
    /// What upstream rejects and the parser does not, with the reason.
    static let notRejected = [
        "gunicorn/invalid/rfc9112_chunked_missing_final_crlf_01": "incomplete: the end of the trailers may still come",
        "lighttpd/unknown method": "which methods there are is the admission's matter, not the syntax's",
        "lighttpd/Duplicate If-Modified-Since headers": "conditional requests mean nothing here",
        "lighttpd/reject duplicated If-Modified-Since if not matching": "conditional requests mean nothing here",
        "lighttpd/GET with Content-Length": "content in GET is allowed (RFC 9110 9.3.1), framed and bounded like any",
        "lighttpd/HEAD with Content-Length": "content in HEAD is allowed (RFC 9110 9.3.2), framed and bounded like any",
        "llhttp/connection/CRLF between requests, explicit `close`": "what follows a close is thrown away",
        "llhttp/connection/CRLF between requests, explicit `close` followed by tab":
            "what follows a close is thrown away",
        "llhttp/content-length/Error on `Content-Length` overflow":
            "incomplete: fields are judged at the end of the head",
        "llhttp/content-length/Error on duplicate `Content-Length`":
            "incomplete: fields are judged at the end of the head",
        "llhttp/invalid/HTTP protocol and ANNOUNCE method": "which methods there are is the admission's matter",
        "llhttp/invalid/Invalid HTTP version": "incomplete: the line has not ended",
    ]

    @Test func everyLineIsRead() {
        #expect(CorpusLine.all.count == 570)
        #expect(CorpusLine.all.allSatisfy { !$0.bytes.isEmpty })
    }

    @Test func whatUpstreamRejectsIsRejected() {
        var unexpected: [String] = []
        var accepted: Set<String> = []
        for line in CorpusLine.all where line.label == "reject" {
            let verdict = Verdict([line.bytes[...]])
            if let rejection = verdict.rejection {
                #expect((400...599).contains(rejection.status))
            } else {
                accepted.insert(line.id)
                if CorpusTests.notRejected[line.id] == nil { unexpected.append("\(line.id): \(verdict)") }
            }
        }
        #expect(unexpected.isEmpty)
        #expect(accepted == Set(CorpusTests.notRejected.keys), "an exception that is none any more")
    }

    /// Many lines lack a Host, which alone is reason enough: with one they show what they were written for.
    @Test func rejectedForTheirOwnSake() throws {
        var accepted: Set<String> = []
        for line in CorpusLine.all where line.label == "reject" {
            let bytes = line.bytes
            guard Verdict([bytes[...]]).rejection == .hostMissing else { continue }
            let end = try #require(bytes.firstIndex(of: 0x0A))
            let verdict = Verdict([bytes[...end], Array("Host: a\r\n".utf8)[...], bytes[(end + 1)...]])
            if verdict.rejection == nil { accepted.insert(line.id) }
        }
        #expect(
            accepted == [
                "gunicorn/invalid/003c",  // method -bl: a token
                "llhttp/invalid/Invalid method",  // method MKCOLA: a token
                "lighttpd/Host missing",
            ])
    }

    @Test func whatIsIncompleteIsNoRequest() {
        for line in CorpusLine.all where line.label == "incomplete" {
            let verdict = Verdict([line.bytes[...]])
            #expect(verdict.requests == 0, "\(line.id): \(verdict)")
        }
    }

    /// The pieces in which bytes come never matter.
    @Test(.timeLimit(.minutes(15))) func everyCutLeadsToTheSame() async {
        for line in CorpusLine.all {
            // Others wait for this thread.
            await Task.yield()
            let bytes = line.bytes
            let whole = Verdict([bytes[...]])
            #expect(Verdict(bytes.indices.map { bytes[$0...$0] }) == whole, "\(line.id), byte by byte")
            // Every cut of all but the longest, which are long in what nothing hangs on.
            for cut in stride(from: 1, to: bytes.count, by: 1 + bytes.count / 400) {
                #expect(Verdict([bytes[..<cut], bytes[cut...]]) == whole, "\(line.id), cut at \(cut)")
            }
        }
    }

    /// What becomes of every line, so that a change is seen. To take changes over, set SPAREKEY_RECORD_VERDICTS and look
    /// at the difference.
    @Test func verdictsAreThoseRecorded() throws {
        let path = Fixture.path("verdicts.tsv")
        let verdicts = CorpusLine.all.map { "\($0.label)\t\($0.id)\t\(Verdict([$0.bytes[...]]))" }
        if ProcessInfo.processInfo.environment["SPAREKEY_RECORD_VERDICTS"] != nil {
            try (verdicts.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
        }
        let recorded = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        #expect(recorded.count == verdicts.count)
        for (recorded, verdict) in zip(recorded, verdicts) { #expect(recorded == verdict) }
    }
}
