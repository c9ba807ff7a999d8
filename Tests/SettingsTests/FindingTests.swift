import Foundation
import Testing

@testable import Settings

/// Every kind of finding, with its exact line and text.
@Suite struct FindingTests {
    /// A block of `Fixtures/findings.txt`.
    struct Case {
        let yaml: String
        let expected: [String]
        static func all() throws -> [Case] {
            let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("Fixtures/findings.txt")
            return try String(contentsOf: file, encoding: .utf8).components(separatedBy: "==== yaml\n").dropFirst()
                .map { block in
                    let parts = block.components(separatedBy: "---- findings\n")
                    let lines = try #require(parts.last).split(separator: "\n").filter { !$0.hasPrefix("####") }
                    return Case(yaml: parts[0], expected: lines.map(String.init))
                }
        }
    }

    @Test func isNamedWithItsLineAndFix() throws {
        let cases = try Case.all()
        #expect(cases.count > 50)
        for example in cases {
            #expect(try Scratch().findings(example.yaml) == example.expected, "\(example.yaml)")
        }
    }

    @Test(arguments: ["log:\n  level: \u{1}\n", "log:\r\n  level: \u{1}\r\n"])
    func controlCharactersAreRefused(_ yaml: String) throws {
        #expect(
            try Scratch().findings(yaml) == ["2: control characters are not allowed. Fix: remove what is not text."])
    }

    /// More would leave no thread for the listener while Seam hangs.
    @Test func requestsAtATimeAreBoundedByTheThreadsThereAre() throws {
        #expect(try Scratch().load("seam:\n  max_concurrent_requests: 128\n").seam.maxConcurrentRequests == 128)
        #expect(try Scratch().findings("seam:\n  max_concurrent_requests: 129\n").count == 1)
    }

    @Test(arguments: ["- a\n- b\n", "hello\n", "sparekey\n"])
    func aFileThatIsNoMappingIsRefused(_ yaml: String) throws {
        #expect(try Scratch().findings(yaml) == ["1: is not a list of keys and values. Fix: see config/sparekey.yaml."])
    }

    @Test(arguments: [
        "", "\n", "# nothing\n", "---\n", "~\n", "seam:\n", "seam:\n  # timeout: 1s\nlog: ~\n",
        "\u{FEFF}log:\n  level: info\n",
    ])
    func aFileOrSectionMayBeEmpty(_ yaml: String) throws {
        #expect(try Scratch().load(yaml).differences(from: Settings()) == [])
    }

    @Test func allFindingsComeAtOnceByLine() throws {
        let found = try Scratch().findings(
            """
            log:
              level: loud
            seam:
              timeout: 0s
              retries: 3
            listen:
              tls:
                certificate_file: /c.pem
            """, ["SPAREKEY_LOG_FORMAT": "xml", "SPAREKEY_NONSENSE_X": "1"], secrets: true)
        #expect(
            found.map { String($0.prefix { $0 != " " }) } == [
                "2:", "4:", "5:", "8:", "SPAREKEY_NONSENSE_X:", "SPAREKEY_LOG_FORMAT:",
                try #require(found.dropLast().last).prefix { $0 != " " }.description,
                try #require(found.last).prefix { $0 != " " }.description,
            ])
        #expect(
            found[6].contains(
                "webhook.secret: is missing: the signing secret of Seam's webhook. Fix: put it into a file"))
        #expect(found[7].contains("seam.api_key: is missing: Seam's API key. Fix: put it into a file"))
    }

    @Test func windowsLineEndsAreRead() throws {
        let settings = try Scratch().load(
            "log:\r\n  level: debug\r\nfailover:\r\n  trigger_events:\r\n    - access_code.failed_to_update\r\n")
        #expect(settings.log.level == .debug)
        #expect(settings.failover.triggerEvents == ["access_code.failed_to_update"])
        #expect(try Scratch().findings("log:\r\n  level: x\r\n").first?.hasPrefix("2: log.level:") == true)
        #expect(
            try Scratch().findings("log:\r\n  level: info\r\n  level: info\r\n").first?.hasPrefix(
                "3: log.level: is given already on line 2") == true)
    }

    /// It would never come: what fails would be found late, and Seam refuses to list it.
    @Test func anEventThatSeamDoesNotSendIsFound() throws {
        #expect(
            try Scratch().findings("failover:\n  trigger_events:\n    - access_code.failed_to_set_on_devise\n") == [
                "3: failover.trigger_events: the value is not such an event type. Fix: write access_code.failed_to_set_on_device."
            ])
    }

    @Test func aFileThatIsNotUTF8IsNamedWithItsLine() throws {
        let scratch = try Scratch()
        let path = try scratch.write(
            "latin.yaml", Data("log:\n  level: info\n# caf\u{E9}".unicodeScalars.map { UInt8($0.value) }))
        let error = #expect(throws: ConfigurationError.self) {
            try Settings.load(path: path, environment: [:], requireSecrets: false)
        }
        #expect(error?.description == "\(path):3: is not UTF-8. Fix: save \(path) as UTF-8 text.")
    }

    @Test func aHugeFileIsRefused() throws {
        let found = try Scratch().findings(String(repeating: "# filler\n", count: 40_000))
        #expect(found.count == 1 && found[0].contains("is larger than 256 KiB"))
    }

    @Test func deepNestingIsRefused() throws {
        #expect(try Scratch().findings(String(repeating: "[", count: 200_000)).count == 1)
        #expect(try Scratch().findings(String(repeating: "- ", count: 100_000)).count == 1)
        #expect(
            try Scratch().findings("log: " + String(repeating: "{a: ", count: 900) + String(repeating: "}", count: 900))
                .count == 1)
    }

    @Test func aliasesAreNotFollowed() throws {
        var yaml = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
        for level in 1..<30 {
            let items = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ",")
            yaml += "a\(level): &a\(level) [\(items)]\n"
        }
        #expect(try Scratch().findings(yaml).count == 30)
    }

    @Test func aNameFromTheFileCannotBreakTheLine() throws {
        let finding = Finding(key: "a", source: .file("/tmp/x\ny\u{1B}[31m"), line: 1, problem: "p", fix: "f")
        #expect(finding.description == "/tmp/x\u{FFFD}y\u{FFFD}[31m:1: a: p. Fix: f.")
    }
}
