internal import Synchronization
internal import Time

/// How fast webhooks were answered, hour by hour, for a week back. In memory: it begins anew with the daemon.
final class AckHistory: Sendable {
    struct Hour: Sendable, Equatable {
        var start: Timestamp
        /// By bound of `Metrics.acknowledgementBounds`, and one for what is slower than the last.
        fileprivate var buckets: [Int]

        var count: Int { buckets.reduce(0, +) }

        /// The bound that 99 of 100 stayed within, in seconds.
        var percentile99: Double {
            let bounds = Metrics.acknowledgementBounds
            var rest = count - count / 100
            for (index, bucket) in buckets.enumerated() {
                rest -= bucket
                if rest <= 0 { return index < bounds.count ? bounds[index] : 2 * (bounds.last ?? 0) }
            }
            return 0
        }
    }

    private static let most = 7 * 24

    private let state = Mutex<[Hour]>([])

    func note(seconds: [Double], at now: Timestamp) {
        let bounds = Metrics.acknowledgementBounds
        let start = Timestamp(secondsSinceEpoch: now.secondsSinceEpoch / 3600 * 3600)
        state.withLock { hours in
            // A clock that is set back goes on in the last hour.
            if hours.last.map({ $0.start < start }) ?? true {
                hours.append(Hour(start: start, buckets: Array(repeating: 0, count: bounds.count + 1)))
                if hours.count > Self.most { hours.removeFirst(hours.count - Self.most) }
            }
            for seconds in seconds {
                hours[hours.count - 1].buckets[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
            }
        }
    }

    var hours: [Hour] { state.withLock { $0 } }
}
