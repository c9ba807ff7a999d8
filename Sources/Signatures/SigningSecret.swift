internal import Crypto

/// A shared secret of Standard Webhooks: `whsec_` and the base64 of an HMAC key, or that base64 alone.
///
/// Only a key inside OpenSSL is kept. Descriptions and mirrors show nothing of it.
package struct SigningSecret: Sendable {
    let key: HMACSHA256.Key

    /// What `check` tells the operator about a secret that works: a key shorter than 24 or longer than 75 bytes.
    package let warnings: [SecretWarning]

    /// Reads a secret, naming the mistake where it is none.
    ///
    /// - Parameters:
    ///   - text: The secret as configured. Nothing is trimmed, unless `isFile`.
    ///   - isFile: Whether `text` is the content of a file, which may end in one line break.
    package init(_ text: [UInt8], isFile: Bool = false) throws(SecretError) {
        var text = text[...]
        if isFile, text.last == ASCII.lineFeed {
            text.removeLast()
            if text.last == ASCII.carriageReturn { text.removeLast() }
        }
        try self.init(slice: text)
    }

    /// Reads a secret from the environment or a setting.
    package init(_ text: String) throws(SecretError) {
        try self.init(Array(text.utf8))
    }

    private init(slice text: ArraySlice<UInt8>) throws(SecretError) {
        let keyBytes = try SecretText.keyBytes(of: text)
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

    /// The secrets of a file, one a line; lines that are empty or only white space are passed over.
    ///
    /// - Throws: `SecretFileError` with the first mistake and its line, or where no line holds a secret.
    package static func load(file contents: [UInt8]) throws(SecretFileError) -> [SigningSecret] {
        var secrets: [SigningSecret] = []
        var number = 0
        for line in contents.split(separator: ASCII.lineFeed, omittingEmptySubsequences: false) {
            number += 1
            let text = line.last == ASCII.carriageReturn ? line.dropLast() : line
            if text.withoutOuterWhitespace.isEmpty { continue }
            do throws(SecretError) {
                secrets.append(try SigningSecret(slice: text))
            } catch {
                throw SecretFileError(line: number, mistake: error)
            }
        }
        if secrets.isEmpty { throw SecretFileError(line: nil, mistake: .empty) }
        return secrets
    }
}

extension SigningSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "SigningSecret(redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
