/// The digits a guest types. Every way of printing it gives `••••`; the digits come out only through `digits`, whose every use
/// is one of the places that may show a PIN: the substitution's row, the outgoing message, and where a user asked for it.
package struct PIN: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package let digits: String

    /// Nil for an empty text, which no lock takes.
    package init?(_ digits: String) {
        guard !digits.isEmpty else { return nil }
        self.digits = digits
    }

    package static let mask = "••••"
    package var description: String { Self.mask }
    package var debugDescription: String { Self.mask }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
