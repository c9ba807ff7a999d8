internal import COpenSSL

/// What a server's TLS connections share: the certificate with its chain, the private key, and what is negotiated.
///
/// Mozilla's intermediate configuration (https://wiki.mozilla.org/Security/Server_Side_TLS): TLS 1.2 and 1.3, AEAD ciphers
/// with ephemeral keys, X25519, P-256 and P-384. Left out of it is finite-field DHE, which lets a client buy a long
/// computation with a short message (CVE-2002-20001); whoever speaks TLS 1.2 with AEAD also speaks ECDHE. Where Mozilla lets the
/// client choose, for the sake of those without AES in hardware, the order here is the server's, which scanners ask for; a client
/// that would rather have ChaCha20 still gets it.
///
/// No compression, no renegotiation, no resumption: sessions are neither cached nor put into tickets, so every connection has keys
/// of its own and nothing is kept for clients that left. A webhook sender keeps its connections open.
///
/// Safe because the context is written by `init` alone; afterwards OpenSSL only counts references to it, atomically, and reads it
/// (https://docs.openssl.org/3.0/man7/openssl-threads/).
package final class TLSContext: @unchecked Sendable {
    let context: OpaquePointer

    /// When the server's own certificate expires, in seconds since 1970.
    package let expiresAt: Int64

    private static let ciphers = """
        ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
        ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
        ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305
        """

    /// Reads both files, and checks that they belong together.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM, the server's own certificate first, then those that lead to the root.
    ///   - privateKeyFile: PEM, without a passphrase.
    package init(certificateFile: String, privateKeyFile: String) throws(TLSFileError) {
        OpenSSLError.clear()
        guard let context = SSL_CTX_new(TLS_server_method()) else {
            throw TLSFileError(.openSSL, path: certificateFile, cause: .taken(after: "SSL_CTX_new"))
        }
        do {
            try TLSContext.negotiate(context, certificateFile)
            try TLSFiles.load(into: context, certificateFile: certificateFile, privateKeyFile: privateKeyFile)
            expiresAt = try TLSFiles.validity(in: context, certificateFile).end
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        self.context = context
    }

    deinit { SSL_CTX_free(context) }

    private static func negotiate(_ context: OpaquePointer, _ path: String) throws(TLSFileError) {
        guard sparekey_SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1,
            SSL_CTX_set_cipher_list(context, ciphers) == 1,
            sparekey_SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1,
            SSL_CTX_set_num_tickets(context, 0) == 1
        else { throw TLSFileError(.openSSL, path: path, cause: .taken(after: "SSL_CTX_set")) }
        SSL_CTX_set_options(
            context,
            sparekey_SSL_OP_NO_COMPRESSION | sparekey_SSL_OP_NO_RENEGOTIATION | sparekey_SSL_OP_NO_TICKET
                | sparekey_SSL_OP_CIPHER_SERVER_PREFERENCE | sparekey_SSL_OP_PRIORITIZE_CHACHA)
        sparekey_SSL_CTX_set_session_cache_mode(context, Int(SSL_SESS_CACHE_OFF))
        // A connection at rest holds no record buffers, some 34 kB less each (SSL_CTX_set_mode(3)); its BIOs keep theirs.
        sparekey_SSL_CTX_set_mode(context, sparekey_SSL_MODE_RELEASE_BUFFERS)
        // Reading returns after each message of the handshake protocol, which can then be counted before the next is looked at.
        sparekey_SSL_CTX_clear_mode(context, sparekey_SSL_MODE_AUTO_RETRY)
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, chosenBytes, offered, offeredBytes, _ in
                TLSContext.chooseProtocol(chosen, chosenBytes, offered, offeredBytes)
            }, nil)
    }

    /// `http/1.1` where the client offers it. A client that offers only others is told so (RFC 7301 3.2).
    private static func chooseProtocol(
        _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ chosenBytes: UnsafeMutablePointer<UInt8>?,
        _ offered: UnsafePointer<UInt8>?, _ offeredBytes: UInt32
    ) -> Int32 {
        let list = UnsafeBufferPointer(start: offered, count: Int(offeredBytes))
        var index = 0
        // Names with a length byte each; OpenSSL has checked the list, which costs nothing to distrust.
        while index < list.count {
            let start = index + 1
            let end = start + Int(list[index])
            guard end <= list.count else { break }
            if list[start..<end].elementsEqual("http/1.1".utf8) {
                chosen?.pointee = offered.map { $0 + start }
                chosenBytes?.pointee = list[index]
                return SSL_TLSEXT_ERR_OK
            }
            index = end
        }
        return SSL_TLSEXT_ERR_ALERT_FATAL
    }
}
