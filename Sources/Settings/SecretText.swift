/// A secret as it is written. Descriptions and mirrors show nothing of it; `reveal` is the one way to its text.
package struct SecretText: Sendable, Equatable {
    /// The text itself, for the type that checks and uses it (`SigningSecret`, the API key, the admin token).
    package let reveal: String

    /// `text` without the line break at its end, if it has one.
    package init(_ text: String) {
        var bytes = text.utf8[...]
        if bytes.last == UInt8(ascii: "\n") { bytes = bytes.dropLast() }
        if bytes.last == UInt8(ascii: "\r") { bytes = bytes.dropLast() }
        reveal = String(bytes) ?? text
    }

    /// Whether both are one signing secret: it may be written with its prefix or without.
    package func isSameSecret(as other: SecretText) -> Bool { bare == other.bare }

    private var bare: Substring { reveal.hasPrefix("whsec_") ? reveal.dropFirst(6) : reveal[...] }
}

extension SecretText: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "(redacted)" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: EmptyCollection<Mirror.Child>()) }
}
