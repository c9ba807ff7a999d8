import Foundation
import Ledger
import Testing
import Time

@Suite struct CancellationTests {
    /// A stop or a reload cancels the workers: a write that has begun is carried through, never taken for a poisoned row.
    @Test(.timeLimit(.minutes(1))) func aWriteOutlivesItsTask() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let ledger = try Ledger(path: folder.appending(path: "sparekey.db").path)
        defer { ledger.close() }
        let now = Timestamp(secondsSinceEpoch: 1_800_000_000)
        let message = InboxMessage(svixID: "msg_1", source: .webhook, receivedAt: now, body: Array("{}".utf8))
        #expect(ledger.append([message]) == [.stored])
        let event = try #require(try await ledger.pendingEvents(limit: 1).first)

        let settled = await Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return await Result {
                try await ledger.settle([(event.inboxID, .quarantined(reason: "not_json"))], now: now)
            }
        }.value
        #expect(try settled.get().quarantined == 1)
        #expect(try await ledger.pendingEvents(limit: 1).isEmpty)
    }

    @Test(.timeLimit(.minutes(1))) func aCancelledReadSaysSo() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let ledger = try Ledger(path: folder.appending(path: "sparekey.db").path)
        defer { ledger.close() }
        let failure = await Task { () -> LedgerError? in
            withUnsafeCurrentTask { $0?.cancel() }
            do throws(LedgerError) {
                _ = try await ledger.pendingEvents(limit: 1)
                return nil
            } catch {
                return error
            }
        }.value
        #expect(failure?.code == .cancelled)
    }
}

extension Result where Failure == any Error {
    fileprivate init(catching body: () async throws -> Success) async {
        do { self = .success(try await body()) } catch { self = .failure(error) }
    }
}
