package import Crypto

/// Why a request was not taken as authentic. For log and metric only: the sender is told nothing of it.
package enum VerificationFailure: Error, Equatable, Sendable {
    case missingHeader
    case duplicateHeader
    case badID
    case badTimestamp
    case badSignatureHeader
    case signatureMismatch
    case noV1Signature
    /// Authentic, but signed longer ago than the tolerance: a replay, or this machine's clock is ahead.
    case tooOld(clockSkewSeconds: Int64)
    /// Authentic, but signed later than the tolerance allows: this machine's clock is behind.
    case tooNew(clockSkewSeconds: Int64)
    /// OpenSSL failed, so nothing is known about the request. The one to answer with 503 and not 401.
    case cryptographyFailed(OpenSSLError)

    /// The name of a failure in logs and metrics; stable.
    package enum Reason: String, Sendable, CaseIterable {
        case missingHeader = "missing_header"
        case duplicateHeader = "duplicate_header"
        case badID = "bad_id"
        case badTimestamp = "bad_timestamp"
        case badSignatureHeader = "bad_signature_header"
        case signatureMismatch = "signature_mismatch"
        case noV1Signature = "no_v1_signature"
        case tooOld = "too_old"
        case tooNew = "too_new"
        case cryptographyFailed = "cryptography_failed"
    }

    package var reason: Reason {
        switch self {
        case .missingHeader: .missingHeader
        case .duplicateHeader: .duplicateHeader
        case .badID: .badID
        case .badTimestamp: .badTimestamp
        case .badSignatureHeader: .badSignatureHeader
        case .signatureMismatch: .signatureMismatch
        case .noV1Signature: .noV1Signature
        case .tooOld: .tooOld
        case .tooNew: .tooNew
        case .cryptographyFailed: .cryptographyFailed
        }
    }
}

extension VerificationFailure: CustomStringConvertible {
    /// What happened, and what an operator can do.
    package var description: String {
        switch self {
        case .missingHeader:
            "the id, timestamp or signature header is missing or empty: not sent by Seam, or a proxy removes headers"
        case .duplicateHeader:
            "the id, timestamp or signature header is there more than once: look for a proxy that adds headers"
        case .badID:
            "the message id is not 1 to 256 visible ASCII characters without a full stop: not sent by Seam"
        case .badTimestamp:
            "the timestamp is not a whole number of seconds: not sent by Seam"
        case .badSignatureHeader:
            "the signature header is longer than 4096 bytes: not sent by Seam"
        case .signatureMismatch:
            "no signature matches a configured secret: the secret is another endpoint's or was replaced, "
                + "a proxy changes the body, or the request is forged; compare webhook.secret with Seam Console"
        case .noV1Signature:
            "the signature header has no v1 signature: not sent by Seam, or the endpoint uses an unsupported scheme"
        case .tooOld(let skew):
            "authentic, but signed \(skew.magnitude) s ago: a replay, or this machine's clock is ahead; "
                + "check its time synchronisation"
        case .tooNew(let skew):
            "authentic, but signed \(skew.magnitude) s in the future: this machine's clock is behind; "
                + "check its time synchronisation"
        case .cryptographyFailed(let error):
            "the signature could not be computed: \(error)"
        }
    }
}
