/// A Seam API key. Every way of printing it gives `seam_••••`; the text goes into the `Authorization` header alone.
package struct APIKey: Sendable, Equatable {
    let text: String

    /// Accepts what a daemon can work with, by prefix (Seam's API reference), and says what else a text is.
    ///
    /// - Throws: `SeamConfigurationError`, which does not quote the text.
    package init(_ text: String) throws(SeamConfigurationError) {
        func refuse(_ what: String) -> SeamConfigurationError {
            SeamConfigurationError(
                "\(what). Create an API key in Seam Console under Developer > API Keys; it begins with seam_")
        }
        if text.isEmpty { throw refuse("the Seam API key is empty") }
        if text.hasPrefix("seam_at") {
            throw refuse("this is a personal access token (seam_at…), which belongs to a person; an API key is needed")
        }
        if text.hasPrefix("seam_cst") {
            throw refuse("this is a client session token (seam_cst…), which serves one end user; an API key is needed")
        }
        if text.hasPrefix("seam_pk") {
            throw refuse("this is a publishable key (seam_pk…), which is for web pages; an API key is needed")
        }
        if text.hasPrefix("ey") {
            throw refuse("this is a JSON Web Token (ey…) of a Console session; an API key is needed")
        }
        guard text.hasPrefix("seam_"), text.utf8.count > 5 else {
            throw refuse("this is no Seam API key: it does not begin with seam_")
        }
        guard text.utf8.count <= 256, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw refuse(
                "the Seam API key holds a space, a line break or another character that no key has, or is too long")
        }
        self.text = text
    }
}

extension APIKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "seam_••••" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a key or a base URL cannot be used; says what to do.
package struct SeamConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}
