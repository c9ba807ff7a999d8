import JSON
import Sandbox
import Testing
import Time

/// What the parameters of a list leave in it.
struct FilterTests {
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

    @Test("An empty page cursor is the client's NULL: the first page")
    func nullCursor() {
        let bench = Bench()
        _ = bench.device { $0.name = "Door" }
        #expect(names(bench.get("/devices/list", "limit=2&page_cursor=&_strict=true")) == ["Door"])
        #expect(names(bench.post("/devices/list", ["limit": 2, "page_cursor": .null])) == ["Door"])
    }
}
