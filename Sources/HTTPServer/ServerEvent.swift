/// What the server tells its observer, on its own queue: for metrics and the log.
package enum ServerEvent: Sendable, Equatable {
    case connectionOpened
    case connectionClosed
    /// The server, or the admission hook, refused a request; `reason` is one of a small set of fixed strings.
    case refused(status: Int, reason: String)
    /// The connection limit was reached and the longest idle connection was closed for a new one.
    case evictedIdle
    /// The connection limit was reached, none was idle: the new connection was closed.
    case connectionRefused
    /// The process or the system is out of descriptors or memory for sockets.
    case acceptPaused(errno: Int32)
    case acceptResumed
    /// The handler did not answer in time and the server answered 503.
    case responseTimedOut
    /// The client did not take its answer in time.
    case writeTimedOut
    /// The wire is of no use: no handshake, or damaged bytes.
    case wireFailed
    /// The peer reset the connection, or the handler aborted it.
    case connectionReset
}
