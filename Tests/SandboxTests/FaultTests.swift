import HTTPClient
import JSON
import Sandbox
import Synchronization
import Testing
import Time

/// Each fault over a real socket with libcurl, and in process: a client must see the same.
@Suite(.timeLimit(.minutes(5)))
struct FaultTests {
    enum Way: CaseIterable {
        case socket, inProcess
    }

    private struct Setup {
        let model = SandboxModel(clock: SystemWallClock(), random: RandomSource(SeededGenerator(seed: 3)))
        var server: SandboxServer?
        let transport: any HTTPTransport
        let base: String
        let deviceID: String
        let codeID: String

        init(_ way: Way) throws {
            let curl = CurlTransport(maxConcurrentRequests: 4, maxQueued: 10, userAgent: "test")
            switch way {
            case .socket:
                let server = SandboxServer(model: model, transport: curl)
                try server.start()
                self.server = server
                transport = curl
                base = server.url
            case .inProcess:
                transport = SandboxTransport(model: model, clock: SystemWallClock())
                base = "https://connect.getseam.com"
            }
            deviceID = model.createDevice(SandboxDeviceSpecification(name: "Door"))
            codeID = model.createCode(
                SandboxCodeSpecification(
                    deviceID: deviceID, startsAt: model.now - .seconds(60), endsAt: model.now + .seconds(86_400),
                    isSet: true))
        }

        func post(
            _ path: String, _ body: JSONValue, timeout: Duration = .seconds(10)
        ) async throws(ClientError) -> (status: Int, headers: ClientResponse, json: JSONValue?) {
            let response = try await transport.send(
                ClientRequest(
                    method: "POST", url: base + path,
                    headers: [("Authorization", "Bearer seam_test"), ("Content-Type", "application/json")],
                    body: body.bytes, timeout: timeout, isRepeatable: false))
            return (response.status, response, try? JSONValue(parsing: response.body))
        }

        func pull(timeout: Duration = .seconds(10)) async throws(ClientError) -> (
            status: Int, headers: ClientResponse, json: JSONValue?
        ) {
            try await post(
                "/access_codes/pull_backup_access_code", ["access_code_id": .string(codeID)], timeout: timeout)
        }

        func get(_ id: String) async throws -> JSONValue? {
            try await post("/access_codes/get", ["access_code_id": .string(id)]).json?["access_code"]
        }
    }

    private func word(_ call: () async throws(ClientError) -> Void) async -> String? {
        do {
            try await call()
            return nil
        } catch {
            return error.word
        }
    }

    @Test("Statuses: JSON, empty and HTML, with and without Retry-After, as often as asked", arguments: Way.allCases)
    func statuses(way: Way) async throws {
        let setup = try Setup(way)
        let route = "/access_codes/pull_backup_access_code"
        setup.model.addFault(
            SandboxFault(.error(status: 429, type: "rate_limit_exceeded", retryAfter: "3"), route: route, count: 2))
        setup.model.addFault(
            SandboxFault(.error(status: 429, type: "rate_limit_exceeded", retryAfter: nil), route: route))
        setup.model.addFault(
            SandboxFault(.error(status: 500, type: "internal_server_error", retryAfter: nil), route: route))
        setup.model.addFault(SandboxFault(.empty(status: 503, retryAfter: nil), route: route))
        setup.model.addFault(SandboxFault(.html(status: 502), route: route))
        setup.model.addFault(
            SandboxFault(.error(status: 404, type: "access_code_not_found", retryAfter: nil), route: route))
        #expect(try await setup.get(setup.codeID) != nil)
        for _ in 0..<2 {
            let limited = try await setup.pull()
            #expect(limited.status == 429)
            #expect(limited.headers.header("retry-after") == "3")
            #expect(limited.json?["ok"] == false)
            #expect(limited.headers.header("seam-request-id") != nil)
        }
        #expect(try await setup.pull().headers.header("retry-after") == nil)
        #expect(try await setup.pull().json?["error"]?["type"] == "internal_server_error")
        let outage = try await setup.pull()
        #expect(outage.status == 503)
        #expect(outage.headers.body.isEmpty)
        let page = try await setup.pull()
        #expect(page.status == 502)
        #expect(page.headers.header("content-type") == "text/html; charset=utf-8")
        #expect(page.json == nil)
        #expect(try await setup.pull().status == 404)
        #expect(setup.model.counters.backupsPulled == 0)
        #expect(try await setup.pull().status == 200)
        #expect(setup.model.counters.faultsServed == 7)
        await setup.server?.stop()
    }

    @Test("No answer, a reset, and a reset after everything has happened", arguments: Way.allCases)
    func broken(way: Way) async throws {
        let setup = try Setup(way)
        setup.model.addFault(SandboxFault(.timeout))
        setup.model.addFault(SandboxFault(.reset))
        setup.model.addFault(SandboxFault(.resetAfterCommit))
        #expect(
            await word { () async throws(ClientError) in _ = try await setup.pull(timeout: .milliseconds(300)) }
                == "timeout")
        #expect(await word { () async throws(ClientError) in _ = try await setup.pull() } == "connection_broken")
        #expect(setup.model.counters.backupsPulled == 0)
        #expect(await word { () async throws(ClientError) in _ = try await setup.pull() } == "connection_broken")
        let lost = setup.model.code(setup.codeID)?.pulledBackupID
        #expect(lost != nil)
        #expect(try await setup.pull().json?["access_code"]?["access_code_id"]?.string == lost)
        #expect(setup.model.counters.backupsPulled == 1)
        #expect(setup.model.counters.pulls[setup.codeID] == 4)
        await setup.server?.stop()
    }

    @Test("A request that is never answered keeps its connection for a time, not until the sandbox ends")
    func silenceEnds() async throws {
        let clock = ManualWallClock(SystemWallClock().now())
        let model = SandboxModel(clock: clock, random: RandomSource(SeededGenerator(seed: 3)))
        let curl = CurlTransport(maxConcurrentRequests: 1, maxQueued: 1, userAgent: "test")
        let server = SandboxServer(model: model, transport: curl, clock: clock)
        try server.start()
        model.addFault(SandboxFault(.timeout))
        let outcome = Mutex<String?>(nil)
        let request = ClientRequest(
            method: "POST", url: server.url + "/workspaces/get", body: [], timeout: .seconds(30), isRepeatable: false)
        let client = Task {
            let word = await word { () async throws(ClientError) in _ = try await curl.send(request) } ?? "answered"
            outcome.withLock { $0 = word }
        }
        // The time begins somewhere on the server's side; moved often enough, it ends.
        while outcome.withLock({ $0 == nil }) {
            clock.advance(by: .seconds(120))
            await Task.yield()
        }
        #expect(outcome.withLock { $0 } == "connection_broken")
        await client.value
        await server.stop()
    }

    @Test("A slow body and a late answer arrive, or run into the deadline", arguments: Way.allCases)
    func slow(way: Way) async throws {
        let setup = try Setup(way)
        setup.model.addFault(SandboxFault(.drip(interval: .milliseconds(1)), route: "/workspaces/get"))
        let clock = ContinuousClock()
        let start = clock.now
        let dripped = try await setup.post("/workspaces/get", [:])
        #expect(dripped.json?["ok"] == true)
        #expect(start.duration(to: clock.now) > .milliseconds(200))
        setup.model.addFault(SandboxFault(.drip(interval: .milliseconds(50)), route: "/workspaces/get"))
        #expect(
            await word { () async throws(ClientError) in
                _ = try await setup.post("/workspaces/get", [:], timeout: .milliseconds(300))
            } == "timeout")
        setup.model.addFault(SandboxFault(.delay(.milliseconds(100)), route: "/workspaces/get"))
        let late = clock.now
        #expect(try await setup.post("/workspaces/get", [:]).status == 200)
        #expect(late.duration(to: clock.now) >= .milliseconds(100))
        setup.model.addFault(SandboxFault(.delay(.seconds(30)), route: "/workspaces/get"))
        #expect(
            await word { () async throws(ClientError) in
                _ = try await setup.post("/workspaces/get", [:], timeout: .milliseconds(300))
            } == "timeout")
        await setup.server?.stop()
    }

    @Test("The pulled backup has no PIN until it has been read again twice", arguments: Way.allCases)
    func nullCode(way: Way) async throws {
        let setup = try Setup(way)
        setup.model.addFault(SandboxFault(.nullCode(reads: 2), route: "/access_codes/pull_backup_access_code"))
        let pulled = try await setup.pull().json?["access_code"]
        #expect(pulled?["code"] == nil)
        #expect(pulled?.has("code") == true)
        #expect(pulled?["is_waiting_for_code_assignment"] == true)
        let id = try #require(pulled?["access_code_id"]?.string)
        #expect(try await setup.get(id)?["code"] == nil)
        #expect(try await setup.get(id)?["code"] == nil)
        #expect(try await setup.get(id)?["code"]?.string == setup.model.code(id)?.pin)
        await setup.server?.stop()
    }

    @Test(
        "Answers that are changed: one key, more fields, newer words, no status, microseconds", arguments: Way.allCases)
    func changed(way: Way) async throws {
        let setup = try Setup(way)
        for key in ["access_code", "backup_access_code"] {
            setup.model.addFault(SandboxFault(.omit(key), route: "/access_codes/pull_backup_access_code"))
            let json = try await setup.pull().json
            #expect(json?.has(key) == false)
            #expect(json?["access_code"] != nil || json?["backup_access_code"] != nil)
        }
        setup.model.addFault(SandboxFault(.extraFields, route: "/access_codes/get"))
        let extra = try await setup.get(setup.codeID)
        #expect(extra?["a_newer_field"]?["nested"] != nil)
        #expect(extra?["warnings"]?.array?.last?["warning_code"] == "a_newer_warning")
        setup.model.addFault(SandboxFault(.unknownEnums, route: "/access_codes/get"))
        #expect(try await setup.get(setup.codeID)?["status"] == "a_newer_status")
        setup.model.addFault(SandboxFault(.omit("status"), route: "/access_codes/get"))
        #expect(try await setup.get(setup.codeID)?.has("status") == false)
        setup.model.addFault(SandboxFault(.microseconds, route: "/access_codes/get"))
        let text = try #require(try await setup.get(setup.codeID)?["ends_at"]?.string)
        #expect(text.utf8.count == 27)
        #expect(Timestamp(text) == setup.model.code(setup.codeID)?.endsAt)
        await setup.server?.stop()
    }

    @Test(
        "A fault for one access code leaves the others alone, and lasts until cleared where told",
        arguments: Way.allCases)
    func filtered(way: Way) async throws {
        let setup = try Setup(way)
        let other = setup.model.createCode(SandboxCodeSpecification(deviceID: setup.deviceID))
        setup.model.addFault(
            SandboxFault(
                .error(status: 409, type: "conflict", retryAfter: nil), route: "/access_codes/get", count: nil,
                accessCodeID: setup.codeID))
        for _ in 0..<3 {
            #expect(try await setup.get(other) != nil)
            #expect(try await setup.get(setup.codeID) == nil)
        }
        setup.model.clearFaults()
        #expect(try await setup.get(setup.codeID) != nil)
        await setup.server?.stop()
    }

    @Test("Faults are added through the control route as through the method")
    func controlled() async throws {
        let setup = try Setup(.socket)
        let added = try await setup.post(
            "/sandbox/faults/add",
            ["kind": "rate_limited", "route": "/access_codes/get", "retry_after": "7", "count": 1])
        #expect(added.status == 200)
        let limited = try await setup.post("/access_codes/get", ["access_code_id": .string(setup.codeID)])
        #expect(limited.status == 429)
        #expect(limited.headers.header("retry-after") == "7")
        #expect(try await setup.get(setup.codeID) != nil)
        let wrong = try await setup.post("/sandbox/faults/add", ["kind": "earthquake"])
        #expect(wrong.json?["error"]?["type"] == "invalid_input")
        await setup.server?.stop()
    }
}
