internal import CLinux
internal import Glibc

/// A listening socket.
struct Listener: Sendable {
    var descriptor: Int32
    var port: Int
    /// Held by another process, too: what is not accepted here waits for the next that takes it over.
    var isHandedOver = false

    static func location(_ host: String, _ port: Int) -> String {
        host.utf8.contains(Octet.colon) ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// Listens on every address of the host that this machine has.
    ///
    /// - Parameter accepts: false to take the addresses and nobody's connection.
    static func open(host: String, port: Int, accepts: Bool = true) throws(ServerError) -> [Listener] {
        let location = location(host, port)
        let addresses: [SocketAddress]
        switch SocketAddress.resolve(host: host, port: port) {
        case .addresses(let found): addresses = found
        case .failed(let code, let message):
            throw ServerError(
                what: .resolve, location: location, errno: code,
                hint: "\(message); set the host to an address of this machine, 0.0.0.0 or ::")
        }
        var listeners: [Listener] = []
        var lastError = ServerError(
            what: .resolve, location: location, errno: 0, hint: "the host has no IPv4 or IPv6 address")
        for var address in addresses {
            // With port 0, the other addresses of a name share the port that the first one was given.
            if port == 0, let first = listeners.first { address.port = first.port }
            do {
                listeners.append(try open(address, location: location, accepts: accepts))
            } catch {
                lastError = error
                // A name may have addresses of a family that this machine has not; any other failure is the operator's.
                if error.errno != EADDRNOTAVAIL && error.errno != EAFNOSUPPORT {
                    for listener in listeners { SystemCall.close(listener.descriptor) }
                    throw error
                }
            }
        }
        if listeners.isEmpty { throw lastError }
        return listeners
    }

    /// Takes over sockets that whoever started this process listens on already, as systemd does for a socket unit.
    static func adopt(_ descriptors: [Int32]) throws(ServerError) -> [Listener] {
        var listeners: [Listener] = []
        for descriptor in descriptors {
            if case .failed(let code) = SystemCall.adoptListener(descriptor) {
                throw ServerError(
                    what: .adopt, location: "descriptor \(descriptor)", errno: code,
                    hint: "the socket unit needs ListenStream= with a port, and Accept=no")
            }
            let port = SystemCall.localAddress(descriptor).port
            listeners.append(Listener(descriptor: descriptor, port: port, isHandedOver: true))
        }
        return listeners
    }

    /// `0.0.0.0:8443`.
    var location: String { SystemCall.localAddress(descriptor).text }

    private static func open(
        _ address: SocketAddress, location: String, accepts: Bool
    ) throws(ServerError) -> Listener {
        func failure(_ what: ServerError.What, _ code: Int32) -> ServerError {
            ServerError(what: what, location: location, errno: code, hint: hint(code))
        }
        let descriptor: Int32
        switch SystemCall.streamSocket(family: address.family) {
        case .value(let value): descriptor = Int32(truncatingIfNeeded: value)
        case .wouldBlock: throw failure(.socket, EAGAIN)
        case .failed(let code): throw failure(.socket, code)
        }
        // A restart must not wait for connections of the last run to leave TIME_WAIT.
        SystemCall.setOption(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if address.family == AF_INET6 {
            SystemCall.setOption(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address.isIPv6Wildcard ? 0 : 1)
        }
        if case .failed(let code) = SystemCall.bind(descriptor, address) {
            SystemCall.close(descriptor)
            throw failure(.bind, code)
        }
        if accepts, case .failed(let code) = SystemCall.listen(descriptor, backlog: 1024) {
            SystemCall.close(descriptor)
            throw failure(.listen, code)
        }
        return Listener(descriptor: descriptor, port: SystemCall.localAddress(descriptor).port)
    }

    private static func hint(_ code: Int32) -> String {
        switch code {
        case EADDRINUSE: "the port is in use; stop the other program (ss -ltnp shows it) or choose another port"
        case EADDRNOTAVAIL: "this machine has no such address; use one of its own (ip address), 0.0.0.0 or ::"
        case EACCES: "not permitted; use a port from 1024 up, or grant CAP_NET_BIND_SERVICE"
        case EAFNOSUPPORT: "this machine does not speak this address family; use an IPv4 address"
        case EMFILE, ENFILE: "out of file descriptors; raise LimitNOFILE"
        default: String(cString: strerror(code))
        }
    }
}
