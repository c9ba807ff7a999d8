import HTTPClient
import JSON
import Policy
import ScriptedServer
import Synchronization
import Testing
import Time

@testable import Seam

/// What comes over a real socket, and what becomes of it.
@Suite(.timeLimit(.minutes(5))) struct ErrorMappingTests {
    private typealias Reply = ScriptedServer.Reply

    private func outcome(_ reply: ScriptedServer.Reply, timeout: Duration = .seconds(20)) async throws -> SeamError {
        let server = ScriptedServer { _ in reply }
        defer { server.stop() }
        let calls = Mutex<[APICall]>([])
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 1, userAgent: "sparekey/test")
        let seam = try client(transport, baseURL: server.url, timeout: timeout) { call in
            calls.withLock { $0.append(call) }
        }
        let error = try #require(
            await #expect(throws: SeamError.self) { try await seam.pullBackup(originalID: originalID) })
        let call = try #require(calls.withLock { $0.first })
        #expect(
            call.errorType == error.failure.errorType && call.status == error.status
                && call.requestID == error.requestID)
        #expect(server.requests.first?.header("authorization") == "Bearer " + key)
        for text in ["\(error)", "\(error.failure)", "\(call)", String(reflecting: error)] {
            #expect(!text.contains("SECRET") && !text.contains("8030"))
        }
        #expect(error.message.contains("/access_codes/pull_backup_access_code"))
        return error
    }

    private func envelope(_ type: String) -> String {
        #"{"ok":false,"error":{"type":"\#(type)","message":"SECRET 8030","request_id":"in-body"}}"#
    }

    @Test func envelopes() async throws {
        let cases: [(Int, String, APIFailure)] = [
            (400, "access_code_not_time_bound", .refused(status: 400, type: "access_code_not_time_bound")),
            (401, "unauthorized", .unauthorized), (403, "forbidden", .refused(status: 403, type: "forbidden")),
            (404, "access_code_not_found", .notFound(type: "access_code_not_found")),
            (405, "method_not_allowed", .refused(status: 405, type: "method_not_allowed")),
            (408, "slow", .unavailable(detail: "http_408", retryAfter: nil)),
            (409, "duplicate_access_code", .refused(status: 409, type: "duplicate_access_code")),
            (429, "too_many_requests", .rateLimited(retryAfter: nil)),
            (500, "internal_server_error", .unavailable(detail: "http_500", retryAfter: nil)),
            (302, "moved", .unavailable(detail: "http_302", retryAfter: nil)),
        ]
        for (status, type, failure) in cases {
            let error = try await outcome(.json(status, envelope(type), headers: [("seam-request-id", "req-7")]))
            #expect(error.failure == failure && error.status == status && error.requestID == "req-7")
            #expect(error.message.contains("req-7"))
        }
        #expect(try await outcome(.json(400, envelope("x"))).requestID == "in-body")
    }

    @Test func answersThatAreNotSeams() async throws {
        let page = "<html>8030 SECRET</html>"
        let cases: [(Reply, APIFailure)] = [
            (.response(503, body: page), .unavailable(detail: "http_503", retryAfter: nil)),
            (.response(503), .unavailable(detail: "http_503", retryAfter: nil)),
            (.response(404, body: page), .unavailable(detail: "http_404", retryAfter: nil)),
            (.json(404, "{}"), .unavailable(detail: "http_404", retryAfter: nil)),
            (.json(404, #"{"error":{"type":7}}"#), .unavailable(detail: "http_404", retryAfter: nil)),
            // The route's, or the workspace's: nothing is said about a guest's code.
            (
                .json(404, #"{"error":{"type":"not_found","message":"There is no such route"}}"#),
                .unavailable(detail: "not_found", retryAfter: nil)
            ),
            (
                .json(404, #"{"error":{"type":"workspace_not_found","message":"-"}}"#),
                .unavailable(detail: "workspace_not_found", retryAfter: nil)
            ),
            (
                .json(404, #"{"error":{"type":"not_found","message":"Access Code Not Found"}}"#),
                .notFound(type: "not_found")
            ),
            (.response(401, body: page), .unauthorized),
            (.response(409, body: page), .refused(status: 409, type: "http_409")),
            (.json(400, #"{"error":"SECRET"}"#), .refused(status: 400, type: "http_400")),
            (
                .response(301, headers: [("Location", "https://example.com/")]),
                .unavailable(detail: "http_301", retryAfter: nil)
            ),
            (.response(200, body: page), .unavailable(detail: "not_json", retryAfter: nil)),
            (.response(200), .unavailable(detail: "not_json", retryAfter: nil)),
            (.json(200, "[]"), .unavailable(detail: "not_json", retryAfter: nil)),
            (.json(200, String(repeating: "[", count: 100_000)), .unavailable(detail: "not_json", retryAfter: nil)),
            (.json(200, #"{"ok":false,"access_code":{}}"#), .unavailable(detail: "not_ok", retryAfter: nil)),
            (.json(200, #"{"ok":true}"#), .unavailable(detail: "missing_access_code", retryAfter: nil)),
            (
                .json(200, #"{"access_code":{"access_code_id":"x"}}"#),
                .unavailable(detail: "missing_access_code", retryAfter: nil)
            ),
            (.raw("HTTP/1.1 599 X\r\nContent-Length: 0\r\n\r\n"), .unavailable(detail: "http_599", retryAfter: nil)),
        ]
        for (reply, failure) in cases { #expect(try await outcome(reply).failure == failure) }
    }

    @Test func brokenAndSlowConnections() async throws {
        func word(_ reply: Reply, timeout: Duration = .seconds(20)) async throws -> APIFailure {
            try await outcome(reply, timeout: timeout).failure
        }
        #expect(try await word(Reply(ending: .reset)) == .unavailable(detail: "connection_broken", retryAfter: nil))
        #expect(try await word(Reply(ending: .close)) == .unavailable(detail: "connection_broken", retryAfter: nil))
        let short = Reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"ok\":")
        #expect(try await word(short) == .unavailable(detail: "connection_broken", retryAfter: nil))
        let slow = Reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", .hang)
        #expect(try await word(slow, timeout: .milliseconds(200)) == .unavailable(detail: "timeout", retryAfter: nil))
        #expect(
            try await word(Reply(ending: .hang), timeout: .milliseconds(200))
                == .unavailable(detail: "timeout", retryAfter: nil))
        let large = Reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{", .hang)
        #expect(try await word(large) == .unavailable(detail: "response_too_large", retryAfter: nil))
    }

    @Test func aCancelledCallIsNoFailureOfSeams() async throws {
        let server = ScriptedServer { _ in Reply(ending: .hang) }
        defer { server.stop() }
        let calls = Mutex<[APICall]>([])
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 1, userAgent: "sparekey/test")
        let seam = try client(transport, baseURL: server.url) { call in calls.withLock { $0.append(call) } }
        let call = Task { () async throws(SeamError) in try await seam.accessCode(id: "a") }
        while server.requests.isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        call.cancel()
        let error = await #expect(throws: SeamError.self) { try await call.value }
        #expect(error?.failure == .unavailable(detail: "cancelled", retryAfter: nil))
        #expect(calls.withLock { $0 } == [])
    }

    @Test func retryAfter() async throws {
        // The client's clock stands at 16:21:00.
        let cases: [(String, Duration?)] = [
            ("7", .seconds(7)), ("0.25", .milliseconds(250)), ("0", .zero), ("99999999999999999999", .seconds(3600)),
            ("Fri, 20 Nov 2026 16:21:30 GMT", .seconds(30)), ("Fri, 20 Nov 2026 16:20:00 GMT", .zero),
            ("Sat, 20 Nov 2027 16:21:30 GMT", .seconds(3600)), ("soon", nil), ("-5", nil), ("+5", nil), ("1e3", nil),
            ("1.2.3", nil), (".5", nil), ("nan", nil), ("Fri, 31 Feb 2026 16:21:30 GMT", nil),
            ("Fri, 20 Nov 2026 16:21:30 CET", nil),
            (String(repeating: "9", count: 65), nil),
        ]
        for (text, delay) in cases {
            let limited = try await outcome(.json(429, envelope("too_many"), headers: [("Retry-After", text)]))
            #expect(limited.failure == .rateLimited(retryAfter: delay), "\(text)")
        }
        let unavailable = try await outcome(.response(503, headers: [("Retry-After", "20")]))
        #expect(unavailable.failure == .unavailable(detail: "http_503", retryAfter: .seconds(20)))
    }

    @Test func typesAndRequestIDsAreBounded() async throws {
        let long = String(repeating: "t", count: 5000)
        var error = try await outcome(.json(400, envelope(long), headers: [("seam-request-id", long)]))
        #expect(error.failure.errorType == String(long.prefix(100)) && error.requestID == String(long.prefix(100)))
        error = try await outcome(.json(400, #"{"error":{"type":"a b\u0000\n\u00e4"}}"#))
        #expect(error.failure == .refused(status: 400, type: "a?b????"))
        error = try await outcome(.json(400, #"{"error":{"type":""}}"#))
        #expect(error.failure == .refused(status: 400, type: "http_400"))
    }

    @Test func aGoodAnswer() async throws {
        let backup = examples["backup_access_code"]!
        let server = ScriptedServer { _ in .json(200, "{\"ok\":true,\"backup_access_code\":\(backup)}") }
        defer { server.stop() }
        let transport = CurlTransport(maxConcurrentRequests: 1, maxQueued: 1, userAgent: "sparekey/test")
        let pulled = try await client(transport, baseURL: server.url).pullBackup(originalID: originalID)
        #expect(pulled.id == backupID && pulled.isBackup)
        let request = try #require(server.requests.first)
        #expect(request.method == "POST" && request.target == "/access_codes/pull_backup_access_code")
        #expect(request.header("content-type") == "application/json" && request.header("user-agent") == "sparekey/test")
    }
}
