import Testing

@testable import HTTPClient

@Suite struct HTTPURLTests {
    @Test(arguments: [
        "localhost", "LOCALHOST", "LocalHost", "127.0.0.1", "127.255.255.254", "::1", "[::1]", "0:0:0:0:0:0:0:1",
    ])
    func loopback(host: String) { #expect(isLoopback(host: host)) }

    @Test(arguments: [
        "", "[]", "[", "example.com", "localhost.example.com", "localhost.", "128.0.0.1", "127.1", "0127.0.0.1",
        "0.0.0.0",
        "::", "::2", "::ffff:127.0.0.1", "127.0.0.1.nip.io", "127.0.0.999", "loca\u{17F}host", "\u{212A}ocalhost",
        "127.0.0.1\0.evil.com",
    ])
    func notLoopback(host: String) { #expect(!isLoopback(host: host)) }

    @Test func takesApart() throws {
        let url = try HTTPURL("https://connect.getseam.com/access_codes/get?a=b#c")
        #expect(url.isSecure && url.host == "connect.getseam.com" && url.port == 443 && url.path == "/access_codes/get")
        #expect(url.hasQuery && url.hasFragment && url.endpoint == "connect.getseam.com:443")
        #expect(try HTTPURL("http://[::1]:8080").endpoint == "[::1]:8080")
        #expect(try HTTPURL("http://localhost").path == "/")
        #expect(try HTTPURL("HTTPS://EXAMPLE.com").isSecure)
    }

    @Test(arguments: [
        "", "connect.getseam.com", "ftp://example.com", "file:///etc/passwd", "http://example.com/", "http://10.0.0.1",
        "https://user@example.com", "https://user:secret@example.com", "https://exa mple.com",
        "https://example.com/\r\nX: y",
        "https://", "https:///path", "https://example.com:99999/", "https://ex\u{E4}mple.com",
        "http://127.0.0.1@example.com/",
        "http://localhost.example.com", "gopher://localhost", "https://example.com/\0",
    ])
    func refuses(text: String) {
        #expect {
            _ = try HTTPURL(text)
        } throws: { error in
            guard case .invalidURL(let reason)? = error as? ClientError else { return false }
            return !reason.contains("secret") && !reason.contains("example")
        }
    }

    @Test func refusesWhatHTTPCannotCarry() {
        func request(_ method: String = "GET", _ headers: [(String, String)] = []) -> ClientRequest {
            ClientRequest(method: method, url: "https://example.com", headers: headers, timeout: .seconds(1))
        }
        for request in [
            request("GE T"), request(""), request("GET\r\n"), request("GET", [("X:", "y")]),
            request("GET", [("", "y")]),
            request("GET", [("X", "a\r\nY: b")]), request("GET", [("X", "a\0b")]),
        ] {
            #expect {
                _ = try PreparedRequest(request)
            } throws: { error in
                if case .invalidRequest? = error as? ClientError { true } else { false }
            }
        }
    }

    @Test func textsHoldNoSecret() {
        let request = ClientRequest(
            method: "POST", url: "https://example.com/secret?secret", headers: [("Authorization", "Bearer secret")],
            body: Array("secret".utf8), timeout: .seconds(1))
        let response = ClientResponse(status: 200, headers: [("x", "secret")], body: Array("secret".utf8))
        var dumped = ""
        dump(request, to: &dumped)
        dump(response, to: &dumped)
        dumped += "\(request) \(response) \(String(reflecting: request)) \(String(reflecting: response))"
        #expect(!dumped.contains("secret") && dumped.contains("POST") && dumped.contains("200"))
    }
}
