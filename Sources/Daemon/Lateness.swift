internal import HTTPServer
internal import Logging
internal import Synchronization
internal import Time

/// Whether webhooks wait for their answer longer than their sender is let wait: a disk that crawls, or a machine that gives the
/// daemon no time or no threads, is one line of the log, and its end another.
final class Lateness: Sendable {
    /// How long all has to be in time for that to be over.
    static let calm = Duration.seconds(10)

    private let limit: Duration?
    private let lastLate = Mutex<Instant?>(nil)
    private let log: Logger

    /// - Parameter limit: after which a request without an answer is answered 503; nil where it never is.
    init(limit: Duration?, log: Logger) {
        self.limit = limit
        self.log = log
    }

    /// Takes how long the longest of a commit's messages has waited for it, or how long the daemon has stood still.
    func note(_ longest: Duration, at now: Instant) {
        guard let limit else { return }
        let isLate = longest >= limit
        let hasChanged = lastLate.withLock { last in
            let wasLate = last != nil
            if isLate {
                last = now
            } else if let instant = last, instant.duration(to: now) > Self.calm {
                last = nil
            }
            return wasLate != (last != nil)
        }
        guard hasChanged else { return }
        if isLate {
            log.warning(
                "Webhooks are answered too late; Seam sends again what was not: the disk is slow, or the machine overloaded",
                metadata: ["seconds": "\(longest.inSeconds)"])
        } else {
            log.notice("Webhooks are answered in time again")
        }
    }
}
