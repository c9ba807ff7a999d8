import Testing

@testable import Settings

@Suite struct URLRulesTests {
    @Test(arguments: [
        "https://connect.getseam.com", "https://connect.getseam.com/", "https://a:8443/b/c", "http://127.0.0.1:8080",
        "http://127.1.2.3", "http://localhost", "http://localhost:1/x", "http://[::1]:80/x", "https://[2001:db8::1]/",
    ])
    func areAllowed(_ text: String) throws { try URLRules.check(text, allowsQuery: false) }

    @Test(arguments: [
        "", "connect.getseam.com", "ftp://a", "HTTPS://a", "https://", "https:///x", "https://:80", "https://a:",
        "https://a:0", "https://a:65536", "https://a:8x", "https://[::1", "https://[::1]x", "https://a b",
        "https://a/\u{E4}", "https://a/#x", "https://a?x", "http://127.0.0.1.evil.com", "http://127.evil",
        "http://127.0.0", "http://127.0.0.999", "http://127.0.0.01",
        "http://localhost.evil.com", "http://example.com", "https://user@a", "https://a\\b", "https://a/\n",
    ])
    func areRefused(_ text: String) {
        #expect(throws: Complaint.self) { try URLRules.check(text, allowsQuery: false) }
    }

    @Test func aQueryIsAllowedWhereItMayBe() throws { try URLRules.check("https://a/b?c=d", allowsQuery: true) }
}
