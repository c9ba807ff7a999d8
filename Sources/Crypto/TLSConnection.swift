internal import COpenSSL

/// The server's side of one TLS connection, as bytes in and bytes out: it never touches a socket.
///
/// Not for several threads at once.
package final class TLSConnection {
    package enum Handshake: Equatable {
        /// More bytes of the peer are needed.
        case incomplete
        case complete
        /// The connection is of no use; an alert for the peer may wait in `takeOutgoing`.
        case failed(OpenSSLError)
    }

    package enum Reading: Equatable {
        /// All that can be read has been read; more bytes of the peer are needed.
        case incomplete
        case bytes([UInt8])
        /// The peer has said in an orderly way that nothing more comes (close_notify).
        case closed
        case failed(OpenSSLError)
    }

    /// The largest content of one TLS record (RFC 8446 5.1).
    package static let recordBytes = 16_384

    /// How many messages of the handshake protocol a peer may send in the connection's life. A handshake takes three; beyond are key
    /// updates, for which an honest peer has a reason once in millions of records (RFC 8446 5.5), and renegotiations, which are
    /// refused. Each costs many times what a record of content does.
    static let maximumHandshakeMessages = 20

    /// What OpenSSL 3.0 allocates for a connection whose handshake is over, without what its BIOs hold; measured.
    private static let restingBytes = 10_240

    private let connection: OpaquePointer
    /// From the peer and for the peer; `connection` owns both.
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private var handshakeMessages = 0

    package init(_ context: TLSContext) throws(OpenSSLError) {
        OpenSSLError.clear()
        guard let connection = SSL_new(context.context) else { throw .taken(after: "SSL_new") }
        guard let incoming = BIO_new(BIO_s_mem()), let outgoing = BIO_new(BIO_s_mem()) else {
            // One that was made is lost; with memory this short there is nothing to save.
            SSL_free(connection)
            throw .taken(after: "BIO_new")
        }
        SSL_set_bio(connection, incoming, outgoing)
        SSL_set_accept_state(connection)
        self.connection = connection
        self.incoming = incoming
        self.outgoing = outgoing
        // Unretained, for `connection` is freed with `self`.
        _ = SSL_ctrl(connection, SSL_CTRL_SET_MSG_CALLBACK_ARG, 0, Unmanaged.passUnretained(self).toOpaque())
        SSL_set_msg_callback(connection) { isSent, _, type, _, _, _, receiver in
            guard isSent == 0, type == SSL3_RT_HANDSHAKE, let receiver else { return }
            Unmanaged<TLSConnection>.fromOpaque(receiver).takeUnretainedValue().handshakeMessages += 1
        }
    }

    deinit { SSL_free(connection) }

    /// Takes bytes from the peer, at most 2³¹ - 1 of them. A BIO grows to the most that it has ever held, and never shrinks: give
    /// it `recordBytes` at most, and read them before it gets more.
    ///
    /// - Returns: false when there is no memory for them.
    package func receive(_ bytes: Span<UInt8>) -> Bool {
        if bytes.isEmpty { return true }
        return bytes.withUnsafeBufferPointer {
            BIO_write(incoming, $0.baseAddress, Int32($0.count)) == Int32($0.count)
        }
    }

    package func handshake() -> Handshake {
        OpenSSLError.clear()
        let result = SSL_do_handshake(connection)
        // Directly after the call: it looks at the thread's error stack (SSL_get_error(3)).
        switch SSL_get_error(connection, result) {
        case SSL_ERROR_NONE: return .complete
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .incomplete
        default: return .failed(.taken(after: "SSL_do_handshake"))
        }
    }

    /// The content of at most one record. More than `maximumHandshakeMessages` are a failure.
    package func read() -> Reading {
        while true {
            OpenSSLError.clear()
            var error = SSL_ERROR_NONE
            let bytes = [UInt8](unsafeUninitializedCapacity: TLSConnection.recordBytes) { buffer, count in
                let result = SSL_read_ex(connection, buffer.baseAddress, buffer.count, &count)
                error = SSL_get_error(connection, result)
                if error != SSL_ERROR_NONE { count = 0 }
            }
            switch error {
            case SSL_ERROR_NONE: return .bytes(bytes)
            case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
                guard handshakeMessages <= TLSConnection.maximumHandshakeMessages else {
                    return .failed(OpenSSLError(operation: "SSL_read_ex", entries: []))
                }
                // What it returned after may have been such a message, with more behind it.
                if sparekey_BIO_pending(incoming) == 0 { return .incomplete }
            case SSL_ERROR_ZERO_RETURN: return .closed
            default: return .failed(.taken(after: "SSL_read_ex"))
            }
        }
    }

    /// Encrypts all of the bytes; only after the handshake. `recordBytes` at most, and taken before the next, as for `receive`.
    package func write(_ bytes: Span<UInt8>) throws(OpenSSLError) {
        if bytes.isEmpty { return }
        OpenSSLError.clear()
        var written = 0
        let result = bytes.withUnsafeBufferPointer {
            SSL_write_ex(connection, $0.baseAddress, $0.count, &written)
        }
        // A memory BIO takes everything, so it is all or an error.
        guard result == 1, written == bytes.count else { throw .taken(after: "SSL_write_ex") }
    }

    /// Says that nothing more comes (close_notify), once the handshake is over and nothing has failed.
    package func close() {
        OpenSSLError.clear()
        if SSL_is_init_finished(connection) == 1 { _ = SSL_shutdown(connection) }
        OpenSSLError.clear()
    }

    /// What the BIOs have allocated, in bytes.
    var bufferBytes: Int {
        Int(clamping: sparekey_BIO_capacity(incoming)) + Int(clamping: sparekey_BIO_capacity(outgoing))
    }

    /// About what OpenSSL holds for the connection, in bytes.
    package var heldBytes: Int { TLSConnection.restingBytes + bufferBytes }

    /// What is to be sent to the peer.
    package func takeOutgoing() -> [UInt8] {
        let pending = Int(clamping: sparekey_BIO_pending(outgoing))
        if pending == 0 { return [] }
        return [UInt8](unsafeUninitializedCapacity: pending) { buffer, count in
            count = max(0, Int(BIO_read(outgoing, buffer.baseAddress, Int32(clamping: buffer.count))))
        }
    }
}
