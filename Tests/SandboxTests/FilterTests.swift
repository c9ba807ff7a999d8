import JSON
import Sandbox
import Testing
import Time

/// What the parameters of a list leave in it, and where its next page is.
struct FilterTests {
    private static let elsewhere = "00000000-0000-4000-8000-000000000000"

    private func names(_ answer: Answer) -> [String]? {
        answer["devices"]?.array?.compactMap { $0["display_name"]?.string }
    }

    @Test("Devices by custom metadata, in a query as the official client writes it and in a body")
    func customMetadata() {
        let bench = Bench()
        _ = bench.device {
            $0.name = "First"
            $0.customMetadata = [.init("property", "A 1"), .init("vip", true)]
        }
        _ = bench.device {
            $0.name = "Second"
            $0.customMetadata = [.init("property", "A 2")]
        }
        func listed(_ query: String) -> [String]? { names(bench.get("/devices/list", query + "&_strict=true")) }
        func posted(_ members: JSONValue) -> [String]? {
            names(bench.post("/devices/list", ["custom_metadata_has": members]))
        }
        #expect(listed("custom_metadata_has.property=A+1") == ["First"])
        #expect(listed("custom_metadata_has.property=A+1&custom_metadata_has.vip=true") == ["First"])
        #expect(listed("custom_metadata_has.property=A+2&custom_metadata_has.vip=true") == [])
        #expect(listed("custom_metadata_has.vip=false") == [])
        #expect(listed("custom_metadata_has.property=A+3") == [])
        // The client's NULL: the key is unset. An empty string it leaves out, so that only a body can carry one: no filter.
        #expect(listed("custom_metadata_has.vip=") == ["Second"])
        #expect(posted(["vip": .null]) == ["Second"])
        #expect(posted(["vip": ""]) == ["First", "Second"])
        #expect(posted(["property": "A 1", "vip": true]) == ["First"])
        #expect(bench.get("/devices/list", "custom_metadata_has=x").errorType == "invalid_input")
    }

    @Test(
        "Devices of what this workspace has none of are none",
        arguments: [
            "connect_webview_id", "connected_account_id", "customer_key", "space_id", "unstable_location_id",
            "user_identifier_key",
        ])
    func noDevices(parameter: String) {
        let bench = Bench()
        _ = bench.device()
        #expect(names(bench.get("/devices/list", "\(parameter)=\(Self.elsewhere)")) == [])
    }

    @Test(
        "Events of what this workspace has none of are none",
        arguments: [
            "access_grant_id", "access_grant_ids", "access_method_id", "access_method_ids", "acs_access_group_id",
            "acs_credential_id", "acs_encoder_id", "acs_entrance_id", "acs_system_id", "acs_system_ids", "acs_user_id",
            "connect_webview_id", "connected_account_id", "customer_key", "space_id", "space_ids", "user_identity_id",
        ])
    func noEvents(parameter: String) {
        let bench = Bench()
        _ = bench.device()
        let since = "since=2020-01-01T00:00:00Z"
        #expect(bench.get("/events/list", since)["events"]?.array?.isEmpty == false)
        #expect(bench.get("/events/list", "\(since)&\(parameter)=\(Self.elsewhere)")["events"] == [])
    }

    @Test("Events of the connected account are those of its devices")
    func eventsOfTheAccount() throws {
        let bench = Bench()
        _ = bench.device()
        bench.model.emitEvent("lock.newer", members: [])
        let device = bench.post("/devices/list")["devices"]?.array?.first
        let account = try #require(device?["connected_account_id"]?.string)
        let answer = bench.get("/events/list", "since=2020-01-01T00:00:00Z&connected_account_id=\(account)")
        #expect(answer["events"]?.array?.compactMap { $0["event_type"]?.string } == ["device.added"])
    }

    @Test("The URL of the next page leads to it, whichever way the first was asked for")
    func nextPages() throws {
        let bench = Bench()
        for number in 0..<5 {
            _ = bench.device {
                $0.name = "Door & \(number)"
                $0.customMetadata = [.init("property", "50 % + ä"), .init("vip", true)]
            }
        }
        _ = bench.device { $0.name = "Gate" }
        let first = bench.post(
            "/devices/list",
            [
                "limit": 2, "search": "Door &", "device_types": ["schlage_lock", "nuki_lock"],
                "created_before": "2027-01-01T00:00:00+01:00",
                "custom_metadata_has": ["property": "50 % + ä", "vip": true, "floor": .null, "wing": ""],
            ])
        var found = names(first) ?? []
        var next = first["pagination"]?["next_page_url"]?.string
        while let url = next, found.count < 10 {
            let parts = url.split(separator: "?", maxSplits: 1)
            #expect(parts.first == "http://seam.test/devices/list")
            let page = bench.get("/devices/list", parts.last.map(String.init))
            #expect(page.status == 200)
            found += names(page) ?? []
            next = page["pagination"]?["next_page_url"]?.string
        }
        #expect(found == (0..<5).map { "Door & \($0)" })
    }

    @Test("The URL of the next page has the scheme of the request")
    func schemeOfTheNextPage() throws {
        let bench = Bench()
        for _ in 0..<2 { _ = bench.device() }
        let answer = bench.api.handle(
            SandboxRequest(
                method: "GET", path: "/devices/list", query: "limit=1",
                headers: [("host", "seam.test"), ("authorization", "Bearer seam_test1")], scheme: "https"))
        let url = try #require(Answer(answer)["pagination"]?["next_page_url"]?.string)
        #expect(url.hasPrefix("https://seam.test/devices/list?limit=1&page_cursor="))
    }

    @Test("An empty page cursor is the client's NULL: the first page")
    func nullCursor() {
        let bench = Bench()
        _ = bench.device { $0.name = "Door" }
        #expect(names(bench.get("/devices/list", "limit=2&page_cursor=&_strict=true")) == ["Door"])
        #expect(names(bench.post("/devices/list", ["limit": 2, "page_cursor": .null])) == ["Door"])
    }
}
