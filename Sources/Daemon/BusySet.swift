internal import Synchronization

/// What is being worked on in this process; nobody else works on it, since only one daemon may use a database.
final class BusySet<Element: Hashable & Sendable>: Sendable {
    private let elements = Mutex<Set<Element>>([])

    var all: Set<Element> { elements.withLock { $0 } }

    func insert(_ element: Element) { elements.withLock { _ = $0.insert(element) } }

    func remove(_ element: Element) { elements.withLock { _ = $0.remove(element) } }
}
