/// A mistake in a signing secret, said so that an operator can mend it. It never holds a byte of the secret.
package enum SecretError: Error, Equatable, Sendable {
    case empty
    case prefixOnly
    case versionPrefix
    case byteOrderMark
    case quoted
    case lineBreak
    case whitespace
    case prefixInWrongCase
    case doublePrefix
    case asymmetricPublicKey
    case asymmetricPrivateKey
    case seamAPIKey
    case urlSafeAlphabet
    case missingPadding
    case excessPadding
    case incomplete
    case nonZeroTrailingBits
    /// `position` counts bytes of the text from 1, the prefix included.
    case notBase64(position: Int)
    /// OpenSSL would not take the key; the text is `OpenSSLError`'s.
    case unusable(String)
}

extension SecretError: CustomStringConvertible {
    /// What is wrong, and what to do.
    package var description: String {
        switch self {
        case .empty:
            "The signing secret is empty, so anyone could forge a webhook. "
                + "Copy the whole secret from the webhook's page in Seam Console; it begins with whsec_."
        case .prefixOnly:
            "The signing secret is only the prefix whsec_, with no key after it, so anyone could forge a webhook. "
                + "Copy the whole secret from the webhook's page in Seam Console."
        case .versionPrefix:
            "The signing secret begins with \"v1,\", which is how some consoles show it. "
                + "Remove the \"v1,\", so that the secret begins with whsec_."
        case .byteOrderMark:
            "The signing secret begins with a byte order mark (EF BB BF). "
                + "Save the file as plain text without one; an editor calls that \"UTF-8\", not \"UTF-8 with BOM\"."
        case .quoted:
            "The signing secret has quotation marks around it, and they are taken as part of it. "
                + "Remove them: environment files and secret files hold the bare secret."
        case .lineBreak:
            "The signing secret contains a line break. Where it comes from the environment or a setting, "
                + "remove the line break; several secrets belong in a file, one a line."
        case .whitespace:
            "The signing secret contains a space or tab. Remove it; a secret has none at its ends or inside."
        case .prefixInWrongCase:
            "The signing secret's prefix is not in lower case. "
                + "Upper and lower case count in a secret: copy it again as it is, beginning with whsec_."
        case .doublePrefix:
            "The signing secret begins with whsec_ twice. Remove one of the two."
        case .asymmetricPublicKey:
            "This is a public key (whpk_) of the asymmetric v1a scheme, which Sparekey does not support. "
                + "Use the endpoint's symmetric secret, which begins with whsec_."
        case .asymmetricPrivateKey:
            "This is the sender's private key (whsk_) of the asymmetric v1a scheme, which belongs on no receiver. "
                + "Have it replaced, and use the endpoint's symmetric secret, which begins with whsec_."
        case .seamAPIKey:
            "This is a Seam API key or token (seam_), not a signing secret. The key belongs in seam.api_key; "
                + "the secret is on the webhook's page in Seam Console and begins with whsec_."
        case .urlSafeAlphabet:
            "The signing secret contains \"-\" or \"_\", so it is in the URL-safe alphabet of base64. "
                + "Signing secrets use the standard one: write \"+\" for \"-\" and \"/\" for \"_\", or copy it again."
        case .missingPadding:
            "The signing secret lacks the \"=\" at its end that base64 needs to be complete. "
                + "Copy it again with every \"=\"; if it was shown without them, add one or two until the number of "
                + "characters after whsec_ divides by four."
        case .excessPadding:
            "The signing secret has more \"=\" at its end than base64 allows there. "
                + "Copy it again; if characters before the \"=\" were lost, it would look like this."
        case .incomplete:
            "The signing secret is of a length that base64 never has: a character was lost or added. "
                + "Copy the whole secret again."
        case .nonZeroTrailingBits:
            "The last character of the signing secret has bits set that no base64 writer sets: it was changed or "
                + "characters were lost. Copy the whole secret again."
        case .notBase64(let position):
            "The signing secret has a character that is not base64 at position \(position). "
                + "Copy the secret again; after whsec_ it holds only A-Z, a-z, 0-9, \"+\", \"/\" and a final \"=\"."
        case .unusable(let reason):
            "OpenSSL refused the key of the signing secret (\(reason)). "
                + "This is a fault of the machine and not of the secret: check its OpenSSL configuration."
        }
    }
}

/// What is unusual about a signing secret that works all the same.
package enum SecretWarning: Equatable, Sendable {
    case shortKey(keyBytes: Int)
    case longKey(keyBytes: Int)
}

extension SecretWarning: CustomStringConvertible {
    package var description: String {
        switch self {
        case .shortKey(let keyBytes):
            "The key of the signing secret is \(keyBytes) bytes; Svix issues and accepts no fewer than 24. "
                + "Check that the whole secret was copied."
        case .longKey(let keyBytes):
            "The key of the signing secret is \(keyBytes) bytes; Svix accepts no more than 75. "
                + "Check that nothing was added to the secret."
        }
    }
}
