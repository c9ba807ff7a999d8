import Failover
import Ledger
import Policy
import Sandbox
import Testing
import Time

/// Guests whose backup is gone from the lock before its time: until when they are a concern.
@Suite(.timeLimit(.minutes(5))) struct GoneBackupTests {
    /// A bench with one guest whose code has failed and whose backup is gone.
    private func guestWithoutBackup(_ settings: FailoverSettings = FailoverSettings()) async throws -> (
        Bench, code: String
    ) {
        let bench = try Bench(settings)
        let code = bench.failedCode(on: bench.device())
        try await bench.pass()
        let backup = try bench.value("SELECT backup_access_code_id FROM substitutions")
        bench.model.deleteCode(backup)
        bench.clock.advance(by: .seconds(60))
        try await bench.pass()
        #expect(try bench.value("SELECT state FROM substitutions") == "revoked")
        #expect(try bench.openAlerts() == ["backup_failed"])
        #expect(try await bench.ledger.overview(now: bench.now).guests.map(\.trouble) == [.backupGone])
        try await bench.sweep()
        #expect(try bench.openAlerts() == ["backup_failed"])
        return (bench, code)
    }

    @Test(arguments: [false, true]) func aGuestWhoseBackupIsGoneIsSafeOnceTheFirstCodeIsSet(
        hadRecovered: Bool
    ) async throws {
        let (bench, code) = try await guestWithoutBackup()
        if hadRecovered { try bench.change("UPDATE substitutions SET recovered_at = recorded_at") }
        bench.model.recoverCode(code)
        bench.clock.advance(by: .seconds(901))
        try await bench.sweep()
        #expect(try bench.openAlerts() == [])
        #expect(
            try bench.value("SELECT count(*) FROM journal WHERE kind = 'original.recovered'")
                == (hadRecovered ? "0" : "1"))
        #expect(try await bench.ledger.overview(now: bench.now).guests.isEmpty)
    }

    @Test(arguments: [false, true]) func whatIsHeardOfAGuestWhoseBackupIsGoneHasTheLockSweptSoon(
        isCancelled: Bool
    ) async throws {
        let (bench, code) = try await guestWithoutBackup()
        if isCancelled { bench.model.deleteCode(code) } else { bench.model.recoverCode(code) }
        bench.clock.advance(by: .seconds(10))
        try await bench.pass()
        while try await bench.stateSweep.sweepNextDevice() != nil {}
        #expect(try bench.openAlerts() == [])
        #expect(try await bench.ledger.overview(now: bench.now).guests.isEmpty)
    }

    @Test func thatACodeIsNotListedAloneProvesNothing() async throws {
        let (bench, code) = try await guestWithoutBackup()
        bench.model.deleteCode(code)
        let outage = SandboxFault(.empty(status: 503, retryAfter: nil), route: "/access_codes/get", count: nil)
        bench.model.addFault(outage)
        let other = bench.failedCode(on: try bench.value("SELECT device_id FROM devices"))
        for alerts in [["backup_failed"], []] {
            bench.clock.advance(by: .seconds(901))
            try await bench.sweep()
            #expect(try bench.outcome(other) == "pending·")
            #expect(try bench.openAlerts() == alerts)
            bench.model.clearFaults()
        }
    }

    /// Where a backup outlasts its original, so does the guest.
    @Test func aDeletedCodeIsNoCancelledBookingWhereBackupsAreKept() async throws {
        let (bench, code) = try await guestWithoutBackup(FailoverSettings(onCancel: .keep))
        bench.model.deleteCode(code)
        for seconds in [10, 3600] {
            bench.clock.advance(by: .seconds(seconds))
            try await bench.pass()
            try await bench.sweep()
            #expect(try bench.openAlerts() == ["backup_failed"])
        }
        bench.clock.advance(by: .seconds(86_400))
        try await bench.sweep()
        #expect(try bench.openAlerts() == [])
    }
}
