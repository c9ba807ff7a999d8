import Testing

@testable import HTTPServer

@Suite struct ConnectionTableTests {
    @Test func aKeyIsNeverMistaken() {
        var table = ConnectionTable<String>()
        var keys: [UInt64] = []
        _ = table.insert { key in
            keys.append(key)
            return "a"
        }
        table.remove(keys[0])
        _ = table.insert { key in
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
            _ = table.insert { key in
                keys.append(key)
                return number
            }
        }
        #expect(table.longestIdleConnection == nil)
        for key in keys { table.setIdle(key) }
        #expect(table.longestIdleConnection == 0)
        table.setBusy(keys[0])
        #expect(table.longestIdleConnection == 1)
        table.setIdle(keys[0])
        table.remove(keys[2])
        table.remove(keys[1])
        #expect(table.longestIdleConnection == 3)
        table.setBusy(keys[3])
        table.setBusy(keys[3])
        #expect(table.longestIdleConnection == 0)
        table.remove(keys[0])
        #expect(table.longestIdleConnection == nil)
    }

    @Test func deadlinesComeInOrder() {
        var heap = DeadlineHeap()
        let start = ContinuousClock.now
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
