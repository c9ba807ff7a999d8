import Testing

@testable import HTTPServer

@Suite struct ConnectionTableTests {
    @Test func aKeyIsNeverMistaken() {
        var table = ConnectionTable<String>()
        var keys: [UInt64] = []
        _ = table.insert(from: .unknown) { key in
            keys.append(key)
            return "a"
        }
        table.remove(keys[0])
        _ = table.insert(from: .unknown) { key in
            keys.append(key)
            return "b"
        }
        #expect(keys[0] != keys[1])
        #expect(table[keys[0]] == nil)
        #expect(table[keys[1]] == "b")
        #expect(table[0] == nil)
        #expect(table[UInt64.max] == nil)
        #expect(table.count == 1)
    }

    @Test func theLongestIdleIsTheOneThatBecameIdleFirst() {
        var table = ConnectionTable<Int>()
        var keys: [UInt64] = []
        for number in 0..<4 {
            _ = table.insert(from: .unknown) { key in
                keys.append(key)
                return number
            }
        }
        #expect(table.fairestIdleConnection == nil)
        for key in keys { table.setIdle(key) }
        #expect(table.fairestIdleConnection == 0)
        table.setBusy(keys[0])
        #expect(table.fairestIdleConnection == 1)
        table.setIdle(keys[0])
        table.remove(keys[2])
        table.remove(keys[1])
        #expect(table.fairestIdleConnection == 3)
        table.setBusy(keys[3])
        table.setBusy(keys[3])
        #expect(table.fairestIdleConnection == 0)
        table.remove(keys[0])
        #expect(table.fairestIdleConnection == nil)
    }

    /// Five connections, each from the network that its letter names.
    private func table(_ letters: String) throws -> (table: ConnectionTable<Int>, keys: [UInt64]) {
        var table = ConnectionTable<Int>()
        var keys: [UInt64] = []
        for (number, letter) in letters.utf8.enumerated() {
            _ = table.insert(from: try network("192.0.2.\(letter)")) { key in
                keys.append(key)
                return number
            }
        }
        return (table, keys)
    }

    @Test func whoHasMostGivesWayFirst() throws {
        var (table, keys) = try table("abbbc")
        #expect(table.count(from: try network("192.0.2.98")) == 3)
        for key in keys { table.setIdle(key) }
        #expect(table.fairestIdleConnection == 1)
        table.remove(keys[1])
        #expect(table.fairestIdleConnection == 2)
        // Of networks that have as many, the one that has been idle for the longest.
        table.remove(keys[2])
        #expect(table.fairestIdleConnection == 0)
        table.remove(keys[3])
        #expect(table.count(from: try network("192.0.2.98")) == 0)
        table.remove(keys[0])
        #expect(table.fairestIdleConnection == 4)
    }

    @Test func eachNetworkHasItsOwnLongestIdle() throws {
        var (table, keys) = try table("abab")
        let (a, b) = (try network("192.0.2.97"), try network("192.0.2.98"))
        #expect(table.longestIdleConnection(from: a) == nil)
        for key in keys.reversed() { table.setIdle(key) }
        #expect(table.longestIdleConnection(from: a) == 2)
        #expect(table.longestIdleConnection(from: b) == 3)
        table.setBusy(keys[3])
        #expect(table.longestIdleConnection(from: b) == 1)
        #expect(table.longestIdleConnection(from: try network("192.0.2.99")) == nil)
    }

    @Test(arguments: [
        ("192.0.2.1", "192.0.2.1", true), ("192.0.2.1", "192.0.2.2", false), ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("2001:db8:1:2::7", "2001:db8:1:2:ffff:ffff:ffff:ffff", true), ("2001:db8:1:2::7", "2001:db8:1:3::7", false),
        ("0.0.0.1", "::1", false), ("::", "0.0.0.0", false),
    ]) func aSiteIsOnePeer(one: String, other: String, isSame: Bool) throws {
        #expect((try network(one) == network(other)) == isSame)
    }

    @Test(arguments: [
        ("127.0.0.1", true), ("127.200.3.4", true), ("::1", true), ("::ffff:127.0.0.1", true), ("::2", false),
        ("128.0.0.1", false), ("::ffff:10.0.0.1", false), ("fe80::1", false),
    ]) func knowsThisMachine(address: String, isLoopback: Bool) throws {
        #expect(try network(address).isLoopback == isLoopback)
    }

    private func network(_ address: String) throws -> PeerNetwork {
        guard case .addresses(let found) = SocketAddress.resolve(host: address, port: 1) else {
            throw TestClient.Failure(what: "resolve", errno: 0)
        }
        return PeerNetwork(try #require(found.first))
    }

    @Test func deadlinesComeInOrder() {
        var heap = DeadlineHeap()
        let start = Instant.now
        for number in 0..<500 {
            heap.insert(start + .milliseconds(number * 7_919 % 500), key: UInt64(number * 7_919 % 500))
        }
        #expect(heap.popDue(start - .milliseconds(1)) == nil)
        var keys: [UInt64] = []
        while let due = heap.popDue(start + .milliseconds(499)) { keys.append(due.key) }
        #expect(keys == (0..<500).map(UInt64.init))
        #expect(heap.earliest == nil)
    }
}
