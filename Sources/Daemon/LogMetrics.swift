internal import Ledger
internal import Policy
internal import Synchronization
internal import Time

/// What is read from the log when somebody asks for the metrics.
final class LogMetrics: Sendable {
    private static let durationBounds: [Double] = [1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400]
    private static let toSubstitution = "sparekey_substitution_seconds"
    private static let toDelivery = "sparekey_delivery_seconds"

    private let ledger: Ledger
    private let metrics: Metrics
    private let clock: any WallClock
    /// The journal's entry up to which durations have been counted.
    private let counted: Mutex<Int64>
    /// The gauges that come from the log.
    private let ofLog = Mutex<Set<String>>([])

    /// Counts what comes from now on.
    init(ledger: Ledger, metrics: Metrics, clock: any WallClock) throws {
        self.ledger = ledger
        self.metrics = metrics
        self.clock = clock
        counted = Mutex(try ledger.newestJournalEntry())
        metrics.define(
            Self.toSubstitution, Self.durationBounds, "Time from a code's failure to the record of its backup code.")
        metrics.define(
            Self.toDelivery, Self.durationBounds, "Time from a code's failure to a delivery of its backup code.")
    }

    /// Sets every gauge anew, each label too: a state that has become empty must not keep its last number. Where the log cannot be
    /// read, what comes from it is left out, for its last numbers would pass for those of now.
    func update(health: Health) async {
        metrics.set(
            "sparekey_ready", to: health.report().isReady ? 1 : 0, help: "Whether webhooks can be committed: 1 or 0.")
        guard let overview = try? await ledger.overview(now: clock.now(), guests: 10_000) else {
            return metrics.remove(ofLog.withLock { $0 })
        }
        setQueues(overview)
        setLocks(overview)
        set("sparekey_database_bytes", to: Double(overview.databaseBytes), help: "Size of the database.")
        if let swept = overview.sweptUntil {
            set(
                "sparekey_swept_until_timestamp_seconds", to: Double(swept.millisecondsSinceEpoch) / 1000,
                help: "Up to when Seam's events have been swept.")
        }
        // What cannot be counted now is counted the next time.
        try? await countDurations()
    }

    private func set(_ name: String, to value: Double, _ labels: [(String, String)] = [], help: String) {
        _ = ofLog.withLock { $0.insert(name) }
        metrics.set(name, to: value, labels, help: help)
    }

    private func setQueues(_ overview: Overview) {
        for state in FailoverState.allCases {
            set(
                "sparekey_failovers", to: Double(overview.failovers[state] ?? 0), [("state", state.rawValue)],
                help: "Failovers by state.")
        }
        for reason in WaitReason.allCases {
            set(
                "sparekey_failovers_waiting", to: Double(overview.waiting[reason.rawValue] ?? 0),
                [("reason", reason.rawValue)], help: "Failovers that wait, by what for.")
        }
        setAge(
            "sparekey_oldest_failover_seconds", overview.oldestOpenFailoverAt, overview,
            "Age of the oldest open failover.")
        set("sparekey_inbox_pending", to: Double(overview.pendingEvents), help: "Events not looked at yet.")
        setAge(
            "sparekey_inbox_oldest_seconds", overview.oldestPendingEventAt, overview,
            "Age of the oldest event not looked at yet.")
        for kind in Alert.Kind.allCases {
            set(
                "sparekey_alerts_open", to: Double(overview.alerts[kind] ?? 0), [("alert", kind.rawValue)],
                help: "Open alerts by kind.")
        }
        for channel in DeliveryChannel.allCases {
            for state in DeliveryState.allCases {
                set(
                    "sparekey_deliveries", to: Double(overview.deliveries[channel]?[state] ?? 0),
                    [("channel", channel.rawValue), ("state", state.rawValue)], help: "Deliveries by way and state.")
            }
        }
        var atRisk = ["arrived": 0, "within_1h": 0, "within_24h": 0, "later": 0]
        for guest in overview.guests { atRisk[arrival(of: guest, overview.now), default: 0] += 1 }
        for (arrival, count) in atRisk {
            set(
                "sparekey_guests_at_risk", to: Double(count), [("arrival", arrival)],
                help: "Guests without a code that works and that they know of, by when they arrive.")
        }
    }

    private func arrival(of guest: Overview.Guest, _ now: Timestamp) -> String {
        guard let starts = guest.startsAt, starts > now else { return "arrived" }
        let wait = starts.duration(since: now)
        return wait <= .seconds(3600) ? "within_1h" : wait <= .seconds(86_400) ? "within_24h" : "later"
    }

    private func setLocks(_ overview: Overview) {
        var pools: [Overview.Lock.Pool: Int] = [:]
        for lock in overview.locks { pools[lock.pool, default: 0] += 1 }
        for pool in Overview.Lock.Pool.allCases {
            set(
                "sparekey_locks", to: Double(pools[pool] ?? 0), [("pool", pool.rawValue)],
                help: "Locks by the state of their pool of backup codes.")
        }
        set(
            "sparekey_locks_offline", to: Double(overview.locks.count { $0.isOnline == false }),
            help: "Locks that are offline.")
        set(
            "sparekey_backups_in_use", to: Double(overview.locks.reduce(0) { $0 + $1.backupsInUse }),
            help: "Backup codes that guests use now.")
    }

    private func setAge(_ name: String, _ since: Timestamp?, _ overview: Overview, _ help: String) {
        let age = since.map { max(0, overview.now.duration(since: $0).inSeconds) } ?? 0
        set(name, to: age, help: help + " 0 when there is none.")
    }

    /// Each once, however many ask at a time, and what cannot be read now with the next time.
    func countDurations() async throws {
        let entry = counted.withLock { $0 }
        let durations = try await ledger.durations(after: entry)
        counted.withLock { counted in
            // Another has counted the same meanwhile.
            guard counted == entry else { return }
            counted = durations.newestEntry
            metrics.observe(durations.toSubstitution, in: Self.toSubstitution)
            metrics.observe(durations.toDelivery, in: Self.toDelivery)
        }
    }
}
