import Ledger
import Testing
import Time

@testable import Daemon

/// What is degraded, and what the status page says then.
struct HealthTests {
    private let clock = HandMovedClock()
    private let pulse: Pulse
    private let health: Health

    init() {
        pulse = Pulse(now: clock.now)
        health = Health(pulse: pulse)
    }

    private var degraded: [String] { health.report().degraded.map(\.what) }

    private func page(clockSkewSeconds: Int64? = nil) -> String {
        StatusPage(
            overview: Overview(now: Timestamp(millisecondsSinceEpoch: 1_750_000_000_000)), substitutions: [],
            report: health.report(), acknowledgements: [],
            facts: StatusPage.Facts(
                version: "1", startedAt: Timestamp(millisecondsSinceEpoch: 1_750_000_000_000), certificateDays: nil,
                clockSkewSeconds: clockSkewSeconds, toleranceSeconds: 300, sweepInterval: .seconds(300))
        ).html
    }

    @Test func aPartThatFailsAgainAndAgainIsDegraded() {
        let sweep = pulse.begin("sweep", within: .seconds(10))
        sweep.beat(within: .seconds(10))
        #expect(degraded == [])
        #expect(page().contains("No guest is at risk, and all works."))
        clock.advance(by: .seconds(11))
        sweep.beat(within: .seconds(10), succeeded: false)
        #expect(degraded == ["failing"])
        #expect(health.report().isReady)
        #expect(page().contains("No guest is at risk, but not all is well."))
        #expect(page().contains("Parts of the daemon fail again and again: sweep"))
    }

    @Test func aPartThatStandsStillIsNamedOnce() {
        _ = pulse.begin("sweep", within: .seconds(10))
        clock.advance(by: .seconds(11))
        #expect(degraded == ["stalled"])
    }

    @Test func anExpiredCertificateIsDegraded() {
        health.noteCertificate(isExpired: true)
        #expect(degraded == ["certificate_expired"])
        #expect(health.report().isReady)
        health.noteCertificate(isExpired: false)
        #expect(degraded == [])
    }

    @Test func aClockThatWillSoonRefuseWebhooksIsNotWell() {
        #expect(page(clockSkewSeconds: 150).contains("all works"))
        #expect(!page(clockSkewSeconds: 151).contains("all works"))
        #expect(page(clockSkewSeconds: -151).contains("This clock and the webhooks' are far apart"))
    }
}
