internal import Synchronization

/// Randomness as a parameter that several tasks may share: the system's generator in the daemon, a seeded one in tests.
package final class RandomSource: Sendable {
    private let generator: Mutex<any RandomNumberGenerator & Sendable>

    package init(_ generator: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()) {
        self.generator = Mutex(generator)
    }

    /// Runs `body` with the generator, alone.
    package func with<Value: Sendable>(_ body: (inout any RandomNumberGenerator & Sendable) -> Value) -> Value {
        generator.withLock { body(&$0) }
    }

    /// `prefix` and 24 characters of lower-case base 32: 120 random bits, and none of them a `.`.
    package func identifier(prefix: String) -> String {
        let alphabet = Array("abcdefghijklmnopqrstuvwxyz234567")
        return with { generator in
            prefix + String((0..<24).map { _ in alphabet[Int.random(in: 0..<32, using: &generator)] })
        }
    }

    /// A random UUID (RFC 9562 version 4) in lower case.
    package func uuid() -> String {
        var bytes = with { generator in (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) } }
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let hex = bytes.map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }
        return [hex[0..<4], hex[4..<6], hex[6..<8], hex[8..<10], hex[10..<16]].map { $0.joined() }.joined(
            separator: "-")
    }

    package func delay(_ backoff: Backoff, afterAttempt attempt: Int) -> Duration {
        with { backoff.delay(afterAttempt: attempt, using: &$0) }
    }
}
