internal import COpenSSL

/// SHA-256 (FIPS 180-4).
package enum SHA256 {
    /// Bytes of a digest.
    package static let digestBytes = 32

    /// The 32 bytes of the digest.
    package static func digest(of bytes: Span<UInt8>) throws(OpenSSLError) -> [UInt8] {
        OpenSSLError.clear()
        var result: Int32 = 0
        var written: UInt32 = 0
        let digest = bytes.withUnsafeBufferPointer { source in
            [UInt8](unsafeUninitializedCapacity: digestBytes) { buffer, count in
                result = EVP_Digest(source.baseAddress, source.count, buffer.baseAddress, &written, EVP_sha256(), nil)
                count = result == 1 ? min(Int(written), buffer.count) : 0
            }
        }
        guard result == 1, Int(written) == digestBytes else { throw .taken(after: "EVP_Digest") }
        return digest
    }
}
