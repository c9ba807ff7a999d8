import Policy
import Sandbox
import Settings
import Testing
import Time

/// Whatever Seam does once or twice, the guest gets one code, and one only leaves the pool.
@Suite(.timeLimit(.minutes(10)))
struct FaultTests {
    static let kinds: [SandboxFault.Kind] = [
        .error(status: 500, type: "internal_server_error", retryAfter: nil),
        .error(status: 429, type: "rate_limit_exceeded", retryAfter: "1"),
        .error(status: 401, type: "unauthorized", retryAfter: nil),
        .error(status: 409, type: "conflict", retryAfter: nil),
        .empty(status: 503, retryAfter: nil), .empty(status: 502, retryAfter: "1"), .html(status: 502), .timeout,
        .reset,
        .resetAfterCommit, .drip(interval: .microseconds(100)), .drip(interval: .seconds(1)),
        .delay(.milliseconds(300)),
        .delay(.seconds(5)), .nullCode(reads: 2), .extraFields, .unknownEnums, .omit("status"), .omit("access_code"),
        .omit("backup_access_code"), .omit("access_code_id"), .omit("code"), .omit("ok"), .microseconds,
    ]

    @Test(arguments: kinds, [APIAnswerTests.pull, APIAnswerTests.get])
    func endsWithOneBackup(kind: SandboxFault.Kind, route: String) async throws {
        try await House.with(settings: { $0.seam.timeout = .seconds(2) }) { house in
            let code = house.guest(on: house.lock())
            house.model.addFault(SandboxFault(kind, route: route, count: 2))
            house.model.failCode(code)
            try await house.expectSubstituted(code, .pulled)
            #expect(house.model.counters.faultsServed > 0)
            #expect(house.model.counters.backupsPulled == 1)
            #expect(try house.count("substitutions") == 1)
            #expect(try house.count("deliveries WHERE kind = 'created'") == 1)
        }
    }

    @Test func answersThatAreAllBrokenEndInOneBackup() async throws {
        try await House.with(settings: { $0.seam.timeout = .seconds(2) }) { house in
            let code = house.guest(on: house.lock())
            for kind in [
                SandboxFault.Kind.reset, .empty(status: 500, retryAfter: nil), .resetAfterCommit, .html(status: 200),
            ] {
                house.model.addFault(SandboxFault(kind, count: 2))
            }
            house.model.failCode(code)
            try await house.expectSubstituted(code, .pulled)
            #expect(house.model.counters.backupsPulled == 1)
        }
    }

    @Test(arguments: [
        SandboxWebhookFault.Kind.duplicateMessage, .duplicateEvent, .drop, .reorder(4),
        .staleTimestamp(by: .seconds(3600)),
        .badSignature, .delay(.milliseconds(500)),
    ])
    func webhookMishapsEndInOneBackup(kind: SandboxWebhookFault.Kind) async throws {
        try await House.with(settings: { $0.reconcile.interval = .seconds(1) }) { house in
            let lock = house.lock()
            house.model.addWebhookFault(SandboxWebhookFault(kind, count: 4))
            let code = house.guest(on: lock)
            house.model.failCode(code)
            try await house.expectSubstituted(code, .pulled)
            house.model.clearWebhookFaults()
            #expect(house.model.counters.backupsPulled == 1)
            #expect(try house.count("failovers") == 1)
        }
    }
}
