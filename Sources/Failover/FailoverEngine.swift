package import Ledger
package import Logging
package import Policy
package import Seam
package import Time

/// Works failovers off, lock by lock: reads the access code, asks the policy, carries its decision out.
///
/// It keeps no state of its own: what is to be done stands in the ledger, so it may stop anywhere and go on after a restart.
package struct FailoverEngine: Sendable {
    let ledger: Ledger
    let seam: SeamClient
    let clock: any WallClock
    let random: RandomSource
    let settings: FailoverSettings
    let log: Logger
    /// Told of each failover's new state, for metrics.
    let observe: @Sendable (FailoverState, String) -> Void

    package init(
        ledger: Ledger, seam: SeamClient, clock: any WallClock, random: RandomSource, settings: FailoverSettings,
        log: Logger,
        observe: @escaping @Sendable (FailoverState, String) -> Void = { _, _ in }
    ) {
        self.ledger = ledger
        self.seam = seam
        self.clock = clock
        self.random = random
        self.settings = settings
        self.log = log
        self.observe = observe
    }

    /// Lanes with something due now that are not in `busy`, soonest stay first, at most as many as may still start.
    package func dueLanes(notIn busy: Set<Lane>) async throws(LedgerError) -> [Lane] {
        let free = settings.maximumLanes - busy.count
        guard free > 0 else { return [] }
        let due = try await ledger.dueLanes(now: clock.now(), limit: settings.maximumLanes + busy.count)
        return Array(due.lazy.filter { !busy.contains($0) }.prefix(free))
    }

    /// Looks at what is due in one lane. Two runs of one lane must not overlap: they would draw from one pool at the same time.
    package func work(_ lane: Lane) async throws(LedgerError) {
        var run = LaneRun(engine: self, lane: lane)
        try await run.work()
    }
}
