import JSON
import Testing
import Time

@testable import Seam

@Suite struct SeamEventTests {
    private func event(_ json: JSONValue) throws -> SeamEvent {
        guard case .event(let event) = SeamEvent.decode(json.bytes) else {
            Testing.Issue.record("unreadable")
            throw CancellationError()
        }
        return event
    }

    @Test func everyExample() throws {
        for member in examples.members! where member.key.hasPrefix("event_") {
            let event = try event(member.value)
            #expect(event.eventID == "66666666-6666-4666-8666-666666666666" && event.deviceID == deviceID)
            #expect(event.occurredAt == Timestamp("2026-11-20T16:20:02.114Z"))
            #expect(event.createdAt == Timestamp("2026-11-20T16:20:02.400Z"))
            #expect((event.accessCodeID == originalID) == event.eventType.hasPrefix("access_code."))
            #expect(!"\(event)".contains("8030"))
        }
    }

    @Test func unknownTypesAreEvents() throws {
        let event = try event(["event_id": "e", "event_type": "lock.sang", "code": "1234", "x": [1, [2]]])
        #expect(event == SeamEvent(eventID: "e", eventType: "lock.sang"))
        #expect(try self.event(["event_id": "e", "event_type": "access_method.issued"]).accessCodeID == nil)
    }

    @Test func whatGoesIntoQuarantine() {
        let cases: [(String, SeamEvent.Unreadable)] = [
            ("", .notJSON), ("{", .notJSON), ("[]", .notJSON), ("\"x\"", .notJSON), ("null", .notJSON),
            (String(repeating: "[", count: 10_000), .notJSON), ("{}", .missingEventID),
            (#"{"event_id":7,"event_type":"x"}"#, .missingEventID),
            (#"{"event_id":"","event_type":"x"}"#, .missingEventID),
            (#"{"event_id":"e"}"#, .missingEventType), (#"{"event_id":"e","event_type":null}"#, .missingEventType),
            (#"{"event_id":"e","event_type":"access_code.new"}"#, .missingAccessCodeID),
            (
                #"{"event_id":"e","event_type":"access_code.set_on_device","access_code_id":"a b"}"#,
                .missingAccessCodeID
            ),
            (#"{"event_id":"e","event_type":"device.new","access_code_id":"a"}"#, .missingDeviceID),
        ]
        for (text, reason) in cases {
            #expect(SeamEvent.decode(Array(text.utf8)) == .unreadable(reason), "\(text.prefix(60))")
        }
        #expect(SeamEvent.decode([0x7B, 0xFF, 0x7D]) == .unreadable(.notUTF8))
        #expect(SeamEvent.decode([0xFE, 0xFF, 0x00, 0x7B]) == .unreadable(.notUTF8))
    }

    /// One byte wrong, or the end missing: an event or a reason, never a trap.
    @Test func damagedBytes() {
        let whole = examples["event_failed_to_set_on_device"]!.bytes
        var readable = 0
        for index in whole.indices {
            for byte: UInt8 in [0x00, 0x22, 0x5C, 0x7B, 0xFF] {
                var damaged = whole
                damaged[index] = byte
                if case .event = SeamEvent.decode(damaged) { readable += 1 }
            }
            #expect(SeamEvent.decode(whole[..<index]) == .unreadable(.notJSON))
        }
        #expect(readable > 0 && readable < whole.count * 5)
    }

    @Test func usedTypesAreDistinct() {
        #expect(Set(SeamEvent.usedTypes).count == SeamEvent.usedTypes.count)
    }
}
