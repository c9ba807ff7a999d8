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
    let governor: SeamGovernor
    let log: Logger
    /// Told of each failover's new state, for metrics.
    let observe: @Sendable (FailoverState, String) -> Void

    package init(
        ledger: Ledger, seam: SeamClient, clock: any WallClock, random: RandomSource, settings: FailoverSettings,
        governor: SeamGovernor, log: Logger,
        observe: @escaping @Sendable (FailoverState, String) -> Void = { _, _ in }
    ) {
        self.ledger = ledger
        self.seam = seam
        self.clock = clock
        self.random = random
        self.settings = settings
        self.governor = governor
        self.log = log
        self.observe = observe
    }

    /// Lanes with something due now that are not in `busy`, soonest stay first, at most as many as may still start.
    package func dueLanes(notIn busy: Set<Lane>) async throws(LedgerError) -> [Lane] {
        let free = governor.capacity(of: settings.maximumLanes) - busy.count
        guard free > 0 else { return [] }
        return try await ledger.dueLanes(now: clock.now(), notIn: busy, limit: free)
    }

    /// When many failovers are new, reads the windows of their stays a hundred at a time, so that the soonest can come first.
    ///
    /// It only orders the work: each code is read again before anything is decided. So no lane waits long for it: it stops at the first
    /// call that fails, and after a few seconds; the next step goes on.
    package func scout() async throws(LedgerError) {
        let end = clock.now() + Self.scoutingTime
        while governor.pausedUntil == nil, clock.now() < end {
            let unread = try await ledger.unscoutedFailovers(limit: Self.scoutedAtOnce)
            guard unread.count >= Self.scoutingPays else { return }
            let codes: [AccessCode]
            do {
                codes = try await seam.accessCodes(ids: unread)
            } catch {
                log.debug("The windows of new failovers could not be read", metadata: ["error": "\(error)"])
                return try await ledger.recordScouting(unread, found: [])
            }
            try await ledger.recordScouting(unread, found: codes)
        }
    }

    private static let scoutingTime = Duration.seconds(5)
    private static let scoutedAtOnce = 100
    /// Fewer are read one by one as they are worked on, which takes no longer.
    private static let scoutingPays = 16

    /// Looks at what is due in one lane. Two runs of one lane must not overlap: they would draw from one pool at the same time.
    package func work(_ lane: Lane) async throws(LedgerError) {
        var run = LaneRun(engine: self, lane: lane)
        try await run.work()
    }
}
