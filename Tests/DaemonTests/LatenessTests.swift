import HTTPServer
import Testing

@testable import Daemon

@Suite struct LatenessTests {
    private static let late =
        "warning Webhooks are answered too late; Seam sends again what was not: the disk is slow, or the machine overloaded"

    @Test func isToldOnceAndOnceOver() {
        let lines = Lines()
        let lateness = Lateness(limit: .seconds(5), log: lines.logger)
        let start = Instant.now
        lateness.note(.milliseconds(4_999), at: start)
        #expect(lines.all == [])
        lateness.note(.seconds(5), at: start)
        lateness.note(.seconds(7), at: start + .seconds(8))
        // In between, some are in time: that is no end of it.
        lateness.note(.seconds(1), at: start + .seconds(18))
        #expect(lines.all == [Self.late])
        lateness.note(.seconds(1), at: start + .milliseconds(18_001))
        lateness.note(.seconds(1), at: start + .seconds(19))
        #expect(lines.all == [Self.late, "notice Webhooks are answered in time again"])
        lateness.note(.seconds(6), at: start + .seconds(20))
        #expect(lines.all.last == Self.late && lines.all.count == 3)
    }

    @Test func withoutALimitNothingIsLate() {
        let lines = Lines()
        Lateness(limit: nil, log: lines.logger).note(.seconds(100_000), at: .now)
        #expect(lines.all == [])
    }
}
