import Synchronization

@testable import HTTPServer

/// Collects things from the server's queue and lets a test wait for them.
final class Collector<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var waiters: [(count: Int, CheckedContinuation<[Element], Never>)] = []
    }

    private let state = Mutex(State())

    func append(_ element: Element) {
        let ready = state.withLock { state in
            state.elements.append(element)
            let elements = state.elements
            let ready = state.waiters.filter { $0.count <= elements.count }.map { ($0.1, elements) }
            state.waiters.removeAll { $0.count <= elements.count }
            return ready
        }
        for (waiter, elements) in ready { waiter.resume(returning: elements) }
    }

    var elements: [Element] { state.withLock { $0.elements } }

    /// All of them, once there are that many.
    func first(_ count: Int) async -> [Element] {
        await withCheckedContinuation { continuation in
            let elements = state.withLock { state -> [Element]? in
                if state.elements.count >= count { return state.elements }
                state.waiters.append((count, continuation))
                return nil
            }
            if let elements { continuation.resume(returning: elements) }
        }
    }
}

/// A server whose requests wait in a collector for the test to answer them.
struct Harness: Sendable {
    typealias Exchange = (request: Request, responder: Responder)

    let server: Server
    let exchanges = Collector<Exchange>()
    let events: Collector<ServerEvent>

    init(
        _ limits: Limits = .patient, host: String = "127.0.0.1", wire: (@Sendable () -> any Wire)? = nil,
        admission: (@Sendable (RequestHead) -> Response?)? = nil
    ) throws {
        let events = Collector<ServerEvent>()
        let exchanges = exchanges
        self.events = events
        server = Server(
            host: host, port: 0, limits: limits, observer: { events.append($0) }, wire: wire, admission: admission
        ) { request, responder in exchanges.append((request, responder)) }
        try server.start()
    }
}

extension Limits {
    /// For tests that answer themselves, on a machine that may be busy.
    static var patient: Limits {
        var limits = Limits()
        limits.responseTimeout = .seconds(50)
        return limits
    }
}

/// A running server that answers each request at once.
func answeringServer(
    _ limits: Limits = Limits(), host: String = "127.0.0.1",
    observer: @escaping @Sendable (ServerEvent) -> Void = { _ in },
    admission: (@Sendable (RequestHead) -> Response?)? = nil,
    answer: @escaping @Sendable (Request) -> Response
) throws -> Server {
    let server = Server(host: host, port: 0, limits: limits, observer: observer, admission: admission) {
        $1.respond(answer($0))
    }
    try server.start()
    return server
}
