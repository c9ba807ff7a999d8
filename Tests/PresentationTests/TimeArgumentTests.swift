import Testing
import Time

@testable import Presentation

@Suite struct TimeArgumentTests {
    private let now = Timestamp("2026-11-20T16:20:02.400Z")!

    @Test(arguments: [
        ("24h", "2026-11-19T16:20:02.400Z"), ("7d", "2026-11-13T16:20:02.400Z"), ("90s", "2026-11-20T16:18:32.400Z"),
        ("2026-11-20T16:20:02.400Z", "2026-11-20T16:20:02.400Z"),
        ("2026-11-20T18:20:02+02:00", "2026-11-20T16:20:02.000Z"),
        ("2026-11-20T18:20+02:00", "2026-11-20T16:20:00.000Z"), ("2026-11-20T16:20Z", "2026-11-20T16:20:00.000Z"),
        ("2026-11-20T16:20:02", "2026-11-20T16:20:02.000Z"), ("2026-11-20T16:20", "2026-11-20T16:20:00.000Z"),
        ("2026-11-20 16:20:02", "2026-11-20T16:20:02.000Z"), ("2026-11-20", "2026-11-20T00:00:00.000Z"),
    ])
    func aTimeOrADurationBack(text: String, instant: String) {
        #expect(TimeArgument(text)?.instant(now: now, zone: .utc).description == instant)
    }

    /// Whatever zone the machine is in: a time that a table shows means the same when it is given back.
    @Test(arguments: ["2026-11-20T16:20:02.000Z", "2026-07-01T23:59:59.000Z", "1969-12-31T12:00:00.000Z"])
    func whatATableShowsCanBeGivenBack(instant: String) {
        let instant = Timestamp(instant)!
        for zone in [ShownZone.local, .utc] {
            #expect(TimeArgument(zone.text(instant))?.instant(now: now, zone: zone) == instant)
        }
    }

    @Test(arguments: ["", "yesterday", "24", "-24h", "2026-13-01", "2026-11", "16:20", "24 h", "2026-11-20T"])
    func anythingElseIsNone(text: String) {
        #expect(TimeArgument(text) == nil)
    }
}
