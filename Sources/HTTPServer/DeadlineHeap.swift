/// Instants with a key each, the earliest first: a binary heap, O(log n).
///
/// Entries are never taken out early. Who finds that an entry is no longer what it waits for ignores it.
struct DeadlineHeap {
    private var entries: [(instant: Instant, key: UInt64)] = []

    var earliest: Instant? { entries.first?.instant }

    var count: Int { entries.count }

    mutating func insert(_ instant: Instant, key: UInt64) {
        entries.append((instant, key))
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child].instant < entries[parent].instant else { break }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    /// Removes and returns the earliest entry if it is not later than `now`.
    mutating func popDue(_ now: Instant) -> (instant: Instant, key: UInt64)? {
        guard let first = entries.first, first.instant <= now else { return nil }
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < entries.count {
                if entries[child].instant < entries[least].instant { least = child }
            }
            guard least != parent else { return first }
            entries.swapAt(parent, least)
            parent = least
        }
    }
}
