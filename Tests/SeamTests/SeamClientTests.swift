import HTTPClient
import JSON
import Policy
import Synchronization
import Testing
import Time

@testable import Seam

@Suite struct SeamClientTests {
    private let original = examples["access_code_failed"]!
    private let backup = examples["backup_access_code"]!

    @Test func everyRoute() async throws {
        let webhook: JSONValue = [
            "webhook_id": "w", "url": "https://example.com/h", "secret": "whsec_x", "event_types": ["*"],
        ]
        let transport = StubTransport(
            ["ok": true, "access_code": original], ["ok": true, "access_codes": [original]],
            ["ok": true, "access_codes": [original]], ["ok": true, "access_code": original], ["ok": true], ["ok": true],
            ["ok": true, "access_code": backup], ["ok": true, "device": deviceJSON],
            ["ok": true, "devices": [deviceJSON]],
            ["ok": true, "webhooks": [webhook, 7]], ["ok": true, "webhook": webhook], ["ok": true], ["ok": true],
            ["ok": true, "workspace": ["workspace_id": "ws", "name": "N", "is_sandbox": true, "is_suspended": false]])
        let calls = Mutex<[APICall]>([])
        let seam = try client(transport) { call in calls.withLock { $0.append(call) } }
        let end = Timestamp("2026-11-24T12:00:00Z")!

        #expect(try await seam.accessCode(id: originalID).id == originalID)
        #expect(try await seam.accessCodes(ids: [originalID]).count == 1)
        #expect(try await seam.accessCodes(deviceID: deviceID).count == 1)
        _ = try await seam.createAccessCode(
            NewAccessCode(deviceID: deviceID, name: "G", startsAt: now, endsAt: end, pin: PIN("0042")))
        try await seam.updateAccessCode(id: backupID, endsAt: end)
        try await seam.deleteAccessCode(id: backupID)
        #expect(try await seam.pullBackup(originalID: originalID).id == backupID)
        #expect(try await seam.device(id: deviceID).name == "Front door")
        #expect(try await seam.devices().count == 1)
        #expect(try await seam.webhooks().map(\.id) == ["w"])
        #expect(try await seam.createWebhook(url: "https://example.com/h", eventTypes: ["*"]).secret == "whsec_x")
        try await seam.updateWebhook(id: "w", eventTypes: ["*"])
        try await seam.deleteWebhook(id: "w")
        #expect(try await seam.workspace() == Workspace(id: "ws", name: "N", isSandbox: true, isSuspended: false))

        #expect(
            transport.calls == [
                #"/access_codes/get {"access_code_id":"\#(originalID)"}"#,
                #"/access_codes/list {"access_code_ids":["\#(originalID)"],"limit":500}"#,
                #"/access_codes/list {"device_id":"\#(deviceID)","limit":500}"#,
                #"/access_codes/create {"device_id":"\#(deviceID)","name":"G","starts_at":"2026-11-20T16:21:00.000Z","#
                    + #""ends_at":"2026-11-24T12:00:00.000Z","use_backup_access_code_pool":true,"code":"0042"}"#,
                #"/access_codes/update {"access_code_id":"\#(backupID)","ends_at":"2026-11-24T12:00:00.000Z"}"#,
                #"/access_codes/delete {"access_code_id":"\#(backupID)"}"#,
                #"/access_codes/pull_backup_access_code {"access_code_id":"\#(originalID)"}"#,
                #"/devices/get {"device_id":"\#(deviceID)"}"#, #"/devices/list {"limit":500}"#, "/webhooks/list {}",
                #"/webhooks/create {"url":"https://example.com/h","event_types":["*"]}"#,
                #"/webhooks/update {"webhook_id":"w","event_types":["*"]}"#, #"/webhooks/delete {"webhook_id":"w"}"#,
                "/workspaces/get {}",
            ])
        #expect(transport.requests.allSatisfy { $0.method == "POST" && $0.timeout == .seconds(20) })
        #expect(transport.requests.allSatisfy { $0.headers.contains { $0 == ("Authorization", "Bearer " + key) } })
        let once = transport.requests.filter { !$0.isRepeatable }.map { String($0.url.suffix(7)) }
        #expect(once == ["/create", "/create"])
        let recorded = calls.withLock { $0 }
        #expect(
            recorded.count == 14
                && recorded.allSatisfy { $0.outcome == .ok && $0.requestID == "req-1" && $0.status == 200 })
        #expect(recorded[0].accessCodeID == originalID && recorded[7].deviceID == deviceID)
        #expect(recorded.allSatisfy { !"\($0)".contains("0042") })
    }

    @Test func pullTakesEitherKey() async throws {
        for body: JSONValue in [
            ["ok": true, "access_code": backup, "backup_access_code": backup], ["ok": true, "access_code": backup],
            ["ok": true, "backup_access_code": backup],
            ["ok": true, "access_code": .null, "backup_access_code": backup],
            ["access_code": [:], "backup_access_code": backup],
            ["access_code": original, "backup_access_code": backup],
        ] {
            let pulled = try await client(StubTransport(body)).pullBackup(originalID: originalID)
            #expect(pulled.id == backupID && pulled.pin?.digits == "1275")
        }
        for body: JSONValue in [["ok": true], ["ok": true, "access_code": original], ["access_code": "x"]] {
            let error = await #expect(throws: SeamError.self) {
                try await client(StubTransport(body)).pullBackup(originalID: originalID)
            }
            #expect(error?.failure == .unavailable(detail: "missing_access_code", retryAfter: nil))
        }
        var pending = backup
        pending["code"] = .null
        #expect(try await client(StubTransport(["access_code": pending])).pullBackup(originalID: originalID).pin == nil)
    }

    @Test func followsPages() async throws {
        func page(_ ids: [String], next: JSONValue) -> JSONValue {
            [
                "ok": true, "devices": .array(ids.map { ["device_id": .string($0)] } + [.null, [:]]),
                "pagination": [
                    "has_next_page": .bool(next != .null), "next_page_cursor": next, "next_page_url": .null,
                ],
            ]
        }
        let transport = StubTransport(page(["a", "b"], next: "c1"), page(["c"], next: "c2"), page([], next: .null))
        #expect(try await client(transport).devices().map(\.id) == ["a", "b", "c"])
        #expect(
            transport.calls == [
                #"/devices/list {"limit":500}"#, #"/devices/list {"limit":500,"page_cursor":"c1"}"#,
                #"/devices/list {"limit":500,"page_cursor":"c2"}"#,
            ])

        let circle = StubTransport(page(["a"], next: "c1"), page(["b"], next: "c1"))
        var error = await #expect(throws: SeamError.self) { try await client(circle).devices() }
        #expect(error?.failure.errorType == "bad_page_cursor")
        let endless = StubTransport(
            (0..<300).map { .success(ClientResponse(status: 200, body: page(["a"], next: "c\($0)").bytes)) })
        error = await #expect(throws: SeamError.self) { try await client(endless).devices() }
        #expect(error?.failure.errorType == "too_many_pages" && endless.requests.count == SeamClient.maxPages)
    }

    @Test func listsByIDsInPortions() async throws {
        let transport = StubTransport(["access_codes": [original]], ["access_codes": []], ["access_codes": [backup]])
        let codes = try await client(transport).accessCodes(ids: (0..<201).map { "id\($0)" })
        #expect(codes.map(\.id) == [originalID, backupID] && transport.requests.count == 3)
        #expect(try await client(transport).accessCodes(ids: []).isEmpty)
        #expect(transport.requests.count == 3)
    }

    @Test func listsEvents() async throws {
        func event(_ id: String, _ time: String) -> JSONValue {
            ["created_at": .string(time), "event_id": .string(id), "event_type": "x.y"]
        }
        let late = event("late", "2026-11-20T16:00:00Z")
        let transport = StubTransport(["events": [7, late, event("early", "2026-11-20T15:00:00Z")]], ["events": []])
        let seam = try client(transport)
        let events = try await seam.events(.since(now), types: ["x.y"], limit: 50)
        #expect(events.map(\.event?.eventID) == ["early", "late", nil])
        #expect(try JSONValue(parsing: events[1].bytes) == late)
        _ = try await seam.events(.between(now, now + .seconds(60)), types: [], offset: 500)
        #expect(
            transport.calls == [
                #"/events/list {"limit":50,"since":"2026-11-20T16:21:00.000Z","event_types":["x.y"]}"#,
                #"/events/list {"limit":500,"between":["2026-11-20T16:21:00.000Z","2026-11-20T16:22:00.000Z"],"#
                    + #""unstable_offset":500}"#,
            ])
    }

    @Test func transportErrors() async throws {
        let errors: [(ClientError, String)] = [
            (.timeout(endpoint: "h:1", reason: "no connection"), "timeout"),
            (.cannotConnect(endpoint: "h:1", reason: "r"), "connection_failed"),
            (.tls(endpoint: "h:1", reason: "r"), "tls"),
            (.tooLarge(endpoint: "h:1", limitBytes: 5), "response_too_large"),
            (.connectionBroken(endpoint: "h:1", reason: "r"), "connection_broken"),
            (.invalidURL(reason: "r"), "invalid_url"),
        ]
        for (error, word) in errors {
            let calls = Mutex<[APICall]>([])
            let seam = try client(StubTransport([.failure(error)])) { call in calls.withLock { $0.append(call) } }
            let thrown = await #expect(throws: SeamError.self) { try await seam.accessCode(id: "a") }
            #expect(thrown?.failure == .unavailable(detail: word, retryAfter: nil) && thrown?.status == nil)
            #expect(thrown?.message.contains("\(error)") == true)
            let call = try #require(calls.withLock { $0.first })
            #expect(call.outcome == .unavailable && call.errorType == word && call.accessCodeID == "a")
        }
    }

    /// Seam has not failed where this side did not ask, or did not wait for the answer.
    @Test func whatThisSideGaveUpIsNoCall() async throws {
        for (error, word) in [(ClientError.cancelled, "cancelled"), (.busy(limit: 3), "client_busy")] {
            let calls = Mutex<[APICall]>([])
            let seam = try client(StubTransport([.failure(error)])) { call in calls.withLock { $0.append(call) } }
            let thrown = await #expect(throws: SeamError.self) { try await seam.accessCode(id: "a") }
            #expect(thrown?.failure == .unavailable(detail: word, retryAfter: nil))
            #expect(calls.withLock { $0 } == [])
        }
    }
}
