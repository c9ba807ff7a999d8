internal import COpenSSL
internal import Synchronization

/// HMAC with SHA-256 (RFC 2104, FIPS 198-1) over bytes that arrive in pieces, so that nothing is joined first.
///
/// Two SHA-256 computations over OpenSSL's digests. Its own EVP_MAC has no way to begin anew that does not allocate a dozen
/// objects, which takes twice as long as hashing a webhook.
package struct HMACSHA256: ~Copyable {
    /// Bytes of an authentication code.
    package static let codeBytes = 32

    private let key: Key
    private let context: Key.Context

    /// Begins a computation with `key`; the key may be used again, also at the same time.
    package init(key: Key) throws(OpenSSLError) {
        self.key = key
        context = try key.begin()
    }

    deinit {
        key.takeBack(context)
    }

    package mutating func update(_ bytes: Span<UInt8>) throws(OpenSSLError) {
        if bytes.isEmpty { return }
        let result = bytes.withUnsafeBufferPointer { EVP_DigestUpdate(context.pointer, $0.baseAddress, $0.count) }
        guard result == 1 else { throw .taken(after: "EVP_DigestUpdate") }
    }

    /// The 32 bytes of the code.
    package consuming func finish() throws(OpenSSLError) -> [UInt8] {
        var result: Int32 = 0
        let code = [UInt8](unsafeUninitializedCapacity: HMACSHA256.codeBytes) { buffer, count in
            // H(key ^ opad, H(key ^ ipad, text)): RFC 2104 2. The inner digest is in the buffer until the outer one is.
            result = EVP_DigestFinal_ex(context.pointer, buffer.baseAddress, nil)
            if result == 1 { result = EVP_MD_CTX_copy_ex(context.pointer, key.outer.pointer) }
            if result == 1 { result = EVP_DigestUpdate(context.pointer, buffer.baseAddress, HMACSHA256.codeBytes) }
            if result == 1 { result = EVP_DigestFinal_ex(context.pointer, buffer.baseAddress, nil) }
            count = result == 1 ? HMACSHA256.codeBytes : 0
        }
        guard result == 1 else { throw .taken(after: "EVP_DigestFinal_ex") }
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
    /// A key that has been hashed in once, ready for any number of computations on any thread.
    ///
    /// It keeps no copy of the bytes, only the states of the two digests after them, which OpenSSL wipes when the key goes away.
    package final class Key: Sendable {
        /// Bytes that SHA-256 takes in at a time.
        private static let blockBytes = 64

        /// A digest's state.
        ///
        /// Safe because whoever takes a spare one is alone with it, and the two that belong to the key are written by its
        /// `init` alone; afterwards they are only the source of EVP_MD_CTX_copy_ex, which takes it as const.
        struct Context: @unchecked Sendable {
            let pointer: OpaquePointer
        }

        private let inner: Context
        let outer: Context
        /// Used before and free for the next computation: as many as there have been at the same time.
        private let spare = Mutex<[Context]>([])

        /// Takes 1 or more bytes.
        ///
        /// - Throws: `OpenSSLError`, also for zero bytes: OpenSSL would accept those, and anyone could forge the code.
        package init(_ bytes: Span<UInt8>) throws(OpenSSLError) {
            guard !bytes.isEmpty else {
                throw OpenSSLError(operation: "HMACSHA256.Key of zero bytes", entries: [])
            }
            OpenSSLError.clear()
            guard let inner = EVP_MD_CTX_new() else { throw .taken(after: "EVP_MD_CTX_new") }
            guard let outer = EVP_MD_CTX_new() else {
                EVP_MD_CTX_free(inner)
                throw .taken(after: "EVP_MD_CTX_new")
            }
            self.inner = Context(pointer: inner)
            self.outer = Context(pointer: outer)
            var block = [UInt8](repeating: 0, count: Self.blockBytes)
            defer { block.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
            // A key longer than a block is replaced by its hash: RFC 2104 2.
            var result: Int32 = 1
            if bytes.count > Self.blockBytes {
                result = bytes.withUnsafeBufferPointer { bytes in
                    block.withUnsafeMutableBufferPointer { block in
                        EVP_Digest(bytes.baseAddress, bytes.count, block.baseAddress, nil, EVP_sha256(), nil)
                    }
                }
            } else {
                for index in bytes.indices { block[index] = bytes[index] }
            }
            for (context, pad) in [(inner, UInt8(0x36)), (outer, 0x5C)] where result == 1 {
                var padded = block.map { $0 ^ pad }
                result = EVP_DigestInit_ex2(context, EVP_sha256(), nil)
                if result == 1 { result = EVP_DigestUpdate(context, padded, padded.count) }
                padded.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
            }
            guard result == 1 else { throw .taken(after: "EVP_DigestUpdate") }
        }

        deinit {
            for context in [inner, outer] + spare.withLock({ $0 }) { EVP_MD_CTX_free(context.pointer) }
        }

        /// A context that has taken in the key and is nobody else's.
        fileprivate func begin() throws(OpenSSLError) -> Context {
            OpenSSLError.clear()
            var context = spare.withLock { $0.popLast() }
            if context == nil { context = EVP_MD_CTX_new().map { Context(pointer: $0) } }
            guard let context else { throw .taken(after: "EVP_MD_CTX_new") }
            guard EVP_MD_CTX_copy_ex(context.pointer, inner.pointer) == 1 else {
                EVP_MD_CTX_free(context.pointer)
                throw .taken(after: "EVP_MD_CTX_copy_ex")
            }
            return context
        }

        fileprivate func takeBack(_ context: Context) {
            spare.withLock { $0.append(context) }
        }
    }
}
