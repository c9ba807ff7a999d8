import FoundationEssentials
import Strictness

@testable import HTTPServer

/// Requests with verdicts from the tests of other servers: Fixtures/README.md names them and their licences.
struct CorpusLine: Decodable, Sendable {
    var id: String
    var source: String
    var label: String
    var b64: String
    var note: String

    var bytes: [UInt8] { Data(base64Encoded: b64).map { Array($0) } ?? [] }

    static let files = [
        "desync_guardian", "gunicorn_requests", "lighttpd_requests", "llhttp_fixtures", "picohttpparser",
    ]

    static let all: [CorpusLine] = files.flatMap { name in
        let text = (try? String(contentsOfFile: Fixture.path(name + ".jsonl"), encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap {
            try? JSONDecoder().decode(CorpusLine.self, from: Data($0.utf8))
        }
    }
}

enum Fixture {
    static func path(_ name: String) -> String {
        #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast().joined(separator: "/")
            + "/Fixtures/" + name
    }
}

/// What a parser makes of the bytes of one connection, as a line of text.
struct Verdict: Equatable, CustomStringConvertible {
    var steps: [String] = []
    var rejection: Rejection?
    var requests = 0
    var isClosed = false

    var description: String { steps.joined(separator: ", ") }

    init(_ pieces: [ArraySlice<UInt8>]) {
        let read = RequestWords(pieces)
        requests = read.requests.count
        steps = read.requests.map { "request(\($0.body.count))" }
        switch read.end {
        case .complete: break
        case .more: steps.append("more")
        case .close:
            steps.append("close")
            isClosed = true
        case .refused(let rejection):
            self.rejection = rejection
            steps.append("\(rejection.status) \(rejection.reason)")
        }
    }
}
