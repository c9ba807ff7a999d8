/// Every bound of the server. Times run on the monotonic clock.
package struct Limits: Sendable {
    /// Open connections; at this number one that has been idle for long gives way.
    package var maxConnections = 4096
    /// Open connections from one IPv4 address or IPv6 /64; at this number the longest idle one of them gives way.
    package var maxConnectionsPerAddress = Int.max
    /// Whether that holds for this machine itself, where a proxy may stand in front.
    package var countsLoopback = false
    /// Content of one request, after any chunked coding is removed.
    package var maxBodyBytes = 1_572_864
    /// Whether a POST, PUT or PATCH has to say how long its content is, which is 411 where it does not; else it has none then.
    package var requiresLength = true
    /// Request line and fields together; the same again for chunk trailers.
    package var maxHeadBytes = 16_384
    package var maxFields = 100
    package var maxTargetBytes = 8_192
    /// Chunk extensions of one request altogether.
    package var maxChunkExtensionBytes = 4_096
    /// Requests of one connection that wait for their answers; more are left unread until one is answered.
    package var maxPipelinedRequests = 16
    /// Content of waiting requests, and unsent answers, of one connection beyond which its next request is left unread.
    package var maxReadAheadBytes = 262_144
    /// Memory for requests and answers of all connections together; beyond it a request is answered 503.
    package var maxBufferedBytes = 268_435_456
    /// From the first byte of a request to the end of its fields; and before that, from the accept of a connection to the first
    /// byte of its first request, so any handshake is inside.
    package var headerTimeout: Duration = .seconds(10)
    /// From the end of the fields to the end of the content, unless it comes at `minimumRate` or faster.
    package var bodyTimeout: Duration = .seconds(20)
    /// Bytes a second below which a body, or a client reading its answer, is too slow.
    package var minimumRate = 1_000
    package var idleTimeout: Duration = .seconds(60)
    /// For an answer to be taken by the client, unless it reads at `minimumRate` or faster.
    package var writeTimeout: Duration = .seconds(15)
    /// For the handler to answer, then the server answers 503 with `Retry-After: 1` itself; nil waits for ever.
    package var responseTimeout: Duration? = .seconds(5)
    /// What connections leave of the process's descriptors for everything else: the database, calls, and libdispatch, which ends
    /// the process where it finds none (`_dispatch_workq_monitor_pools` reads /proc).
    package var keptDescriptors: Int32 = 64
    /// From the last time that descriptors were wanting until that is taken for over: at the edge of it every other connection
    /// finds one, and neither is news.
    package var shortageCalm: Duration = .seconds(10)
    /// What is read and thrown away after the last answer of a connection, so that no reset eats that answer
    /// (RFC 9112 9.6), and for how long.
    package var drainBytes = 8_388_608
    package var drainTime: Duration = .seconds(5)

    package init() {}

    /// The time that a transfer of this many bytes may take: `max(least, bytes / minimumRate)`.
    func allowance(least: Duration, bytes: Int) -> Duration {
        max(least, .milliseconds(Int64(clamping: bytes) * 1_000 / Int64(max(1, minimumRate))))
    }
}
