// A race that the thread sanitizer has to report: `make sanitize` goes on only where this program fails. With an argument its
// accesses are under a lock that two threads fight for, and there must be no report.
import Glibc
import Synchronization

/// Safe because nothing: it is here to be raced for.
final class Counter: @unchecked Sendable {
    var value = 0
    let lock = Mutex(())
}

let counter = Counter()
let isLocked = CommandLine.arguments.count > 1
/// Relaxed, so that it orders nothing. Two threads of its own, for those of Dispatch may all come down to one on a busy machine.
let arrived = Atomic(0)

func race() {
    arrived.add(1, ordering: .relaxed)
    while arrived.load(ordering: .relaxed) < 2 { sched_yield() }
    for _ in 0..<40_000 {
        if isLocked { counter.lock.withLock { _ in counter.value += 1 } } else { counter.value += 1 }
    }
}

var other = pthread_t()
let result = pthread_create(
    &other, nil,
    { _ in
        race()
        return nil
    }, nil)
precondition(result == 0)
race()
pthread_join(other, nil)
print(counter.value)
