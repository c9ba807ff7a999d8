/// The open connections by key and by the network they come from, and those that are idle in the order of how long.
/// Looking for one that gives way takes a bounded number of steps, everything else is O(1).
///
/// A key is never used twice for two connections that an event could be mistaken between: it holds a place and how
/// often that place has been taken.
struct ConnectionTable<Connection> {
    private struct Place {
        var generation: UInt32 = 0
        var connection: Connection?
        var network = PeerNetwork.unknown
        var isIdle = false
        var previous: Int?
        var next: Int?
    }

    private var places: [Place] = []
    private var free: [Int] = []
    private var longestIdle: Int?
    private var latestIdle: Int?

    private var counts: [PeerNetwork: Int] = [:]

    private(set) var count = 0

    /// How many connections come from there.
    func count(from network: PeerNetwork) -> Int { counts[network, default: 0] }

    var keys: [UInt64] { places.indices.filter { places[$0].connection != nil }.map(key) }

    subscript(key: UInt64) -> Connection? { place(key).flatMap { places[$0].connection } }

    /// Takes a place for a connection made with its key.
    mutating func insert(from network: PeerNetwork, _ make: (UInt64) -> Connection) -> Connection {
        let index: Int
        if let reused = free.popLast() {
            index = reused
        } else {
            places.append(Place())
            index = places.count - 1
        }
        // Never 0, which is left for keys of other things.
        places[index].generation = max(1, places[index].generation &+ 1)
        let connection = make(key(index))
        places[index].connection = connection
        places[index].network = network
        counts[network, default: 0] += 1
        count += 1
        return connection
    }

    mutating func remove(_ key: UInt64) {
        guard let index = place(key) else { return }
        unlink(index)
        places[index].connection = nil
        let others = count(from: places[index].network) - 1
        counts[places[index].network] = others > 0 ? others : nil
        free.append(index)
        count -= 1
    }

    /// The connection has become idle just now.
    mutating func setIdle(_ key: UInt64) {
        guard let index = place(key) else { return }
        unlink(index)
        places[index].isIdle = true
        places[index].previous = latestIdle
        if let latestIdle { places[latestIdle].next = index } else { longestIdle = index }
        latestIdle = index
    }

    mutating func setBusy(_ key: UInt64) {
        if let index = place(key) { unlink(index) }
    }

    /// The connection that gives way to a new one: of those idle for the longest, one from the network that has the most
    /// connections, so that nobody pushes others out by connecting often. Nil when none is idle.
    var fairestIdleConnection: Connection? {
        var best: (index: Int, count: Int)?
        var next = longestIdle
        for _ in 0..<32 {
            guard let index = next else { break }
            let count = count(from: places[index].network)
            if count > best?.count ?? 0 { best = (index, count) }
            next = places[index].next
        }
        return best.flatMap { places[$0.index].connection }
    }

    /// The connection from there that has been idle for the longest time, if it is among the 1,024 of all that have: one
    /// more connection costs a bounded time, whoever makes it.
    func longestIdleConnection(from network: PeerNetwork) -> Connection? {
        var next = longestIdle
        for _ in 0..<1_024 {
            guard let index = next else { return nil }
            if places[index].network == network { return places[index].connection }
            next = places[index].next
        }
        return nil
    }

    private func key(_ index: Int) -> UInt64 { UInt64(places[index].generation) << 32 | UInt64(index) }

    private func place(_ key: UInt64) -> Int? {
        let index = Int(key & 0xFFFF_FFFF)
        guard index < places.count, UInt64(places[index].generation) == key >> 32 else { return nil }
        return places[index].connection == nil ? nil : index
    }

    private mutating func unlink(_ index: Int) {
        guard places[index].isIdle else { return }
        let previous = places[index].previous
        let next = places[index].next
        if let previous { places[previous].next = next } else { longestIdle = next }
        if let next { places[next].previous = previous } else { latestIdle = previous }
        places[index].isIdle = false
        places[index].previous = nil
        places[index].next = nil
    }
}
