/// The open connections by key, and those that are idle in the order of how long. All operations are O(1).
///
/// A key is never used twice for two connections that an event could be mistaken between: it holds a place and how
/// often that place has been taken.
struct ConnectionTable<Connection> {
    private struct Place {
        var generation: UInt32 = 0
        var connection: Connection?
        var isIdle = false
        var previous: Int?
        var next: Int?
    }

    private var places: [Place] = []
    private var free: [Int] = []
    private var longestIdle: Int?
    private var latestIdle: Int?

    private(set) var count = 0

    var keys: [UInt64] { places.indices.filter { places[$0].connection != nil }.map(key) }

    subscript(key: UInt64) -> Connection? { place(key).flatMap { places[$0].connection } }

    /// Takes a place for a connection made with its key.
    mutating func insert(_ make: (UInt64) -> Connection) -> Connection {
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
        count += 1
        return connection
    }

    mutating func remove(_ key: UInt64) {
        guard let index = place(key) else { return }
        unlink(index)
        places[index].connection = nil
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

    /// The connection that has been idle for the longest time; nil when none is idle.
    var longestIdleConnection: Connection? { longestIdle.flatMap { places[$0].connection } }

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
