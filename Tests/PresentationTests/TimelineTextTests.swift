import JSON
import Testing

@testable import Presentation

@Suite struct TimelineTextTests {
    private func sentence(_ kind: String, reason: String? = nil, pin: String? = nil, _ detail: JSONValue) -> String {
        TimelineText.sentence([
            "kind": .string(kind), "reason": JSONValue(reason), "backup_code": JSONValue(pin), "detail": detail,
        ])
    }

    @Test func anEntrySaysWhatAndWhy() {
        #expect(
            sentence(
                "event.received", reason: "handled",
                [
                    "event_type": "access_code.failed_to_set_on_device", "source": "webhook", "disposition": "handled",
                    "event_id": "e1",
                ])
                == "access_code.failed_to_set_on_device by webhook: handled  event_id=e1")
        #expect(
            sentence(
                "decision", reason: "pool_empty",
                ["state": "waiting", "reason": "pool_empty", "touched_meanwhile": false])
                == "waiting, pool_empty (the lock's pool has no backup code left)")
        #expect(
            sentence(
                "delivery.attempted", reason: "HTTP 500",
                [
                    "kind": "created", "channel": "webhook", "state": "pending", "error": "HTTP 500",
                    "delivery_id": "d1",
                ]) == "created (webhook): pending, HTTP 500  delivery_id=d1")
        #expect(
            sentence(
                "substitution.recorded", reason: "pulled", pin: "••••", ["reason": "pulled", "substitution_id": "s1"])
                == "pulled (we asked for the backup), PIN ••••  substitution_id=s1")
        #expect(
            sentence(
                "decision", reason: "failed_to_set_on_device", ["decision": "pull", "error": "failed_to_set_on_device"])
                == "pull, failed_to_set_on_device")
        #expect(
            sentence(
                "api.call", reason: "failed",
                [
                    "route": "/access_codes/get", "outcome": "failed", "status": 503, "request_id": nil,
                    "milliseconds": 41,
                ]) == "/access_codes/get: failed 503  milliseconds=41")
        #expect(
            sentence(
                "alert.opened", reason: "pool_empty", ["alert_id": "a1", "alert": "pool_empty", "text": "Add codes."])
                == "pool_empty (Add codes.)  alert_id=a1")
        #expect(
            sentence("failover.cancelled", reason: nil, ["by": "operator", "former_state": "waiting"])
                == "by the operator  former_state=waiting")
        #expect(sentence("pull.intended", ["pull_id": "p1"]) == "asking Seam for a backup  pull_id=p1")
    }

    @Test func aKindOfTheFutureIsShownWhole() {
        #expect(sentence("moon.landing", reason: nil, ["crew": 3, "ship": ["a": 1]]) == "crew=3  ship={\"a\":1}")
        #expect(sentence("odd", .string("text")) == "")
    }

    @Test(arguments: [60, 80, 120])
    func longLinesWrapUnderTheirOwnColumn(width: Int) {
        let entries: [JSONValue] = [
            [
                "at": "2026-11-20T16:20:02.400Z", "kind": "decision", "reason": "refused",
                "detail": [
                    "state": "waiting", "reason": "refused", "error_type": "a_rather_long_word_of_seams",
                    "next_attempt_at": "2026-11-20T16:20:02.400Z",
                ],
            ],
            ["at": "2026-11-20T16:20:02.400Z", "kind": "note", "detail": ["text": "\u{1B}[2J"]],
        ]
        let lines = TimelineText(width: width).lines(entries)
        #expect(lines.allSatisfy { TerminalText.width($0) <= width })
        #expect(lines[0].hasPrefix("2026-11-20 16:20:02.400Z  decision"))
        #expect(!lines.joined().contains("\u{1B}"))
        #expect(lines.joined(separator: " ").contains("refused"))
    }

    @Test func aSummaryNamesWhatIsKnown() {
        let lines = FailoverSummary.lines([
            "access_code_id": "guest", "original_name": "A\u{1B}da", "original_starts_at": "2026-11-20T16:20:02.400Z",
            "failover_id": "fo_1", "state": "substituted", "reason": "pulled", "backup_access_code_id": "b1",
            "backup_code": "••••",
        ])
        #expect(
            lines == [
                "Access code   guest, A\\u{1B}da", "Stay          2026-11-20 16:20:02Z to open",
                "Failover      fo_1, substituted, pulled (we asked for the backup)", "Backup        b1, PIN ••••",
            ])
    }

}
