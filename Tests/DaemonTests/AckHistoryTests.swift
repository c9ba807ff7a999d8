import Foundation
import Ledger
import Testing
import Time

@testable import Daemon

/// What the status page says of answers before the start.
@Suite(.timeLimit(.minutes(5))) struct AckHistoryTests {
    private static let hour = Timestamp(secondsSinceEpoch: 1_800_000_000)

    private static func withLedger(_ body: (Ledger) async throws -> Void) async throws {
        let folder = NSTemporaryDirectory() + "/sparekey-history-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let ledger = try Ledger(path: folder + "/sparekey.db")
        defer { ledger.close() }
        try await body(ledger)
    }

    @Test func aLaterLifeGoesOnWhereTheFormerEnded() async throws {
        try await Self.withLedger { ledger in
            let former = AckHistory()
            former.note(seconds: [0.004, 0.2], at: Self.hour)
            former.note(seconds: [0.004], at: Self.hour + .seconds(3600))
            try await former.save(to: ledger)
            former.note(seconds: [0.004], at: Self.hour + .seconds(3601))
            try await former.save(to: ledger)

            let later = AckHistory()
            try await later.restore(from: ledger, now: Self.hour + .seconds(7200))
            #expect(later.hours == former.hours)
            later.note(seconds: [0.2, 0.2], at: Self.hour + .seconds(3700))
            later.note(seconds: [0.2], at: Self.hour + .seconds(7200))
            #expect(later.hours.map(\.count) == [2, 4, 1])
            #expect(later.hours.map(\.percentile99) == [0.25, 0.25, 0.25])
            try await later.save(to: ledger)
            let kept = AckHistory()
            try await kept.restore(from: ledger, now: Self.hour + .seconds(7200))
            #expect(kept.hours == later.hours)
        }
    }

    @Test func noHourIsKeptForMoreThanAWeek() async throws {
        try await Self.withLedger { ledger in
            let history = AckHistory()
            for hour in 0..<200 {
                history.note(seconds: [1], at: Self.hour + .seconds(Int64(hour) * 3600))
                if hour % 50 == 0 { try await history.save(to: ledger) }
            }
            try await history.save(to: ledger)
            #expect(try await ledger.acknowledgementHours().count == 168)
        }
    }

    @Test func anHourThatIsStillToComeIsPassedOver() async throws {
        try await Self.withLedger { ledger in
            let ahead = AckHistory()
            ahead.note(seconds: [1], at: Self.hour)
            ahead.note(seconds: [1], at: Self.hour + .seconds(86_400))
            try await ahead.save(to: ledger)
            let history = AckHistory()
            try await history.restore(from: ledger, now: Self.hour + .seconds(60))
            #expect(history.hours.map(\.start) == [Self.hour])
        }
    }

    @Test func whatAnotherVersionCountedOtherwiseIsPassedOver() async throws {
        try await Self.withLedger { ledger in
            try await ledger.keepAcknowledgementHours([.init(start: Self.hour, buckets: [1, 2])], since: Self.hour)
            let history = AckHistory()
            try await history.restore(from: ledger, now: Self.hour + .seconds(7200))
            #expect(history.hours.isEmpty)
        }
    }

    @Test func whatCouldNotBeWrittenIsWrittenTheNextTime() async throws {
        try await Self.withLedger { ledger in
            let history = AckHistory()
            history.note(seconds: [1], at: Self.hour)
            ledger.close()
            await #expect(throws: LedgerError.self) { try await history.save(to: ledger) }
            let sharing = try Ledger(sharing: ledger.path)
            defer { sharing.close() }
            try await history.save(to: sharing)
            #expect(try await sharing.acknowledgementHours().map(\.start) == [Self.hour])
        }
    }
}
