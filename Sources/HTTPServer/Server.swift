internal import Dispatch
internal import Synchronization

/// Called on the server's queue: must not block.
package typealias Handler = @Sendable (Request, Responder) -> Void

/// An HTTP/1.1 server on one serial queue.
package final class Server: Sendable {
    private let loop: ServerLoop
    private let host: String
    private let requestedPort: Int
    private let boundPort = Mutex(0)

    /// - Parameters:
    ///   - host: an IPv4 or IPv6 address, a name (all its addresses are listened on), or `*` or `::` for every address.
    ///   - port: 0 for any free one.
    ///   - observer: told of what happens, on the server's queue; must not block.
    ///   - wire: makes what stands between socket and HTTP for a new connection (TLS), on the server's queue.
    ///   - admission: asked when a head is complete and before its content is read or asked for; an answer refuses the
    ///     request and closes the connection. On the server's queue; must not block.
    ///   - handler: gets every complete request, on the server's queue; must not block.
    package init(
        host: String, port: Int, limits: Limits = Limits(),
        observer: @escaping @Sendable (ServerEvent) -> Void = { _ in },
        wire: (@Sendable () -> any Wire)? = nil,
        admission: (@Sendable (RequestHead) -> Response?)? = nil,
        handler: @escaping Handler
    ) {
        self.host = host
        requestedPort = port
        loop = ServerLoop(limits: limits, observer: observer, wire: wire, admission: admission, handler: handler)
    }

    deinit { loop.stop() }

    /// Binds and listens; requests are handled from then on. Once only. Blocks while a host name is resolved.
    package func start() throws(ServerError) {
        let listeners = try Listener.open(host: host, port: requestedPort)
        boundPort.withLock { $0 = listeners.first?.port ?? 0 }
        try loop.start(listeners, location: Listener.location(host, requestedPort))
    }

    /// The bound port; 0 before `start`.
    package var port: Int { boundPort.withLock { $0 } }

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
