// A race that the thread sanitizer has to report: `make sanitize` goes on only where this program fails. With an argument its
// accesses are under a lock that two threads fight for, and there must be no report.
import Dispatch
import Synchronization

/// Safe because nothing: it is here to be raced for.
final class Counter: @unchecked Sendable {
    var value = 0
    let lock = Mutex(())
}

let counter = Counter()
let isLocked = CommandLine.arguments.count > 1
DispatchQueue.concurrentPerform(iterations: 8) { _ in
    for _ in 0..<10_000 {
        if isLocked { counter.lock.withLock { _ in counter.value += 1 } } else { counter.value += 1 }
    }
}
print(counter.value)
