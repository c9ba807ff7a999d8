internal import Ledger
internal import Logging
internal import Synchronization

/// The database being out of use: its beginning is one line of the log and its end another, however many parts of the daemon try it
/// again how often.
final class Outage: Sendable {
    typealias Instant = SuspendingClock.Instant

    /// What has failed and was not heard of since counts for so long: one that has nothing more to do must not hide the next outage.
    private static let memory = Duration.seconds(300)

    /// When each part failed last.
    private let failing = Mutex<[String: Instant]>([:])
    private let log: Logger
    private let now: @Sendable () -> Instant

    init(log: Logger, now: @escaping @Sendable () -> Instant = { SuspendingClock.now }) {
        self.log = log
        self.now = now
    }

    /// A part has failed; it is taken for failing until it says `ended`.
    ///
    /// - Returns: whether it is the first, which has to tell.
    func begins(_ part: String) -> Bool {
        let now = now()
        return failing.withLock { failing in
            failing = failing.filter { now - $0.value < Self.memory }
            defer { failing[part] = now }
            return failing.isEmpty
        }
    }

    /// Tells of an error that is the database's, unless somebody has.
    ///
    /// - Returns: false where it is not the database's, so that whoever saw it has to tell.
    func takes(_ error: any Error, of part: String) -> Bool {
        guard let failure = error as? LedgerError, failure.code != .cancelled, failure.code != .database else {
            return false
        }
        if begins(part) {
            log.critical(
                "The database cannot be used; webhooks are refused, and what is to be done waits",
                metadata: ["worker": "\(part)", "error": "\(failure)"])
        }
        return true
    }

    func ended(_ part: String) {
        let isLast = failing.withLock { failing in failing.removeValue(forKey: part) != nil && failing.isEmpty }
        if isLast { log.notice("The database can be used again") }
    }
}
