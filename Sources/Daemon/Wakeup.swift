internal import Synchronization
internal import Time

/// "There may be something": the one thing a worker is told. Signals that come while nobody waits are kept as one; a lost one costs
/// a poll, since workers read the ledger and not the signal.
final class Wakeup: Sendable {
    private struct State {
        var isSignalled = false
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter = 0
    }

    private let state = Mutex(State())

    /// Whether there was a signal that nobody has waited for yet.
    var isSignalled: Bool { state.withLock { $0.isSignalled } }

    func signal() {
        let waiters = state.withLock { state in
            guard !state.waiters.isEmpty else {
                state.isSignalled = true
                return [CheckedContinuation<Void, Never>]()
            }
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns at the next signal, after `limit`, or when the task is cancelled.
    func wait(atMost limit: Duration, clock: any WallClock) async {
        guard limit > .zero else {
            state.withLock { $0.isSignalled = false }
            return
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait() }
            group.addTask { try? await clock.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
    }

    private func wait() async {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
                let isOver = state.withLock { state in
                    // The cancellation handler may have run before the waiter was stored.
                    if state.isSignalled || Task.isCancelled {
                        state.isSignalled = false
                        return true
                    }
                    state.waiters[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
    }
}
