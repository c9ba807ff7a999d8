import HTTPServer
import Logging
import Signatures
import Testing

@testable import Daemon

@Suite struct RefusalLogTests {
    private let lines = Lines()
    private let refusals: RefusalLog
    private let start = Instant.now

    init() {
        refusals = RefusalLog(log: lines.logger)
    }

    /// The level of the line that comes of it, and the number held back that it names.
    private func note(_ reason: VerificationFailure.Reason, after seconds: Int64 = 0) -> String {
        refusals.note(reason, ["reason": "\(reason.rawValue)"], at: start + .seconds(seconds))
        let level = lines.all.last?.split(separator: " ").first ?? ""
        let metadata = lines.metadata.last ?? [:]
        #expect(metadata["reason"] == "\(reason.rawValue)")
        return metadata["held_back"].map { "\(level) \($0)" } ?? String(level)
    }

    @Test func aReasonIsWarnedOfOnceInTenMinutes() {
        #expect(note(.missingHeader) == "warning")
        #expect(note(.missingHeader) == "debug")
        #expect(note(.missingHeader, after: 599) == "debug")
        #expect(note(.missingHeader, after: 600) == "warning 2")
        #expect(note(.missingHeader, after: 1_199) == "debug")
        #expect(note(.missingHeader, after: 2_000) == "warning 1")
        #expect(note(.missingHeader, after: 3_000) == "warning")
    }

    @Test func aScannerHidesNoWrongSecret() {
        #expect(note(.missingHeader) == "warning")
        #expect(note(.signatureMismatch) == "warning")
        // Nor are two in turn a line for each request.
        var levels: Set<String> = []
        for second in 1..<300 as Range<Int64> {
            levels.insert(note(.missingHeader, after: second))
            levels.insert(note(.signatureMismatch, after: second))
        }
        #expect(levels == ["debug"])
        #expect(note(.signatureMismatch, after: 2_592_000) == "warning 299")
    }

    @Test func afterAnAuthenticWebhookARefusalIsNews() {
        #expect(note(.tooOld) == "warning")
        #expect(note(.tooOld, after: 1) == "debug")
        refusals.clear()
        refusals.clear()
        #expect(note(.tooOld, after: 2) == "warning 1")
        #expect(note(.tooOld, after: 3) == "debug")
    }
}
