import Ledger
import Logging
import Synchronization
import Testing

@testable import Daemon

@Suite struct OutageTests {
    private static let failure = LedgerError(.storage, reason: "disk I/O error", hint: "Look at it.")

    @Test func manyWorkersTellOnce() {
        let lines = Lines()
        let outage = Outage(log: lines.logger)
        for part in ["inbox", "failover", "inbox", "sweep", "failover"] {
            #expect(outage.takes(Self.failure, of: part))
        }
        #expect(
            lines.all == ["critical The database cannot be used; webhooks are refused, and what is to be done waits"])
        outage.ended("inbox")
        outage.ended("failover")
        // One that writes still fails, whatever those say that only read.
        #expect(outage.takes(Self.failure, of: "inbox"))
        outage.ended("sweep")
        outage.ended("deliveries")
        #expect(lines.all.count == 1)
        outage.ended("inbox")
        #expect(lines.all.dropFirst() == ["notice The database can be used again"])
        // The next one is another.
        #expect(outage.takes(Self.failure, of: "inbox"))
        #expect(lines.all.count == 3)
    }

    @Test func whatTheIntakeHasToldIsNotToldAgain() {
        let lines = Lines()
        let outage = Outage(log: lines.logger)
        #expect(outage.begins("intake"))
        #expect(outage.takes(Self.failure, of: "inbox"))
        #expect(!outage.begins("intake"))
        outage.ended("inbox")
        #expect(lines.all == [])
        outage.ended("intake")
        #expect(lines.all == ["notice The database can be used again"])
    }

    @Test func whoIsNotHeardOfAgainHidesNothingForLong() {
        let lines = Lines()
        let start = SuspendingClock.now
        let offset = Mutex(Duration.zero)
        let outage = Outage(log: lines.logger) { start + offset.withLock { $0 } }
        #expect(outage.takes(Self.failure, of: "delivery"))
        offset.withLock { $0 = .seconds(299) }
        #expect(outage.takes(Self.failure, of: "inbox"))
        outage.ended("inbox")
        #expect(lines.all.count == 1)
        offset.withLock { $0 = .seconds(301) }
        #expect(outage.takes(Self.failure, of: "inbox"))
        #expect(lines.all.count == 2)
    }

    @Test func anythingElseIsForTheWorkerToTell() {
        let outage = Outage(log: Lines().logger)
        #expect(!outage.takes(CancellationError(), of: "inbox"))
        #expect(!outage.takes(LedgerError(.database, reason: "", hint: ""), of: "inbox"))
    }
}
