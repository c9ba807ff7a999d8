import Testing
import Time

@testable import Words

struct MessageTextsTests {
    /// 2026-07-01 in summer, 2026-12-01 in winter of the northern half.
    private func values(
        name: String? = "Ada Lovelace", pin: String? = "739146", device: String? = "Front Door",
        zone: String? = "Europe/Vienna", startsAt: String? = "2026-07-01T13:05:00.000Z",
        endsAt: String? = "2026-12-01T10:00:00.000Z"
    ) -> MessageTexts.Values {
        MessageTexts.Values(
            name: name, pin: pin, startsAt: startsAt.flatMap { Timestamp($0) },
            endsAt: endsAt.flatMap { Timestamp($0) },
            device: device, timeZone: zone)
    }

    @Test func theWindowIsInTheLocksOwnTime() {
        #expect(
            MessageTexts.english.text(.created, values())
                == "Hello Ada Lovelace, your door code for Front Door has changed. Please use 739146 instead of the code you were given. It works from 1 July 2026, 15:05 until 1 December 2026, 11:00."
        )
    }

    @Test(arguments: [
        ("America/New_York", "1 July 2026, 09:05", "1 December 2026, 05:00"),
        ("Asia/Kolkata", "1 July 2026, 18:35", "1 December 2026, 15:30"),
        ("Pacific/Chatham", "2 July 2026, 01:50", "1 December 2026, 23:45"),
        ("UTC", "1 July 2026, 13:05", "1 December 2026, 10:00"),
    ])
    func zones(_ zone: String, _ starts: String, _ ends: String) throws {
        let text = try #require(MessageTexts.english.text(.created, values(zone: zone)))
        #expect(text.hasSuffix("It works from \(starts) until \(ends)."))
    }

    /// Across the hour that is left out and the hour that comes twice.
    @Test(arguments: [
        ("2026-03-29T00:59:00.000Z", "29 March 2026, 01:59"), ("2026-03-29T01:00:00.000Z", "29 March 2026, 03:00"),
        ("2026-10-25T00:30:00.000Z", "25 October 2026, 02:30"), ("2026-10-25T01:30:00.000Z", "25 October 2026, 02:30"),
        ("2051-07-01T13:05:00.000Z", "1 July 2051, 15:05"),
    ])
    func summerTime(_ instant: String, _ written: String) throws {
        let text = try #require(MessageTexts.english.text(.created, values(endsAt: instant)))
        #expect(text.hasSuffix("until \(written)."))
    }

    @Test(arguments: [nil, "", "Europe/Atlantis", "../../etc/passwd", String(repeating: "A", count: 100_000)])
    func anUnknownZoneIsUTCAndCalledSo(_ zone: String?) throws {
        let text = try #require(MessageTexts.english.text(.created, values(zone: zone)))
        #expect(text.hasSuffix("from 1 July 2026, 13:05 UTC until 1 December 2026, 10:00 UTC."))
    }

    @Test func whatIsUnknownIsLeftOutWithTheWordsAroundIt() {
        #expect(
            MessageTexts.english.text(.created, values(name: nil, device: nil, startsAt: nil))
                == "Hello, your door code has changed. Please use 739146 instead of the code you were given.")
        #expect(MessageTexts.english.text(.created, values(pin: nil)) == nil)
        #expect(
            MessageTexts.english.text(.revoked, values(name: nil, pin: nil))
                == "Hello, the replacement door code for Front Door that we sent you no longer works.")
    }

    @Test func aNameIsOneLineAndNoTemplate() throws {
        let text = try #require(
            MessageTexts.english.text(.created, values(name: "A\r\nBcc: all {pin} [x]\u{2028}\u{0}")))
        #expect(text.hasPrefix("Hello A Bcc: all {pin} [x], your"))
        let long = try #require(
            MessageTexts.english.text(.created, values(name: String(repeating: "x", count: 100_000))))
        #expect(long.count < 500)
    }

    @Test func everyLanguageCanBeUsed() throws {
        #expect(MessageTexts.builtIn.keys.sorted() == ["de", "en", "es", "fr", "it", "ja", "pt"])
        for (language, texts) in MessageTexts.builtIn {
            #expect(texts.problems.isEmpty, "\(language)")
            for kind in MessageTexts.Kind.allCases {
                let text = try #require(texts.text(kind, values()))
                #expect(text.contains("Front Door") && text.contains("Ada Lovelace"), "\(language)")
                #expect(text.contains("739146") == (kind != .revoked), "\(language) \(kind)")
                #expect(!text.contains("{") && !text.contains("["))
            }
        }
        #expect(
            MessageTexts.builtIn["ja"]?.text(.created, values())?.contains("2026年7月1日 15:05") == true)
    }
}

struct MessageTemplateTests {
    private func problem(_ text: String) -> String? {
        do throws(MessageTemplate.Problem) {
            try MessageTemplate(text).check(names: ["pin", "name"], required: ["pin"])
            return nil
        } catch {
            return error.problem
        }
    }

    @Test func whatIsWrongIsSaid() {
        #expect(problem("{pin}") == nil)
        #expect(problem("{{x}} [[y]] {pin}[ {name}]") == nil)
        #expect(problem("{code}{pin}") == "`{code}` is no value that it could have")
        #expect(problem("Hello") == "`{pin}` is missing")
        #expect(problem("[{pin}]") == "`{pin}` is missing")
        #expect(problem("{pin") == "a `{` is not closed")
        #expect(problem("{pin}}") == "a `}` closes nothing")
        #expect(problem("{pin}]") == "a `]` closes nothing")
        #expect(problem("{pin}[{name}") == "a `[` is not closed")
        #expect(problem("{pin}[a[{name}]]") == "a `[` stands within brackets")
        #expect(problem("{pin}[x]") == "there is no value between [ and ]")
    }

    @Test func doubledSignsAreTheSignsThemselves() {
        #expect(MessageTemplate("{{a}} [[b]] {pin}").filled(["pin": "1"]) == "{a} [b] 1")
        #expect(MessageTemplate("[{{{pin}}} ]").filled(["pin": "1"]) == "{1} ")
    }
}
