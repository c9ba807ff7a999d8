internal import Crypto

/// A request that was signed with one of the secrets, within the tolerance of time.
package struct VerifiedMessage: Equatable, Sendable {
    /// The same for every attempt and replay of a message; 1 to 256 visible ASCII characters.
    package let id: [UInt8]

    /// When this attempt was signed, in seconds since 1970.
    package let timestamp: Int64

    /// The clock's time less `timestamp`, in seconds: more than the way takes means that this clock is ahead, less than
    /// zero that it is behind.
    package let clockSkewSeconds: Int64

    /// `id` as text.
    package var idText: String { String(decoding: id, as: UTF8.self) }
}

/// Verifies requests signed according to Standard Webhooks 1.0.0, version v1 (HMAC-SHA256).
///
/// Stricter than the reference libraries where a genuine sender never goes: one family of headers, each header once,
/// timestamps in their one form, no full stop in ids, canonical base64. There is no way to verify nothing.
package struct SignatureVerifier: Sendable {
    /// A verifier that cannot be made.
    package enum ConfigurationError: Error, Equatable, CustomStringConvertible {
        case noSecrets
        case toleranceTooShort

        package var description: String {
            switch self {
            case .noSecrets:
                "No webhook secret is configured, and webhooks are not accepted without one. "
                    + "Set webhook.secret or webhook.secret_file to the secret shown in Seam Console."
            case .toleranceTooShort:
                "webhook.tolerance is shorter than one second, so no webhook would arrive in time. Set it to 5m."
            }
        }
    }

    /// Bytes of the longest signature header; eleven signatures, the most a sender makes, are about a quarter of it.
    package static let maximumSignatureHeaderBytes = 4096

    private let secrets: [SigningSecret]
    private let toleranceSeconds: Int64

    /// - Parameters:
    ///   - secrets: Any of them makes a request authentic; several while a secret is being replaced.
    ///   - tolerance: How far a timestamp may be from the clock, into the past and the future; whole seconds count.
    package init(
        secrets: [SigningSecret], tolerance: Duration = .seconds(300)
    ) throws(ConfigurationError) {
        guard !secrets.isEmpty else { throw .noSecrets }
        guard tolerance >= .seconds(1) else { throw .toleranceTooShort }
        self.secrets = secrets
        toleranceSeconds = tolerance.components.seconds
    }

    /// Verifies a request by the raw bytes of its body, after transfer decoding and before anything else.
    ///
    /// - Parameters:
    ///   - headers: The request's signature headers.
    ///   - body: The body's bytes, of any length and content.
    ///   - now: The clock's time, in whole seconds since 1970, rounded down.
    /// - Throws: `VerificationFailure`.
    package func verify(
        headers: SignatureHeaders, body: Span<UInt8>, now: Int64
    ) throws(VerificationFailure) -> VerifiedMessage {
        let (id, timestampText, signature) = try Self.values(of: headers.selected)
        guard SignedContent.isValidID(id) else { throw .badID }
        guard let timestamp = SignedContent.timestamp(timestampText) else { throw .badTimestamp }
        guard signature.count <= Self.maximumSignatureHeaderBytes else { throw .badSignatureHeader }

        try verifySignature(signature, id: id, timestamp: timestampText, body: body)

        // Only after the code: a bad time with a good code is a clock or a replay, and the operator is told which.
        let (difference, overflow) = now.subtractingReportingOverflow(timestamp)
        // `timestamp` is positive, so a difference that overflows is far below zero.
        let skew = overflow ? Int64.min : difference
        if skew > toleranceSeconds { throw .tooOld(clockSkewSeconds: skew) }
        if skew < -toleranceSeconds { throw .tooNew(clockSkewSeconds: skew) }
        return VerifiedMessage(id: Array(id), timestamp: timestamp, clockSkewSeconds: skew)
    }

    /// Verifies a request by all of its headers; see `verify(headers:body:now:)`.
    package func verify(
        headers: some Sequence<(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)>, body: Span<UInt8>, now: Int64
    ) throws(VerificationFailure) -> VerifiedMessage {
        try verify(headers: SignatureHeaders(headers), body: body, now: now)
    }

    /// The three values, each there exactly once and not empty, without the white space around them.
    private static func values(
        of fields: SignatureHeaders.Fields
    ) throws(VerificationFailure) -> (id: ArraySlice<UInt8>, timestamp: ArraySlice<UInt8>, signature: ArraySlice<UInt8>)
    {
        if fields.isAnyRepeated { throw .duplicateHeader }
        guard case .once(let id) = fields.id, !id.isEmpty,
            case .once(let timestamp) = fields.timestamp, !timestamp.isEmpty,
            case .once(let signature) = fields.signature, !signature.isEmpty
        else { throw .missingHeader }
        return (id.withoutOuterWhitespace, timestamp.withoutOuterWhitespace, signature.withoutOuterWhitespace)
    }

    /// Compares every v1 item with the code of every secret. Nothing ends early, so the time tells neither which item
    /// nor which secret matched.
    private func verifySignature(
        _ signature: ArraySlice<UInt8>, id: ArraySlice<UInt8>, timestamp: ArraySlice<UInt8>, body: Span<UInt8>
    ) throws(VerificationFailure) {
        var isMatched = false
        var hasV1Item = false
        for secret in secrets {
            let expected: [UInt8]
            do throws(OpenSSLError) {
                expected = try SignedContent.encodedCode(
                    id: id.span, timestamp: timestamp.span, body: body, secret: secret)
            } catch {
                throw .cryptographyFailed(error)
            }
            var rest = signature
            while !rest.isEmpty {
                let item = rest.prefix { $0 != ASCII.space }
                rest = rest.dropFirst(item.count + 1)
                // Items of other versions, or without a comma, are some other sender's business.
                guard let comma = item.firstIndex(of: ASCII.comma), item[..<comma] == SignedContent.version[...] else {
                    continue
                }
                hasV1Item = true
                let candidate = item[(comma + 1)...]
                // The comparison first: `||` would pass it over once something has matched.
                isMatched = constantTimeEquals(candidate.span, expected.span) || isMatched
            }
        }
        if isMatched { return }
        throw hasV1Item ? .signatureMismatch : .noV1Signature
    }
}
