/// What the server tells its observer, on its own queue: for metrics and the log.
package enum ServerEvent: Sendable, Equatable {
    case connectionOpened
    case connectionClosed
    /// The server, or the admission hook, refused a request; `reason` is one of a small set of fixed strings.
    case refused(status: Int, reason: String)
    /// A limit of connections was reached and one that had been idle for long was closed for a new one.
    case evictedIdle
    /// The limit of all connections was reached, none was idle: the new connection was closed.
    case connectionRefused
    /// The limit of connections from one address was reached, none of them was idle: the new connection was closed.
    case addressRefused
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
