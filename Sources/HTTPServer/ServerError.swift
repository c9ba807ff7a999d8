/// Why a server could not start.
package struct ServerError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum What: String, Sendable {
        case resolve = "cannot resolve the host to listen on"
        case socket = "cannot create a socket"
        case bind = "cannot bind"
        case listen = "cannot listen"
        case adopt = "cannot take over the socket that was handed over"
        case poll = "cannot set up polling"
        case state = "has been started before"
    }

    /// The step that failed.
    package var what: What
    /// `host:port` as configured.
    package var location: String
    /// The system's error number; for `resolve` that of getaddrinfo; 0 when there is none.
    package var errno: Int32
    /// What to do about it.
    package var hint: String

    package var description: String { "\(location): \(what.rawValue) (error \(errno)): \(hint)" }
}
