import JSON
import Sandbox
import Testing
import Time

struct APITests {
    private let unknown = "00000000-0000-4000-8000-000000000000"

    @Test("Keys: only API keys, and only the right one where one is set")
    func keys() {
        let bench = Bench()
        for key in [nil, "", "seam_", "seam_at12", "seam_cst1_x", "seam_pk_1", "eyJhbGciOi", "test"] {
            let answer = bench.post("/devices/list", key: key)
            #expect(answer.status == 401)
            #expect(answer.errorType == "unauthorized")
            #expect(answer.raw.header("seam-request-id") != nil)
            #expect(answer.raw.header("date") == bench.model.now.httpDate)
        }
        #expect(bench.post("/devices/list", key: "seam_test2bMS").status == 200)
        #expect(bench.call("GET", "/health", key: nil).status == 200)
        bench.model.configure { $0.apiKey = "seam_mine" }
        #expect(bench.post("/devices/list", key: "seam_test2bMS").status == 401)
        #expect(bench.post("/devices/list", key: "seam_mine").status == 200)
    }

    @Test("Unknown routes, wrong methods, wrong bodies")
    func refusals() {
        let bench = Bench()
        #expect(bench.get("/nothing").status == 404)
        #expect(bench.get("/nothing")["ok"] == false)
        let wrong = bench.get("/access_codes/pull_backup_access_code")
        #expect(wrong.status == 405)
        #expect(wrong.errorType == "method_not_allowed")
        #expect(wrong.raw.header("allow") == "POST")
        let missing = bench.post("/access_codes/pull_backup_access_code")
        #expect(missing.errorType == "invalid_input")
        #expect(missing["error"]?["message"] == "access_code_id is required")
        #expect(missing["error"]?["validation_errors"]?["access_code_id"]?["_errors"] == ["Required"])
        let uuid = bench.get("/access_codes/get", "access_code_id=8e525b87")
        #expect(uuid["error"]?["validation_errors"]?["access_code_id"]?["_errors"] == ["Invalid uuid"])
        #expect(bench.post("/devices/list", ["limit": "ten"]).status == 400)
        #expect(bench.get("/devices/list", "limit=nan").status == 400)
        #expect(bench.get("/access_codes/list").status == 400)
        let raw = bench.api.handle(
            SandboxRequest(
                method: "POST", path: "/devices/list",
                headers: [("authorization", "Bearer seam_1"), ("content-type", "text/plain")], body: [0x7B, 0x7D]))
        #expect(Answer(raw).errorType == "invalid_content_type")
    }

    @Test(
        "Arrays in a query: repeated, with commas, with brackets, empty; _strict is ignored",
        arguments: ["=#&ids=@&_strict=true", "=#,@", "[]=#&ids[]=@", "%5B%5D=#&ids%5b%5d=@", "=#%2C@"])
    func arrays(form: String) {
        let bench = Bench()
        let device = bench.device()
        let codes = (0..<2).map { _ in bench.code(on: device) }
        let query = ("ids" + form).replacing("ids", with: "access_code_ids")
        let answer = bench.get(
            "/access_codes/list", query.replacing("#", with: codes[0]).replacing("@", with: codes[1]))
        let ids = answer["access_codes"]?.array?.compactMap { $0["access_code_id"]?.string }
        #expect(ids == codes)
        #expect(bench.get("/access_codes/list", "access_code_ids=")["access_codes"] == [])
    }

    @Test("Pages: every item once, and a cursor of another query is refused")
    func pages() throws {
        let bench = Bench()
        let ids = (0..<5).map { _ in bench.device() }
        var found: [String] = []
        var cursor: String?
        repeat {
            var body: JSONValue = ["limit": 2]
            if let cursor { body["page_cursor"] = .string(cursor) }
            let answer = bench.post("/devices/list", body)
            found += answer["devices"]?.array?.compactMap { $0["device_id"]?.string } ?? []
            cursor = answer["pagination"]?["next_page_cursor"]?.string
            #expect(answer["pagination"]?["has_next_page"]?.bool == (cursor != nil))
        } while cursor != nil && found.count < 10
        #expect(found == ids)
        let first = bench.post("/devices/list", ["limit": 2])["pagination"]?["next_page_cursor"] ?? .null
        let other = bench.post("/devices/list", ["limit": 3, "page_cursor": first])
        #expect(other.errorType == "mismatched_page_parameters")
        #expect(bench.post("/devices/list", ["limit": 2, "page_cursor": "nonsense"]).errorType == "invalid_input")
    }

    @Test("Events: since and between are exclusive, types and ids filter, the newest comes first")
    func events() throws {
        let bench = Bench()
        let device = bench.device()
        bench.advance(.seconds(10))
        let id = bench.code(on: device)
        bench.advance(.seconds(10))
        let created = (Bench.start + .seconds(10)).description
        func types(_ query: String) -> [String]? {
            bench.get("/events/list", query)["events"]?.array?.compactMap { $0["event_type"]?.string }
        }
        #expect(types("since=\(Bench.start.description)") == ["access_code.set_on_device", "access_code.created"])
        #expect(types("since=\(created)") == ["access_code.set_on_device"])
        #expect(types("between=\(Bench.start.description)&between=\(bench.model.now.description)")?.count == 2)
        #expect(types("between=\(created),\(bench.model.now.description)") == ["access_code.set_on_device"])
        #expect(
            types("since=2020-01-01T00:00:00Z&event_types=access_code.created&event_types=device.added")
                == ["access_code.created", "device.added"])
        #expect(types("since=2020-01-01T00:00:00Z&access_code_id=\(id)&limit=1") == ["access_code.set_on_device"])
        #expect(
            types("since=2020-01-01T00:00:00Z&access_code_id=\(id)&limit=1&unstable_offset=1") == [
                "access_code.created"
            ])
        #expect(bench.get("/events/list").errorType == "invalid_input")
        let event = try #require(bench.model.events.last)
        #expect(bench.get("/events/get", "event_id=\(event.id)")["event"] == (try JSONValue(parsing: event.json.bytes)))
        #expect(bench.get("/events/get", "event_id=\(unknown)").errorType == "event_not_found")
    }

    @Test("Creating a code: window, PIN, pool and length are checked")
    func creates() {
        let bench = Bench()
        let device = bench.device()
        func create(_ members: JSONValue) -> Answer {
            var body = members
            body["device_id"] = .string(device)
            return bench.post("/access_codes/create", body)
        }
        let (start, end) = ((bench.model.now + .seconds(60)).description, (bench.model.now + .seconds(600)).description)
        #expect(create(["starts_at": .string(start), "ends_at": .string(end), "code": "2468"]).status == 200)
        #expect(create(["code": "2468"]).errorType == "duplicate_access_code")
        #expect(create(["starts_at": .string(start)]).errorType == "invalid_input")
        #expect(create(["starts_at": .string(end), "ends_at": .string(start)]).errorType == "invalid_input")
        #expect(create(["code": "12a4"]).errorType == "invalid_input")
        #expect(create(["code": "123"]).errorType == "invalid_input")
        #expect(create(["use_backup_access_code_pool": true]).errorType == "invalid_input")
        #expect(create(["preferred_code_length": 6])["access_code"]?["code"]?.string?.count == 6)
        #expect(bench.post("/access_codes/create", ["device_id": .string(unknown)]).errorType == "device_not_found")
    }

    @Test("Codes with the same key have the same PIN, where none is given")
    func commonKeys() {
        let bench = Bench()
        let devices = (0..<2).map { _ in bench.device() }
        func create(on device: String, _ members: JSONValue) -> Answer {
            var body = members
            body["device_id"] = .string(device)
            return bench.post("/access_codes/create", body)
        }
        let first = create(on: devices[0], ["common_code_key": "stay 7"])["access_code"]
        let second = create(on: devices[1], ["common_code_key": "stay 7", "preferred_code_length": 6])["access_code"]
        #expect(first?["code"] != nil)
        #expect(second?["code"] == first?["code"])
        #expect(create(on: devices[1], ["common_code_key": "stay 8"])["access_code"]?["code"] != first?["code"])
        // A lock takes a PIN once: the same key there again cannot be honoured.
        #expect(create(on: devices[0], ["common_code_key": "stay 7"]).errorType == "duplicate_access_code")
    }

    @Test("A code's name may be empty, and so may a device's: the document bounds neither")
    func emptyNames() throws {
        let bench = Bench()
        let device = bench.device()
        let made = bench.post("/access_codes/create", ["device_id": .string(device), "name": ""])["access_code"]
        let id = try #require(made?["access_code_id"])
        #expect(made?["name"] == "")
        #expect(bench.post("/access_codes/update", ["access_code_id": id, "name": "Guest"]).status == 200)
        #expect(bench.post("/access_codes/update", ["access_code_id": id, "name": ""]).status == 200)
        #expect(bench.model.code(id.string ?? "")?.name?.isEmpty == true)
        #expect(bench.post("/devices/update", ["device_id": .string(device), "name": ""]).status == 200)
    }

    @Test("An update of a device that is refused changes nothing")
    func refusedUpdate() {
        let bench = Bench()
        let device = bench.device { $0.customMetadata = [.init("property", "A 1"), .init("floor", "2")] }
        let before = bench.model.device(device)
        let refused = bench.post(
            "/devices/update",
            [
                "device_id": .string(device), "name": "Other",
                "custom_metadata": ["property": "A 2", "floor": .null, "z": 3],
            ])
        #expect(refused.errorType == "invalid_input")
        #expect(bench.model.device(device) == before)
    }

    @Test("Webhooks: created with a Svix secret, updated, listed, deleted")
    func webhooks() throws {
        let bench = Bench()
        let created = bench.post("/webhooks/create", ["url": "https://a.example/hook"])["webhook"]
        let id = try #require(created?["webhook_id"])
        let secret = try #require(created?["secret"]?.string)
        #expect(secret.hasPrefix("whsec_"))
        #expect(secret.count == 6 + 32)
        #expect(created?["event_types"] == ["*"])
        #expect(bench.post("/webhooks/create", ["url": "ftp://a.example"]).errorType == "invalid_input")
        #expect(
            bench.post("/webhooks/create", ["url": "https://a.example", "event_types": ["x.y"]]).errorType
                == "invalid_event_types")
        #expect(
            bench.call("PUT", "/webhooks/update", body: ["webhook_id": id, "event_types": ["device.connected"]]).status
                == 200)
        #expect(bench.get("/webhooks/list")["webhooks"]?.array?.first?["event_types"] == ["device.connected"])
        #expect(bench.call("DELETE", "/webhooks/delete", query: "webhook_id=\(id.string ?? "")").status == 200)
        #expect(bench.post("/webhooks/get", ["webhook_id": id]).errorType == "webhook_not_found")
    }

    @Test("Control routes are there for this machine only, without a key, and do what the methods do")
    func control() throws {
        let bench = Bench()
        #expect(bench.post("/sandbox/devices/create", isLocal: false).status == 404)
        let made = bench.post("/sandbox/devices/create", ["name": "Gate", "pool_size": 1], key: nil)
        let device = try #require(made["device"]?["device_id"])
        let code = bench.post(
            "/sandbox/access_codes/create",
            [
                "device_id": device, "starts_at": .string((Bench.start - .seconds(60)).description),
                "ends_at": .string((Bench.start + .seconds(600)).description), "is_set": true,
            ])
        let id = try #require(code["access_code"]?["access_code_id"])
        bench.post("/sandbox/access_codes/fail", ["access_code_id": id, "event_type": "access_code.failed_to_issue"])
        #expect(bench.model.events.last?.type == "access_code.failed_to_issue")
        bench.post("/sandbox/access_codes/recover", ["access_code_id": id])
        #expect(bench.model.events.last?.type == "access_code.set_on_device")
        bench.post("/sandbox/pool/empty", ["device_id": device, "refills": false])
        bench.post("/sandbox/pool/refusal", ["status": 404, "type": "nothing_there"])
        let refused = bench.post("/access_codes/pull_backup_access_code", ["access_code_id": id])
        #expect(refused.errorType == "nothing_there")
        bench.post("/sandbox/pool/set", ["device_id": device, "size": 2])
        bench.post("/sandbox/pool/refill", ["device_id": device])
        #expect(bench.model.device(device.string ?? "")?.pool.count == 2)
        bench.post("/sandbox/devices/disconnect", ["device_id": device])
        bench.post("/sandbox/devices/connect", ["device_id": device])
        #expect(bench.model.events.last?.type == "device.connected")
        bench.post("/sandbox/access_codes/expire", ["access_code_id": id])
        bench.post("/sandbox/clock/advance", ["seconds": 10])
        #expect(bench.get("/access_codes/get", "access_code_id=\(id.string ?? "")").status == 404)
        bench.post("/sandbox/events/create", ["event_type": "lock.newer", "members": ["device_id": device]])
        #expect(bench.model.events.last?.type == "lock.newer")
        let counters = bench.post("/sandbox/counters")
        #expect(counters["pulls"]?[id.string ?? ""] == 1)
        #expect(counters["requests"]?["/access_codes/get"] == 1)
    }

    @Test("The demo: two locks with full pools, and a guest code that fails 1.5 s later")
    func demo() throws {
        let bench = Bench()
        let contents = SandboxScenario.demo.install(in: bench.model)
        #expect(contents.deviceIDs.map { bench.model.device($0)?.pool.count } == [3, 3])
        bench.advance(.milliseconds(1499))
        #expect(bench.model.code(contents.guestCodeID)?.errors.isEmpty == true)
        bench.advance(.milliseconds(1))
        #expect(bench.model.code(contents.guestCodeID)?.errors.map(\.code) == ["failed_to_set_on_device"])
        #expect(
            bench.events(of: contents.guestCodeID) == [
                "access_code.created", "access_code.delay_in_setting_on_device", "access_code.failed_to_set_on_device",
            ])
    }
}
