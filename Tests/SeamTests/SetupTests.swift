import HTTPClient
import Testing

@testable import Seam

@Suite struct SetupTests {
    @Test func acceptsAPIKeys() throws {
        for text in ["seam_x", "seam_test2bMS_94SrGUXuNR2JmJkjtvBQDg5c"] { #expect(try APIKey(text).text == text) }
    }

    @Test(arguments: [
        ("", "empty"), ("seam_at1ABC_secret", "personal access token"), ("seam_cst1_secret", "client session token"),
        ("seam_pk1_secret", "publishable key"), ("eyJhbGciOiJIUzI1NiJ9.secret", "JSON Web Token"),
        ("secret", "no Seam API key"),
        ("seam_", "no Seam API key"), ("seam_secret\n", "line break"), ("seam_se cret", "space"),
        ("seam_\u{E4}secret", "character"),
        (" seam_secret", "does not begin"), ("seam_" + String(repeating: "s", count: 300), "too long"),
    ])
    func refusesOtherTokens(text: String, reason: String) {
        #expect {
            _ = try APIKey(text)
        } throws: { error in
            "\(error)".contains(reason) && !"\(error)".contains("secret") && "\(error)".contains("Seam Console")
        }
    }

    @Test func baseURLs() throws {
        for (text, first) in [
            ("https://connect.getseam.com", "https://connect.getseam.com/workspaces/get"),
            ("https://connect.getseam.com//", "https://connect.getseam.com/workspaces/get"),
            ("http://127.0.0.1:8999/", "http://127.0.0.1:8999/workspaces/get"),
            ("https://proxy.example/seam/", "https://proxy.example/seam/workspaces/get"),
        ] {
            #expect(try client(StubTransport(), baseURL: text).url(of: "/workspaces/get") == first)
        }
        for text in [
            "", "connect.getseam.com", "http://connect.getseam.com", "https://u:secret@connect.getseam.com",
            "ftp://localhost",
            "https://connect.getseam.com?x=secret", "https://connect.getseam.com/#secret",
            "https://connect.getseam.com/?",
            "https://connect.getseam.com/#", "https://connect.getseam.com/a b",
        ] {
            #expect {
                _ = try client(StubTransport(), baseURL: text)
            } throws: { error in
                error is SeamConfigurationError && "\(error)".hasPrefix("seam.base_url")
                    && !"\(error)".contains("secret")
            }
        }
    }

    @Test func textsHoldNoSecret() throws {
        let apiKey = try APIKey(key)
        let webhook = Webhook(id: "w", url: "https://example.com", secret: "whsec_SECRET")
        let listed = ListedEvent(reading: .unreadable(.notJSON), bytes: Array("SECRET".utf8))
        var dumped = ""
        for value in [apiKey, webhook, listed, try client(StubTransport())] as [Any] {
            dump(value, to: &dumped)
            dumped += "\(value) \(String(reflecting: value))"
        }
        #expect(!dumped.contains("SECRET") && dumped.contains("seam_••••"))
    }
}
