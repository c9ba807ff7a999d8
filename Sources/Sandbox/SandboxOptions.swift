/// How the simulated Seam behaves where nobody forces it: what Seam does not document is a setting here.
package struct SandboxOptions: Sendable, Equatable {
    /// Of webhook messages: each needs a transfer of its own from the sender's transport.
    package static let concurrentDeliveries = 16

    /// The one key that is accepted; with nil any `seam_…` API key is.
    package var apiKey: String?
    /// How long a code stays `unset` before it is being programmed.
    package var settingDelay: Duration
    /// How long programming a lock takes: a new code, and a change of one.
    package var programmingTime: Duration
    /// How long taking a code off the lock takes.
    package var removalTime: Duration
    /// How long programming may be stuck (lock offline) before `delay_in_setting_on_device`.
    package var delayWarningAfter: Duration
    /// How long it may be stuck before `failed_to_set_on_device` or `failed_to_remove_from_device`.
    package var failureAfter: Duration
    /// How long before the stay a lock with native scheduling gets its code.
    package var nativeSchedulingLead: Duration
    /// The same for a lock without.
    package var justInTimeLead: Duration
    /// Backup codes a new device's pool holds, and the delay before one more of them is programmed.
    package var poolSize: Int
    package var refillDelay: Duration
    /// Pulled backups in use on one device from which `many_active_backup_codes` is warned of.
    package var manyActiveBackups: Int
    /// What a pull says when there is no backup to be had (not documented by Seam).
    package var emptyPoolStatus: Int
    package var emptyPoolErrorType: String
    /// Older events are forgotten.
    package var maximumEvents: Int
    /// The order of `/events/list`; Seam documents none.
    package var eventsNewestFirst: Bool
    /// Svix's waits are multiplied by this: 1 is the real schedule of about 27.6 hours, 0.001 takes 100 seconds.
    package var retryTimeFactor: Double
    /// Webhook messages under way at a time.
    package var maximumConcurrentDeliveries: Int

    package init(
        apiKey: String? = nil, settingDelay: Duration = .milliseconds(200), programmingTime: Duration = .seconds(1),
        removalTime: Duration = .milliseconds(500), delayWarningAfter: Duration = .seconds(600),
        failureAfter: Duration = .seconds(1200), nativeSchedulingLead: Duration = .seconds(72 * 3600),
        justInTimeLead: Duration = .seconds(3600), poolSize: Int = 3, refillDelay: Duration = .seconds(60),
        manyActiveBackups: Int = 3, emptyPoolStatus: Int = 400,
        emptyPoolErrorType: String = "no_backup_access_code_available", maximumEvents: Int = 50_000,
        eventsNewestFirst: Bool = true, retryTimeFactor: Double = 1,
        maximumConcurrentDeliveries: Int = Self.concurrentDeliveries
    ) {
        self.apiKey = apiKey
        self.settingDelay = settingDelay
        self.programmingTime = programmingTime
        self.removalTime = removalTime
        self.delayWarningAfter = delayWarningAfter
        self.failureAfter = failureAfter
        self.nativeSchedulingLead = nativeSchedulingLead
        self.justInTimeLead = justInTimeLead
        self.poolSize = poolSize
        self.refillDelay = refillDelay
        self.manyActiveBackups = manyActiveBackups
        self.emptyPoolStatus = emptyPoolStatus
        self.emptyPoolErrorType = emptyPoolErrorType
        self.maximumEvents = maximumEvents
        self.eventsNewestFirst = eventsNewestFirst
        self.retryTimeFactor = retryTimeFactor
        self.maximumConcurrentDeliveries = maximumConcurrentDeliveries
    }
}
