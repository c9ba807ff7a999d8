import JSON
import Testing
import Time

@testable import Sandbox

struct HostileInputTests {
    @Test("Whatever a request carries, the answer is one: every route, every parameter, odd values")
    func survives() {
        let bench = Bench()
        let device = bench.device()
        let code = bench.code(on: device)
        var generator = SeededGenerator(seed: 11)
        let values: [JSONValue] = [
            .null, true, false, 0, -1, .integer(.max), .integer(.min), .number(1e308), .number(-1e308), .number(0.5),
            "", "x", "\u{0}", "8e525b87", .string(device), .string(code), .string(String(repeating: "9", count: 5000)),
            "2026-11-20T16:00:00Z", "9999-12-31T23:59:59.999999999+23:59", "0000-00-00T00:00:00Z", "12345", "*", [],
            [:],
            [.string(code), .string(code)], ["a", 1], ["2026-01-01T00:00:00Z"], ["a.b": "c", "": ""], "http://",
            "https://a",
        ]
        let queries = [
            nil, "", "&&=&", "%", "%zz=%", "a=%ff", "limit=nan&limit=inf", "since=%00", "between=,,", "=[]", "x[]",
        ]
        for route in SandboxRoute.all.values.sorted(by: { $0.path < $1.path }) {
            for _ in 0..<60 {
                var body: JSONValue = [:]
                for parameter in route.parameters where Bool.random(using: &generator) {
                    body[parameter.name] = values.randomElement(using: &generator)
                }
                if Bool.random(using: &generator) { body["device_id"] = .string(device) }
                if Bool.random(using: &generator) { body["access_code_id"] = .string(code) }
                let method =
                    ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", ""].randomElement(using: &generator) ?? ""
                let query = queries.randomElement(using: &generator) ?? nil
                let answer = bench.call(method, route.path, query: query, body: body)
                #expect((200...599).contains(answer.status))
                #expect(answer.raw.header("seam-request-id") != nil)
            }
            bench.advance(.seconds(3600))
        }
    }

    @Test("Bodies that are no JSON object are refused", arguments: ["", "[", "[]", "nul", "\"a\"", "{\"a\":", "{}x"])
    func bodies(text: String) {
        let bench = Bench()
        let answer = bench.api.handle(
            SandboxRequest(
                method: "POST", path: "/access_codes/get",
                headers: [("authorization", "Bearer seam_1"), ("content-type", "application/json")],
                body: Array(text.utf8)))
        #expect(Answer(answer).errorType == "invalid_input")
    }
}
