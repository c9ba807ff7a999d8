internal import COpenSSL

/// HMAC with SHA-256 (RFC 2104, FIPS 198-1) over bytes that arrive in pieces, so that nothing is joined first.
package struct HMACSHA256: ~Copyable {
    /// Bytes of an authentication code.
    package static let codeBytes = 32

    private let context: OpaquePointer

    /// Begins a computation with `key`; the key may be used again, also at the same time.
    package init(key: Key) throws(OpenSSLError) {
        OpenSSLError.clear()
        // A copy of the keyed context: the key is hashed in once, not for each message, and a context of one's own is
        // what lets threads share the key.
        guard let context = EVP_MAC_CTX_dup(key.template) else { throw .taken(after: "EVP_MAC_CTX_dup") }
        self.context = context
    }

    deinit {
        EVP_MAC_CTX_free(context)
    }

    package mutating func update(_ bytes: Span<UInt8>) throws(OpenSSLError) {
        if bytes.isEmpty { return }
        OpenSSLError.clear()
        let result = bytes.withUnsafeBufferPointer { EVP_MAC_update(context, $0.baseAddress, $0.count) }
        guard result == 1 else { throw .taken(after: "EVP_MAC_update") }
    }

    /// The 32 bytes of the code.
    package consuming func finish() throws(OpenSSLError) -> [UInt8] {
        OpenSSLError.clear()
        var result: Int32 = 0
        var written = 0
        let code = [UInt8](unsafeUninitializedCapacity: HMACSHA256.codeBytes) { buffer, count in
            result = EVP_MAC_final(context, buffer.baseAddress, &written, buffer.count)
            count = result == 1 ? min(written, buffer.count) : 0
        }
        guard result == 1, written == HMACSHA256.codeBytes else { throw .taken(after: "EVP_MAC_final") }
        return code
    }

    /// The code of `parts` taken as one message, in order.
    package static func code(of parts: [ArraySlice<UInt8>], key: Key) throws(OpenSSLError) -> [UInt8] {
        var mac = try HMACSHA256(key: key)
        for part in parts { try mac.update(part.span) }
        return try mac.finish()
    }
}

extension HMACSHA256 {
    /// A key that OpenSSL has taken in once, ready for any number of computations on any thread.
    ///
    /// It keeps no copy of the bytes but OpenSSL's own, which is wiped when the key goes away.
    package final class Key: @unchecked Sendable {
        // Safe because `template` is written by `init` alone; afterwards it is only the source of EVP_MAC_CTX_dup,
        // which takes it as const, and is freed once nobody holds the key.
        fileprivate let template: OpaquePointer

        /// Takes 1 or more bytes.
        ///
        /// - Throws: `OpenSSLError`, also for zero bytes: OpenSSL would accept those, and anyone could forge the code.
        package init(_ bytes: Span<UInt8>) throws(OpenSSLError) {
            guard !bytes.isEmpty else {
                throw OpenSSLError(operation: "an HMAC key of zero bytes was refused; EVP_MAC_init", entries: [])
            }
            OpenSSLError.clear()
            guard let mac = EVP_MAC_fetch(nil, "HMAC", nil) else { throw .taken(after: "EVP_MAC_fetch") }
            // The context keeps a reference of its own.
            defer { EVP_MAC_free(mac) }
            guard let context = EVP_MAC_CTX_new(mac) else { throw .taken(after: "EVP_MAC_CTX_new") }
            let result = bytes.withUnsafeBufferPointer {
                sparekey_EVP_MAC_init_sha256(context, $0.baseAddress, $0.count)
            }
            guard result == 1 else {
                EVP_MAC_CTX_free(context)
                throw .taken(after: "EVP_MAC_init")
            }
            template = context
        }

        deinit {
            EVP_MAC_CTX_free(template)
        }
    }
}
