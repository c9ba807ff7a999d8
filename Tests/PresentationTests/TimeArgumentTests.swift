import Testing
import Time

@testable import Presentation

@Suite struct TimeArgumentTests {
    private let now = Timestamp("2026-11-20T16:20:02.400Z")!

    @Test(arguments: [
        ("24h", "2026-11-19T16:20:02.400Z"), ("7d", "2026-11-13T16:20:02.400Z"), ("90s", "2026-11-20T16:18:32.400Z"),
        ("2026-11-20T16:20:02.400Z", "2026-11-20T16:20:02.400Z"),
        ("2026-11-20T18:20:02+02:00", "2026-11-20T16:20:02.000Z"),
        ("2026-11-20T16:20:02", "2026-11-20T16:20:02.000Z"), ("2026-11-20T16:20", "2026-11-20T16:20:00.000Z"),
        ("2026-11-20", "2026-11-20T00:00:00.000Z"),
    ])
    func aTimeOrADurationBack(text: String, instant: String) {
        #expect(TimeArgument(text)?.instant(now: now).description == instant)
    }

    @Test(arguments: ["", "yesterday", "24", "-24h", "2026-13-01", "2026-11", "16:20", "24 h", "2026-11-20T"])
    func anythingElseIsNone(text: String) {
        #expect(TimeArgument(text) == nil)
    }
}
