import Checks
import HTTPClient
import Settings
import Testing
import Time

@Suite struct ClockCheckTests {
    private struct Answer: HTTPTransport {
        var date: String?

        func send(_ request: ClientRequest) async throws(ClientError) -> ClientResponse {
            guard let date else { throw .cannotConnect(endpoint: "seam:443", reason: "refused") }
            return ClientResponse(status: 404, headers: date.isEmpty ? [] : [("date", date)])
        }
    }

    /// Ours is Fri, 20 Nov 2026 16:20:02 GMT.
    private func finding(_ date: String?) async throws -> CheckFinding {
        let now = try #require(Timestamp("2026-11-20T16:20:02.400Z"))
        let check = ClockCheck(
            baseURL: "https://seam.example/", transport: Answer(date: date), clock: ManualWallClock(now),
            tolerance: .seconds(300), timeout: .seconds(1))
        let findings = await check.findings()
        #expect(findings.count == 1)
        return try #require(findings.first)
    }

    @Test(arguments: [
        ("Fri, 20 Nov 2026 16:20:02 GMT", "clock.ok", CheckFinding.Severity.ok),
        ("Fri, 20 Nov 2026 16:20:10 GMT", "clock.ok", .ok),
        ("Fri, 20 Nov 2026 16:19:40 GMT", "clock.skew", .warning),
        ("Fri, 20 Nov 2026 16:20:30 GMT", "clock.skew", .warning),
        ("Fri, 20 Nov 2026 16:14:00 GMT", "clock.skew", .error),
        ("Fri, 20 Nov 2026 17:20:02 GMT", "clock.skew", .error),
        ("Thu, 01 Jan 1970 00:00:00 GMT", "clock.skew", .error),
        ("yesterday", "clock.unknown", .ok),
        ("", "clock.unknown", .ok),
    ])
    func dates(date: String, id: String, severity: CheckFinding.Severity) async throws {
        let found = try await finding(date)
        #expect((found.id, found.severity) == (id, severity))
    }

    @Test func itSaysWhichWay() async throws {
        #expect(try await finding("Fri, 20 Nov 2026 16:19:00 GMT").title == "The clock is 62 s ahead of Seam's")
        #expect(try await finding("Fri, 20 Nov 2026 16:21:02 GMT").title == "The clock is 59 s behind Seam's")
    }

    @Test func noAnswer() async throws {
        #expect(try await finding(nil).severity == .ok)
    }
}

@Suite struct ConfigurationCheckTests {
    @Test func warningsOfSecretsAreTold() async {
        var settings = Settings()
        settings.warnings = [
            Finding(
                key: "webhook.secret_file", source: .file("/s"), line: nil, problem: "can be read by others",
                fix: "chmod 600 /s"),
            Finding(key: "delivery.manual", source: .nowhere, line: nil, problem: "is off", fix: "turn it on"),
        ]
        let findings = await ConfigurationCheck(settings, account: .ofThisProcess).findings()
        #expect(findings.map(\.id) == ["secrets.warning", "configuration.warning"])
        #expect(findings.allSatisfy { $0.severity == .warning && !$0.fix.isEmpty })
    }

    @Test func whatCannotBeLoadedIsAnError() throws {
        let error = #expect(throws: ConfigurationError.self) {
            try Settings.loadWithoutFile(environment: ["SPAREKEY_LISTEN_PORT": "x"], requireSecrets: true)
        }
        let findings = ConfigurationCheck.findings(of: try #require(error))
        #expect(findings.count >= 2)
        #expect(findings.allSatisfy { $0.severity == .error && !$0.fix.isEmpty })
    }
}
