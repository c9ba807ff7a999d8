internal import COpenSSL

/// Whether both hold the same bytes, in a time that depends on their length alone (CRYPTO_memcmp(3)).
///
/// Lengths are compared first: a length is not a secret.
package func constantTimeEquals(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Bool {
    guard left.count == right.count else { return false }
    return left.withUnsafeBufferPointer { left in
        right.withUnsafeBufferPointer { right in
            // An empty buffer may have no address; there is nothing to compare then.
            guard let leftBytes = left.baseAddress, let rightBytes = right.baseAddress else { return true }
            return CRYPTO_memcmp(leftBytes, rightBytes, left.count) == 0
        }
    }
}
