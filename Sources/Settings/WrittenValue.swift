/// A value as it stands in the file or in the environment, before its key says what it should be.
enum WrittenValue: Sendable {
    case scalar(String)
    case list([Item])
    /// Keys below the key, or lists in a list.
    case nested
    /// Nothing after the colon, `~` or `null`.
    case nothing

    struct Item: Sendable, Equatable {
        let text: String
        /// Nil in the environment.
        let line: Int?
    }
}

/// A known key with its value and the place where it was given.
struct GivenValue: Sendable {
    let key: String
    let value: WrittenValue
    let source: Finding.Source
    /// Nil in the environment.
    let line: Int?
}

/// Why a value is refused, said without its key and place.
struct Complaint: Error {
    let problem: String
    /// Nil: to write what the key expects.
    var fix: String?
    /// Where it differs from the key's.
    var line: Int?
}

extension String {
    /// The value for a message, if it may be shown: a secret may have been put in the wrong place.
    var shown: String {
        let looksHarmless =
            utf8.count <= 24 && utf8.allSatisfy { (0x20...0x7E).contains($0) }
            && !SecretPrefix.all.contains { utf8.starts(with: $0.utf8) }
        return looksHarmless ? "`\(self)`" : "the value"
    }

    /// The name for a message, unless it may be a secret that was written where a name belongs.
    var shownName: String {
        let looksLikeName = utf8.count <= 60 && utf8.allSatisfy { (0x21...0x7E).contains($0) }
        // A slip such as `seam_timeout` is to be shown; base64 and Seam's keys have capitals or digits in them.
        let isRandom = utf8.contains { (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) }
        let mayBeSecret = isRandom && SecretPrefix.all.contains { contains($0) }
        return looksLikeName && !mayBeSecret ? self : "(a name that is not shown)"
    }
}

private enum SecretPrefix {
    /// Of signing secrets and their keys (Standard Webhooks), and of Seam's API keys.
    static let all = ["whsec_", "whsk_", "whpk_", "v1,", "seam_"]
}
