import JSON
import Policy
import Testing
import Time

@testable import Seam

@Suite struct DecodingTests {
    @Test func theFailedOriginal() throws {
        let code = try #require(AccessCode(examples["access_code_failed"]!))
        #expect(
            code.id == originalID && code.deviceID == deviceID && code.name == "Guest 1042" && code.kind == .timeBound)
        #expect(code.status == "setting" && code.pin?.digits == "8030" && code.pulledBackupID == nil)
        #expect(code.startsAt == Timestamp("2026-11-20T16:00:00Z") && code.endsAt == Timestamp("2026-11-24T12:00:00Z"))
        #expect(
            code.errors == [
                Issue(code: "failed_to_set_on_device", createdAt: Timestamp("2026-11-20T16:20:02.114Z"))
            ])
        #expect(code.pendingMutations == ["creating"] && code.isBackupAvailable == true && !code.isBackup)
        #expect(code.blockingError != nil && !code.isSet)
    }

    @Test func theOriginalWithItsBackup() throws {
        let code = try #require(AccessCode(examples["access_code_with_pulled_backup"]!))
        #expect(code.pulledBackupID == backupID && code.warningCodes == ["using_backup_access_code"])
        let backup = try #require(AccessCode(examples["backup_access_code"]!))
        #expect(backup.id == backupID && backup.isBackup && backup.isSet && backup.isBackupAvailable == false)
    }

    @Test func theSmallestAccessCode() throws {
        let code = try #require(
            AccessCode(["access_code_id": "a", "device_id": "d", "new": ["field": 1], "code": .null]))
        #expect(code == AccessCode(id: "a", deviceID: "d", kind: .other("unknown")))
        #expect(
            AccessCode(["access_code_id": "a", "device_id": "d", "ends_at": "2026-11-24T12:00:00+0000"])?.kind
                == .timeBound)
        #expect(AccessCode(["access_code_id": "a", "device_id": "d", "type": "weekly"])?.kind == .other("weekly"))
        for id in ["", "a b", "a\n", "\u{E4}", String(repeating: "a", count: 129)] {
            #expect(AccessCode(["access_code_id": .string(id), "device_id": "d"]) == nil)
            #expect(AccessCode(["access_code_id": "a", "device_id": .string(id)]) == nil)
        }
        #expect(AccessCode(["access_code_id": .string(String(repeating: "a", count: 128)), "device_id": "d"]) != nil)
    }

    @Test func theSubjectsOfErrors() {
        func subject(_ text: String) -> Issue.Subject? {
            (try? JSONValue(parsing: text.utf8)).flatMap { Issue($0) }?.subject
        }
        #expect(subject(#"{"error_code":"new","is_access_code_error":true}"#) == .accessCode)
        #expect(subject(#"{"error_code":"new","is_device_error":true}"#) == .device)
        let account = #"{"error_code":"new","is_connected_account_error":true,"is_device_error":false}"#
        #expect(subject(account) == .connectedAccount)
        #expect(subject(#"{"error_code":"new","is_bridge_error":true}"#) == .connectedAccount)
        #expect(subject(#"{"error_code":"device_disconnected"}"#) == .device)
        #expect(subject(#"{"error_code":"empty_backup_access_code_pool","is_device_error":"yes"}"#) == .device)
        #expect(subject(#"{"error_code":"account_disconnected"}"#) == .connectedAccount)
        #expect(subject(#"{"error_code":"bridge_disconnected","is_bridge_error":null}"#) == .connectedAccount)
        #expect(subject(#"{"error_code":"failed_to_issue"}"#) == .accessCode)
        #expect(subject(#"{"error_code":"device_disconnected","is_access_code_error":true}"#) == .accessCode)
        #expect(subject("{}") == .accessCode)
        #expect(Issue("text") == nil && Issue([:])?.code == "unknown")
    }

    @Test func aDevice() throws {
        let device = try #require(Device(deviceJSON))
        #expect(
            device
                == Device(
                    id: deviceID, name: "Front door", timeZone: "Europe/Vienna", supportsBackupPool: true,
                    isBackupPoolEnabled: true, isOnline: false, errorCodes: ["device_disconnected"],
                    warningCodes: ["partial_backup_access_code_pool"],
                    customMetadata: ["property": "12", "has_dog": "true"]))
        #expect(Device(["device_id": "d", "nickname": "N", "properties": ["name": "P"]])?.name == "N")
        #expect(Device(["device_id": "d", "display_name": "", "properties": ["name": "P"]])?.name == "P")
        #expect(Device(["device_id": "d", "location": ["timezone": "Asia/Tokyo"]])?.timeZone == "Asia/Tokyo")
        #expect(Device(["device_id": "d"]) == Device(id: "d"))
        let many = JSONValue.object((0..<60).map { .init("k\($0)", .string(String(repeating: "v", count: 600))) })
        let metadata = try #require(Device(["device_id": "d", "custom_metadata": many])).customMetadata
        #expect(metadata.count == 50 && metadata.values.allSatisfy { $0.count == 500 })
    }

    /// Whatever one member becomes, nothing traps, and only the identifiers can make an object unreadable.
    @Test func everyMutation() {
        for name in ["access_code_failed", "access_code_with_pulled_backup", "backup_access_code"] {
            for (path, value) in mutations(of: examples[name]!) where AccessCode(value) == nil {
                #expect(["", "/access_code_id", "/device_id"].contains(path), "\(name)\(path)")
            }
        }
        for (path, value) in mutations(of: deviceJSON) where Device(value) == nil {
            #expect(["", "/device_id"].contains(path), "\(path)")
        }
        for member in examples.members! where member.key.hasPrefix("event_") {
            for (path, value) in mutations(of: member.value) {
                if case .unreadable = SeamEvent.decode(value) {
                    #expect(
                        ["", "/event_id", "/event_type", "/access_code_id", "/device_id"].contains(path), "\(path)")
                }
            }
        }
    }
}
