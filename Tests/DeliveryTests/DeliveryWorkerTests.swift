import Foundation
import JSON
import Ledger
import Synchronization
import Testing
import Time

@testable import Delivery

@Suite(.timeLimit(.minutes(5)))
struct DeliveryWorkerTests {
    /// A slow receiver must not hear last what was so first.
    @Test func whatIsToldOfOneStayIsToldOneAfterTheOther() async throws {
        let bench = try DeliveryBench()
        let stay = try await bench.substitute()
        try await bench.substitute("other")
        let worker = bench.worker(.webhook, ScriptedWay())
        let first = try await worker.take()
        #expect(first.count == 2)
        try bench.ledgerRows(
            """
            INSERT INTO deliveries (delivery_id, substitution_id, channel, kind, created_at, next_attempt_at, arrives_at, due_at)
            SELECT 'dlv_second', substitution_id, channel, 'updated', '2026-11-20T16:20:03.400Z', next_attempt_at, arrives_at, due_at
            FROM deliveries WHERE substitution_id = '\(stay)'
            """)
        #expect(try await worker.take().isEmpty)
        #expect(try await worker.nextAt() == nil)
        for delivery in first { try await worker.carryOut(delivery) }
        #expect(try await worker.nextAt() == bench.now)
        #expect(try await worker.take().map(\.id) == ["dlv_second"])
    }

    /// Whoever pages a person by it would do so for good.
    @Test func thatAnAlertIsOverIsToldAfterThatItWasOpened() async throws {
        let bench = try DeliveryBench()
        let isDown = Mutex(true)
        let way = ScriptedWay { _ in isDown.withLock { $0 } ? .retry("http_503", retryAfter: nil) : .delivered }
        let worker = bench.worker(.webhook, way)
        let alert = Alert(.poolEmpty, subject: "lock", deviceID: "lock", text: "Empty.")
        _ = try await bench.ledger.open(alert, channels: [.webhook], now: bench.now)
        for _ in 0..<10 {
            try await bench.drain(worker)
            bench.clock.advance(by: .seconds(60))
        }
        _ = try await bench.ledger.closeAlert(.poolEmpty, subject: "lock", channels: [.webhook], now: bench.now)
        let before = way.messages.count
        try await bench.drain(worker)
        #expect(way.messages.dropFirst(before).map { $0.json["type"]?.string } == ["alert.opened"])
        isDown.withLock { $0 = false }
        for _ in 0..<30 {
            bench.clock.advance(by: .seconds(60))
            try await bench.drain(worker)
        }
        #expect(way.messages.suffix(2).map { $0.json["type"]?.string } == ["alert.opened", "alert.closed"])
    }

    /// It asks for an hour, and the stay ends in fifty minutes.
    @Test func aReceiverThatAsksForMoreThanIsLeftIsAskedInTime() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(arrivesIn: .seconds(-3600), stay: .seconds(3600 + 3000))
        let attempts = Mutex<[Timestamp]>([])
        let clock = bench.clock
        let way = ScriptedWay { _ in
            attempts.withLock { $0.append(clock.now()) }
            return .retry("http_503", retryAfter: .seconds(3600))
        }
        let worker = bench.worker(.webhook, way)
        while try bench.states().contains(where: { $0.contains("pending") }) {
            try await bench.drain(worker)
            bench.clock.advance(by: .seconds(1))
        }
        let times = attempts.withLock { $0 }
        #expect((5...20).contains(times.count))
        #expect(try #require(times.last) >= bench.now - .seconds(60))
        #expect(try #require(times.last) > DeliveryBench.start + .seconds(2900))
    }

    @Test func whoArrivesFirstIsToldFirst() async throws {
        let bench = try DeliveryBench()
        for hours in [5, 1, 9, 3, 7] {
            try await bench.substitute("guest-\(hours)", arrivesIn: .seconds(3600 * hours))
        }
        let way = ScriptedWay()
        try await bench.drain(bench.worker(.webhook, way))
        #expect(way.guests == ["guest-1", "guest-3", "guest-5", "guest-7", "guest-9"])
        #expect(try bench.states() == Array(repeating: "webhook delivered 1 -", count: 5))
    }

    @Test func repeatsCarryTheSameIDUntilTheStayEnds() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(arrivesIn: .seconds(-3600), stay: .seconds(7200))
        let way = ScriptedWay { _ in .retry("http_500", retryAfter: nil) }
        let worker = bench.worker(.webhook, way)
        for _ in 0..<200 {
            try await bench.drain(worker)
            guard let next = try await worker.nextAt() else { break }
            #expect(next < DeliveryBench.start + .seconds(3600))
            bench.clock.set(next)
        }
        #expect(try bench.states() == ["webhook failed \(way.messages.count) http_500"])
        #expect(way.messages.count > 5 && Set(way.messages.map(\.id)).count == 1)
        #expect(Set(way.messages.map(\.json.description)).count == 1)
    }

    @Test func whoWasToldIsNotToldAgainWhileTheDatabaseIsAway() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute()
        let way = ScriptedWay()
        let worker = bench.worker(.webhook, way)
        let delivery = try #require(try await worker.take().first)
        // Another program's write lock would be waited for; a failure at once comes to the same.
        try bench.ledgerRows(
            "CREATE TRIGGER refusal BEFORE UPDATE ON deliveries BEGIN SELECT raise(ABORT, 'refused'); END")
        for _ in 0..<3 {
            await #expect(throws: LedgerError.self) { try await worker.carryOut(delivery) }
            #expect(try await worker.take().isEmpty)
        }
        #expect(way.messages.count == 1)
        try bench.ledgerRows("DROP TRIGGER refusal")
        try await worker.carryOut(delivery)
        #expect(way.messages.count == 1)
        #expect(try bench.states() == ["webhook delivered 1 -"])
    }

    @Test func whoAsksForNoWaitGetsTheBackoffs() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute()
        let worker = bench.worker(.webhook, ScriptedWay { _ in .retry("http_503", retryAfter: .zero) })
        for _ in 0..<5 {
            let delivery = try #require(try await worker.take().first)
            try await worker.carryOut(delivery)
            let next = try #require(try await worker.nextAt())
            #expect(next >= bench.now + .milliseconds(500))
            bench.clock.set(next)
        }
    }

    @Test func retryAfterIsTheNextAttempt() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute()
        let worker = bench.worker(.webhook, ScriptedWay { _ in .retry("http_503", retryAfter: .seconds(77)) })
        try await bench.drain(worker)
        #expect(try await worker.nextAt() == DeliveryBench.start + .seconds(77))
    }

    @Test func aCodeIsNotToldOnceItsStayIsOver() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute("over", arrivesIn: .seconds(-7200), stay: .seconds(3600))
        let way = ScriptedWay()
        try await bench.drain(bench.worker(.webhook, way))
        #expect(way.messages.isEmpty)
        #expect(try bench.states() == ["webhook failed 1 stay_over"])
    }

    @Test func oneThatHangsHoldsUpItsOwnPlaceOnly() async throws {
        let bench = try DeliveryBench()
        for index in 0..<20 { try await bench.substitute("guest-\(index)", arrivesIn: .seconds(60 * (index + 1))) }
        let (release, hang) = AsyncStream<Void>.makeStream()
        let way = ScriptedWay { number in
            if number == 0 { for await _ in release {} }
            return .delivered
        }
        let worker = bench.worker(.webhook, way)
        let first = try await worker.take()
        #expect(first.count == DeliveryWorker.places)
        let hanging = Task { try await worker.carryOut(first[0]) }
        #expect(await eventually { way.messages.count == 1 })
        for delivery in first.dropFirst() { try await worker.carryOut(delivery) }
        try await bench.drain(worker)
        #expect(way.messages.count == 20)
        #expect(try bench.states().filter { $0.contains("delivered") }.count == 19)
        // The one that hangs is due, but taken: nobody else sends it.
        #expect(try await worker.nextAt() == nil)
        hang.finish()
        try await hanging.value
        #expect(try bench.states().filter { $0.contains("delivered") }.count == 20)
    }

    @Test func aDaemonThatStopsRecordsWhatWasSentAndForgetsWhatWasNot() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute("sent", arrivesIn: .seconds(60))
        try await bench.substitute("unsent", arrivesIn: .seconds(120))
        let way = ScriptedWay { number in
            while !Task.isCancelled { await Task.yield() }
            return number == 0 ? .delivered : .retry("cancelled", retryAfter: nil)
        }
        let worker = bench.worker(.webhook, way)
        for delivery in try await worker.take() {
            let count = way.messages.count
            let task = Task { try await worker.carryOut(delivery) }
            #expect(await eventually { way.messages.count > count })
            task.cancel()
            try await task.value
        }
        #expect(try bench.states() == ["webhook delivered 1 -", "webhook pending 0 -"])
    }

    @Test func whatIsHeldBackIsToldAsItIsThen() async throws {
        let bench = try DeliveryBench()
        try await bench.substitute(arrivesIn: .seconds(7200), dueIn: .seconds(3600))
        let way = ScriptedWay()
        let worker = bench.worker(.webhook, way)
        try await bench.drain(worker)
        #expect(way.messages.isEmpty)
        #expect(try await worker.nextAt() == DeliveryBench.start + .seconds(3600))
        bench.clock.advance(by: .seconds(3600))
        try await bench.drain(worker)
        #expect(way.messages.count == 1)
    }

    /// Two thousand deliveries by the real loop of places; what is in memory is what has a place.
    @Test func aStormDrainsInOrderOfArrival() async throws {
        let bench = try DeliveryBench()
        let count = 2_000
        try await bench.substitute("template")
        // The rows of a storm, in one statement each: what is measured is how they drain.
        try bench.ledgerRows(
            """
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count))
            INSERT INTO failovers (failover_id, access_code_id, device_id, state, failed_at, opened_at, original_starts_at)
            SELECT 'flo_' || i, 'code-' || i, 'lock', 'substituted', opened_at, opened_at,
                strftime('%Y-%m-%dT%H:%M:%S.000Z', '2026-11-21', '+' || ((i * 7919) % \(count)) || ' seconds')
            FROM n, failovers WHERE access_code_id = 'template';
            INSERT INTO substitutions (substitution_id, failover_id, original_access_code_id, device_id, backup_access_code_id,
                backup_code, backup_ends_at, state, recorded_at, updated_at)
            SELECT 'sub_' || access_code_id, failover_id, access_code_id, 'lock', 'backup-' || access_code_id, '1234',
                '2026-12-01T00:00:00.000Z', 'active', opened_at, opened_at FROM failovers WHERE failover_id LIKE 'flo\\_%' ESCAPE '\\';
            INSERT INTO deliveries (delivery_id, substitution_id, channel, kind, created_at, next_attempt_at, arrives_at, due_at)
            SELECT 'dlv_' || access_code_id, 'sub_' || access_code_id, 'webhook', 'created', opened_at, opened_at,
                original_starts_at, opened_at FROM failovers WHERE failover_id LIKE 'flo\\_%' ESCAPE '\\';
            """)
        let way = ScriptedWay()
        let worker = bench.worker(.webhook, way)
        let began = ContinuousClock.now
        var most = 0
        while true {
            let taken = try await worker.take()
            if taken.isEmpty { break }
            most = max(most, taken.count)
            for delivery in taken { try await worker.carryOut(delivery) }
        }
        print("drained \(count) in \(ContinuousClock.now - began)")
        let arrivals = way.messages.compactMap { $0.json["data"]?["original_starts_at"]?.string }
        #expect(arrivals.count == count + 1 && arrivals == arrivals.sorted())
        #expect(most <= DeliveryWorker.places)
    }
}
