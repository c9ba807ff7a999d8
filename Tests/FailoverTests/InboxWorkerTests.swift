import Ledger
import Testing

@Suite(.timeLimit(.minutes(5))) struct InboxWorkerTests {
    @Test func moreThanIsReadAtOnceIsSettledWithoutAWait() async throws {
        let bench = try Bench()
        let body = Array(repeating: UInt8(ascii: "x"), count: 1_500_000)
        let messages = (0..<7).map { number in
            InboxMessage(svixID: "msg_\(number)", source: .webhook, receivedAt: bench.now, body: body)
        }
        #expect(bench.ledger.append(messages).filter(\.isCommitted).count == 7)
        try await bench.settleInbox()
        #expect(try bench.value("SELECT count(*) FROM webhook_events WHERE disposition = 'quarantined'") == "7")
    }
}
