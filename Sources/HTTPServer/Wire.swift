/// What stands between the bytes of the socket and those of HTTP: nothing, or TLS. Bytes in, bytes out, no IO.
///
/// One per connection, used on the server's queue only. Its handshake has until the first byte of HTTP has to be there, which is
/// `Limits.headerTimeout` after the accept.
package protocol Wire: AnyObject {
    /// Takes bytes from the socket.
    func receive(_ bytes: ArraySlice<UInt8>) -> WireOutput
    /// Takes bytes of HTTP. Before a handshake is over nothing can be said, so a wire that has one then fails.
    func send(_ bytes: [UInt8]) -> WireOutput
    /// The farewell to send before the socket's sending side is shut (TLS: close_notify).
    func finish() -> [UInt8]
    /// Memory that the wire itself holds, in bytes.
    var heldBytes: Int { get }
}

/// What a wire has to say after it was given something.
package struct WireOutput {
    package enum End: Sendable {
        /// The peer has said in an orderly way that nothing more comes.
        case closed
        /// The connection is of no use; what is in `outgoing` (an alert) is sent, then it is closed.
        case failed
    }

    /// Bytes of HTTP that have become readable.
    package var plaintext: [UInt8]
    /// Bytes for the socket.
    package var outgoing: [UInt8]
    package var end: End?

    package init(plaintext: [UInt8] = [], outgoing: [UInt8] = [], end: End? = nil) {
        self.plaintext = plaintext
        self.outgoing = outgoing
        self.end = end
    }
}
