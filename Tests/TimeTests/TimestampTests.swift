import Testing
import Time

@Suite struct TimestampTests {
    @Test(arguments: [
        ("2023-10-19T11:41:27.273Z", "2023-10-19T11:41:27.273Z"),
        ("2025-06-14T16:54:17.946242Z", "2025-06-14T16:54:17.946Z"),
        ("2022-08-12T19:23:42+0000", "2022-08-12T19:23:42.000Z"),
        ("2026-11-20T16:00:00Z", "2026-11-20T16:00:00.000Z"),
        ("2026-11-20T16:00:00.1Z", "2026-11-20T16:00:00.100Z"),
        ("2026-11-20T16:00:00.123456789+05:30", "2026-11-20T10:30:00.123Z"),
        ("2026-03-01T00:30:00-0100", "2026-03-01T01:30:00.000Z"),
        ("2024-02-29T23:59:60Z", "2024-03-01T00:00:00.000Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("9999-12-31T23:59:59.123-05:00", "9999-12-31T23:59:59.999Z"),
        ("0000-01-01T00:00:00+05:00", "0000-01-01T00:00:00.000Z"),
    ])
    func readsEveryFormThatSeamSends(text: String, expected: String) {
        #expect(Timestamp(text)?.description == expected)
    }

    @Test(arguments: [
        "", "2026", "2026-11-20", "2026-11-20T16:00Z", "2026-11-20T16:00:00", "2026-13-01T00:00:00Z",
        "2026-02-29T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T16:60:00Z", "2026-11-20T16:00:61Z",
        "2026-11-20T16:00:00.Z", "2026-11-20T16:00:00.1234567890Z", "2026-11-20T16:00:00Zx", "+026-11-20T16:00:00Z",
        "２026-11-20T16:00:00Z", "2026-11-20T16:00:00+1:00", "2026-11-20T16:00:00+25:00",
        "2026-11-20T16:00:00Z2026-11-20T16:00:00Z2026-11-20T16:00:00Z",
    ])
    func refusesEverythingElse(text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test func httpDates() {
        // The example of RFC 9110 section 5.6.7, and the days around the epoch.
        for (text, instant) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
            ("Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59Z"),
            ("Thu, 29 Feb 2024 12:00:00 GMT", "2024-02-29T12:00:00Z"),
        ] {
            #expect(Timestamp(instant)?.httpDate == text)
            #expect(Timestamp(httpDate: text) == Timestamp(instant))
        }
        for wrong in [
            "", "Sun, 06 Nov 1994 08:49:37", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Now 1994 08:49:37 GMT",
        ] {
            #expect(Timestamp(httpDate: wrong) == nil)
        }
    }

    @Test func textAndInstantAgreeOverTheWholeCalendar() {
        var generator = SeededGenerator(seed: 1)
        for _ in 0..<20_000 {
            let instant = Timestamp(
                millisecondsSinceEpoch: .random(in: -62_135_596_800_000...253_402_300_799_999, using: &generator))
            #expect(Timestamp(instant.description) == instant)
        }
    }

    @Test func textsOrderAsInstantsDo() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<2000 {
            let first = Timestamp(millisecondsSinceEpoch: .random(in: 0...4_102_444_800_000, using: &generator))
            let second = Timestamp(millisecondsSinceEpoch: .random(in: 0...4_102_444_800_000, using: &generator))
            #expect((first < second) == (first.description < second.description))
        }
    }

    @Test func arithmeticSaturatesInsteadOfTrapping() {
        let latest = Timestamp(millisecondsSinceEpoch: .max)
        #expect(latest + .seconds(Int64.max) == latest)
        #expect(Timestamp(millisecondsSinceEpoch: .min) - .seconds(1) == Timestamp(millisecondsSinceEpoch: .min))
        #expect(Timestamp(secondsSinceEpoch: .max) == latest)
        #expect(Timestamp(millisecondsSinceEpoch: -1).secondsSinceEpoch == -1)
    }
}

@Suite struct DurationTextTests {
    @Test(arguments: [
        ("500ms", Duration.milliseconds(500)), ("10s", .seconds(10)), ("5m", .seconds(300)),
        ("36h", .seconds(129_600)), ("30d", .seconds(2_592_000)), ("0s", .zero),
    ])
    func readsAndWritesTheConfiguredForm(text: String, expected: Duration) {
        #expect(Duration(configured: text) == expected)
        #expect(Duration(configured: expected.configured) == expected)
    }

    @Test(arguments: ["", "5", "s", "-5s", "+5s", "5 s", "1.5s", "5S", "5min", "5s ", "9999999999999s", "٥s"])
    func refusesEverythingElse(text: String) {
        #expect(Duration(configured: text) == nil)
    }
}

@Suite struct BackoffTests {
    @Test func everyDelayLiesBetweenATenthOfTheCeilingAndTheCeiling() {
        let backoff = Backoff(initial: .seconds(2), maximum: .seconds(300))
        var generator = SeededGenerator(seed: 3)
        for attempt in [Int.min, 0, 1, 2, 5, 8, 9, 40, 63, 64, 1000, .max] {
            let ceiling = min(300_000, 2000 * pow(2, min(max(attempt, 1), 21) - 1))
            for _ in 0..<200 {
                let delay = backoff.delay(afterAttempt: attempt, using: &generator).wholeMilliseconds
                #expect(delay >= ceiling / 10 && delay <= ceiling)
            }
        }
    }

    private func pow(_ base: Int64, _ exponent: Int) -> Int64 {
        (0..<exponent).reduce(1) { power, _ in power * base }
    }
}

@Suite struct ManualWallClockTests {
    @Test(.timeLimit(.minutes(5))) func wakesSleepersWhenItIsMovedToTheirTime() async throws {
        let clock = ManualWallClock(Timestamp(secondsSinceEpoch: 0))
        async let slept: Void = clock.sleep(for: .seconds(5))
        // Moving it again and again until the sleeper returns needs no knowledge of when it began to sleep.
        let mover = Task {
            while !Task.isCancelled {
                clock.advance(by: .seconds(5))
                await Task.yield()
            }
        }
        try await slept
        mover.cancel()
        #expect(clock.now() >= Timestamp(secondsSinceEpoch: 5))
    }

    @Test(.timeLimit(.minutes(5))) func aCancelledSleeperThrows() async {
        let clock = ManualWallClock(Timestamp(secondsSinceEpoch: 0))
        let task = Task { try await clock.sleep(for: .seconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
