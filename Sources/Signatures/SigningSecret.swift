internal import Crypto

/// A shared secret of Standard Webhooks: `whsec_` and the base64 of an HMAC key, or that base64 alone.
///
/// Only a key inside OpenSSL is kept. Descriptions and mirrors show nothing of it.
package struct SigningSecret: Sendable {
    let key: HMACSHA256.Key

    /// What `check` tells the operator about a secret that works: a key shorter than 24 or longer than 75 bytes.
    package let warnings: [SecretWarning]

    /// Reads a secret as configured, of which nothing is trimmed, naming the mistake where it is none.
    package init(_ text: [UInt8]) throws(SecretError) {
        let keyBytes = try SecretText.keyBytes(of: text[...])
        do throws(OpenSSLError) {
            key = try HMACSHA256.Key(keyBytes.span)
        } catch {
            throw .unusable(error.description)
        }
        // Svix issues 24 bytes and lets customers set 24 to 75.
        warnings =
            switch keyBytes.count {
            case ..<24: [.shortKey(keyBytes: keyBytes.count)]
            case 76...: [.longKey(keyBytes: keyBytes.count)]
            default: []
            }
    }

    /// Reads a secret from the environment or a setting.
    package init(_ text: String) throws(SecretError) {
        try self.init(Array(text.utf8))
    }
}

extension SigningSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "SigningSecret(redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
