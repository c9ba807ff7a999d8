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
        let failed = try event(examples["event_failed_to_set_on_device"]!)
        #expect(failed.errorCodes == ["failed_to_set_on_device"] && failed.deviceErrorCodes == ["device_disconnected"])
        #expect(try event(examples["event_backup_access_code_pulled"]!).backupAccessCodeID == backupID)
        #expect(try event(examples["event_device_disconnected"]!).deviceErrorCodes == ["hub_disconnected"])
        #expect(try event(examples["event_changed"]!).changedProperties == ["code"])
    }

    @Test func timeFrames() throws {
        let before: JSONValue = ["starts_at": "2026-11-20T16:00:00Z", "ends_at": "2026-11-24T12:00:00Z"]
        let after: JSONValue = ["starts_at": .null, "ends_at": "2026-11-25T12:00:00Z"]
        let base: JSONValue = ["event_id": "e", "event_type": "access_code.time_frame_changed", "access_code_id": "a"]
        let expected = SeamEvent.TimeFrameChange(
            oldStartsAt: Timestamp("2026-11-20T16:00:00Z"), oldEndsAt: Timestamp("2026-11-24T12:00:00Z"),
            newEndsAt: Timestamp("2026-11-25T12:00:00Z"))

        var changed = base
        changed["from"] = before
        changed["to"] = after
        #expect(try event(changed).timeFrameChange == expected)

        var requested = base
        requested["requested_mutations"] = [
            ["mutation_code": "updating_code", "from": ["code": "1"], "to": ["code": "2"]],
            ["mutation_code": "updating_time_frame", "from": before, "to": after],
        ]
        #expect(try event(requested).timeFrameChange == expected)
        #expect(try event(requested).requestedMutations == ["updating_code", "updating_time_frame"])

        var properties = base
        properties["changed_properties"] = [
            ["property": "ends_at", "from": "2026-11-24T12:00:00Z", "to": "2026-11-25T12:00:00.000Z"],
            ["property": "starts_at", "from": "2026-11-20T16:00:00Z", "to": .null],
        ]
        #expect(try event(properties).timeFrameChange == expected)
        #expect(try event(base).timeFrameChange == nil)
        #expect(try event(examples["event_changed"]!).timeFrameChange == nil)
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
        #expect(Set(SeamEvent.usedTypes).count == 15 && SeamEvent.usedTypes.count == 15)
    }
}
