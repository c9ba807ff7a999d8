/// A socket with its state. Confined to the server's queue.
final class Connection {
    let descriptor: Int32
    let key: UInt64
    let wire: (any Wire)?
    let state: ConnectionState

    /// Bytes that wait for the socket; those before `outputStart` have been taken.
    private var output: [UInt8] = []
    private var outputStart = 0

    /// What epoll is asked for.
    var interest: UInt32
    /// The entry of the deadline heap that is this connection's; others are stale.
    var scheduled: Instant?
    var idleSince: Instant?
    /// Its share of the memory that all connections hold.
    var heldBytes = 0
    /// On the list of those to be settled at the end of this turn.
    var isDirty = false
    /// Something was sent since the state was last told what is pending.
    var hasSent = false
    /// Closed as soon as the output is gone: the wire has failed.
    var closesWhenSent = false
    var isClosed = false

    init(descriptor: Int32, key: UInt64, wire: (any Wire)?, state: ConnectionState, interest: UInt32) {
        self.descriptor = descriptor
        self.key = key
        self.wire = wire
        self.state = state
        self.interest = interest
    }

    var pendingBytes: Int { output.count - outputStart }

    func enqueue(_ bytes: [UInt8]) {
        hasSent = true
        if output.isEmpty { output = bytes } else { output.append(contentsOf: bytes) }
    }

    /// Sends what the socket takes now; false when the connection is broken.
    func flush() -> Bool {
        while pendingBytes > 0 {
            let outcome = output.withUnsafeBytes {
                SystemCall.send(descriptor, UnsafeRawBufferPointer(rebasing: $0[outputStart...]))
            }
            switch outcome {
            case .value(let count): outputStart += count
            case .wouldBlock:
                // Half of it being used up pays for moving the rest.
                if outputStart > output.count / 2 {
                    output.removeFirst(outputStart)
                    outputStart = 0
                }
                return true
            case .failed: return false
            }
        }
        output = []
        outputStart = 0
        return true
    }
}
