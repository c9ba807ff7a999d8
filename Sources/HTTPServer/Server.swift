internal import Dispatch
internal import Synchronization

/// Called on the server's queue: must not block.
package typealias Handler = @Sendable (Request, Responder) -> Void

/// An HTTP/1.1 server on one serial queue.
package final class Server: Sendable {
    let loop: ServerLoop
    private let host: String
    private let requestedPort: Int
    private let handedOver: [Int32]
    private let bound = Mutex(Bound())

    private struct Bound {
        var port = 0
        var addresses: [String] = []
        var hasOwnSockets = false
    }

    /// - Parameters:
    ///   - host: an IPv4 or IPv6 address, a name (all its addresses are listened on), or `*` or `::` for every address.
    ///   - port: 0 for any free one.
    ///   - sockets: descriptors that another process listens on already, as systemd hands them over; served as well. Where
    ///     one of them has the port, or the port is 0, nothing else is listened on.
    ///   - observer: told of what happens, on the server's queue; must not block.
    ///   - wire: makes what stands between socket and HTTP for a new connection (TLS), on the server's queue.
    ///   - admission: asked when a head is complete and before its content is read or asked for; an answer refuses the
    ///     request and closes the connection. On the server's queue; must not block.
    ///   - date: the time now for the answers' `Date`, as RFC 9110 5.6.7 has it; nil: the handler's answers have one where they
    ///     need it.
    ///   - drained: called after requests were handed out, once no more are there or after 1 ms, on the server's queue: for
    ///     a handler that gathers them.
    ///   - handler: gets every complete request, on the server's queue; must not block.
    package init(
        host: String, port: Int, sockets: [Int32] = [], limits: Limits = Limits(),
        observer: @escaping @Sendable (ServerEvent) -> Void = { _ in },
        wire: (@Sendable () -> any Wire)? = nil,
        admission: (@Sendable (RequestHead) -> Response?)? = nil,
        date: (@Sendable () -> String)? = nil,
        drained: (@Sendable () -> Void)? = nil,
        handler: @escaping Handler
    ) {
        self.host = host
        requestedPort = port
        handedOver = sockets
        loop = ServerLoop(
            limits: limits, observer: observer, wire: wire, admission: admission, date: date.map(DateField.init),
            drained: drained, handler: handler)
    }

    deinit { loop.stop() }

    /// Binds and listens; requests are handled from then on. Once only. Blocks while a host name is resolved.
    package func start() throws(ServerError) {
        let adopted = try Listener.adopt(handedOver)
        let isCovered = adopted.contains { requestedPort == 0 || $0.port == requestedPort }
        let own = isCovered ? [] : try Listener.open(host: host, port: requestedPort)
        bound.withLock { bound in
            bound.port = (own.first ?? adopted.first { $0.port == requestedPort } ?? adopted.first)?.port ?? 0
            bound.addresses = (adopted + own).map(\.location)
            bound.hasOwnSockets = !own.isEmpty
        }
        try loop.start(adopted + own, location: Listener.location(host, requestedPort))
    }

    /// The bound port; 0 before `start`.
    package var port: Int { bound.withLock { $0.port } }

    /// What is listened on, `0.0.0.0:8443`; none before `start`.
    package var addresses: [String] { bound.withLock { $0.addresses } }

    /// Whether any of them was opened by this server, and so refuses connections once it has stopped.
    package var hasOwnSockets: Bool { bound.withLock { $0.hasOwnSockets } }

    /// Returns once the server's queue has come to it: whether it goes on at all.
    package func probe() async {
        await withCheckedContinuation { continuation in loop.queue.async { @Sendable in continuation.resume() } }
    }

    /// Applies to every connection accepted from now on.
    package func update(_ limits: Limits) {
        loop.update(limits)
    }

    /// Stops accepting, closes what is idle, answers every request already read and those partly read that come to
    /// their end before the deadline, each connection's last answer with `Connection: close`; then returns. What is
    /// left at the deadline is closed.
    package func shutdown(deadline: Duration) async {
        await withCheckedContinuation { continuation in
            loop.shutdown(deadline: deadline) { continuation.resume() }
        }
    }
}
