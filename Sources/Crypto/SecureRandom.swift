internal import COpenSSL

/// Bytes nobody can foresee, for keys and tokens.
package enum SecureRandom {
    /// More than this at once is a mistake: keys and tokens are tens of bytes.
    package static let maximumBytes = 1 << 20

    /// `count` bytes from OpenSSL's generator, which the kernel seeds (RAND_bytes(3)).
    ///
    /// - Precondition: `count` is 0 to `maximumBytes`.
    /// - Throws: `OpenSSLError` where the generator could not be seeded; there is no weaker source to fall back on.
    package static func bytes(_ count: Int) throws(OpenSSLError) -> [UInt8] {
        precondition((0...maximumBytes).contains(count))
        OpenSSLError.clear()
        var result: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            result = RAND_bytes(buffer.baseAddress, Int32(count))
            initialized = result == 1 ? count : 0
        }
        guard result == 1 else { throw .taken(after: "RAND_bytes") }
        return bytes
    }
}
