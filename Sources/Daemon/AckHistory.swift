internal import Ledger
internal import Synchronization
internal import Time

/// How fast webhooks were answered, hour by hour, for a week back. Counted in memory and written to the ledger now and then, so that
/// an answer costs no statement: a crash forgets the last minutes of it.
final class AckHistory: Sendable {
    private static let most = 7 * 24

    private struct State {
        var hours: [AcknowledgementHour] = []
        /// From here on they are not yet in the ledger as they are.
        var firstChanged: Timestamp?
    }

    private let state = Mutex(State())

    func note(seconds: [Double], at now: Timestamp) {
        if seconds.isEmpty { return }
        let bounds = Metrics.acknowledgementBounds
        let start = Timestamp(secondsSinceEpoch: now.secondsSinceEpoch / 3600 * 3600)
        state.withLock { state in
            // A clock that is set back goes on in the last hour.
            if state.hours.last.map({ $0.start < start }) ?? true {
                state.hours.append(
                    AcknowledgementHour(start: start, buckets: Array(repeating: 0, count: bounds.count + 1)))
                if state.hours.count > Self.most { state.hours.removeFirst(state.hours.count - Self.most) }
            }
            let last = state.hours.count - 1
            for seconds in seconds {
                state.hours[last].buckets[bounds.firstIndex { seconds <= $0 } ?? bounds.count] += 1
            }
            state.firstChanged = state.firstChanged ?? state.hours[last].start
        }
    }

    var hours: [AcknowledgementHour] { state.withLock { $0.hours } }

    /// Goes on where an earlier life ended; before anything is counted.
    func restore(from ledger: Ledger, now: Timestamp) async throws(LedgerError) {
        // Of another version with other bounds nothing can be told; an hour to come was counted by a clock that was ahead, and would
        // take all counts until then.
        let count = Metrics.acknowledgementBounds.count + 1
        let earlier = try await ledger.acknowledgementHours().filter { $0.buckets.count == count && $0.start <= now }
        state.withLock { $0.hours = earlier.suffix(Self.most) }
    }

    /// Writes what has changed since it was last written.
    func save(to ledger: Ledger) async throws(LedgerError) {
        let (changed, oldest) = state.withLock { state in
            defer { state.firstChanged = nil }
            let changed = state.hours.filter { hour in state.firstChanged.map { hour.start >= $0 } ?? false }
            return (changed, state.hours.first?.start)
        }
        guard let first = changed.first, let oldest else { return }
        do {
            try await ledger.keepAcknowledgementHours(changed, since: oldest)
        } catch {
            state.withLock { $0.firstChanged = min($0.firstChanged ?? first.start, first.start) }
            throw error
        }
    }
}

extension AcknowledgementHour {
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
