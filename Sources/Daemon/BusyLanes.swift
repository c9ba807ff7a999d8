internal import Ledger
internal import Synchronization

/// The lanes being worked on in this process; nobody else works on them, since only one daemon may use a database.
final class BusyLanes: Sendable {
    private let lanes = Mutex<Set<Lane>>([])

    var all: Set<Lane> { lanes.withLock { $0 } }

    func insert(_ lane: Lane) { lanes.withLock { _ = $0.insert(lane) } }

    func remove(_ lane: Lane) { lanes.withLock { _ = $0.remove(lane) } }
}

extension SettledEvents {
    /// By disposition.
    var counts: [(String, Int)] {
        [("handled", handled), ("ignored", ignored), ("duplicate", duplicate), ("quarantined", quarantined)]
    }
}
