internal import Signatures

extension FuzzTarget {
    private static let key = try? SigningSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLwSw")

    /// Nobody without the secret is let in; who signs is, for exactly what was signed.
    ///
    /// The bytes are lines of `name:value`, an empty line, the body.
    static func signature(_ bytes: [UInt8]) -> String? {
        guard let key, let verifier = try? SignatureVerifier(secrets: [key]) else { return "the test's own secret" }
        let newline = UInt8(ascii: "\n")
        var fields: [(name: ArraySlice<UInt8>, value: ArraySlice<UInt8>)] = []
        var rest = bytes[...]
        while let line = rest.split(separator: newline, maxSplits: 1, omittingEmptySubsequences: false).first {
            rest = rest.dropFirst(line.count + 1)
            if line.isEmpty { break }
            let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
            fields.append((line[..<colon], line[colon...].dropFirst()))
        }
        let now: Int64 = 1_700_000_000
        if (try? verifier.verify(headers: fields, body: rest.span, now: now)) != nil { return "a forged request" }

        let id = String(decoding: fields.first?.name ?? [], as: UTF8.self)
        guard
            let headers = try? SignatureSigner(secret: key).headers(
                family: bytes.count.isMultiple(of: 2) ? .svix : .webhook, id: id, timestamp: now, body: rest.span)
        else { return nil }
        let signed = headers.map { (name: Array($0.name.utf8)[...], value: Array($0.value.utf8)[...]) }
        let read = try? verifier.verify(headers: signed, body: rest.span, now: now + 300)
        if read?.idText != id || read?.timestamp != now { return "a signed request is refused" }
        if (try? verifier.verify(headers: signed, body: rest.span, now: now + 301)) != nil { return "an old request" }
        let longer = rest + [0]
        if (try? verifier.verify(headers: signed, body: longer.span, now: now)) != nil { return "another body" }
        // Any further field of its own makes it ambiguous, or is another's business; none makes it pass.
        for field in fields.dropFirst() {
            let both = signed.dropLast() + [field]
            if (try? verifier.verify(headers: both, body: rest.span, now: now)) != nil {
                return "without its signature"
            }
        }
        return nil
    }

    /// A secret signs, or is refused at a place that is there.
    static func secret(_ bytes: [UInt8]) -> String? {
        do throws(SecretError) {
            let secret = try SigningSecret(bytes)
            if "\(secret)" != "SigningSecret(redacted)" { return "a secret that describes itself" }
            if (try? SignatureSigner(secret: secret).sign(id: "a", timestamp: 1, body: bytes.span)) == nil {
                return "a secret that signs nothing"
            }
            return nil
        } catch {
            return flaw(in: error, bytes)
        }
    }

    private static func flaw(in error: SecretError, _ secret: [UInt8]) -> String? {
        switch error {
        case .unusable: "a key that OpenSSL does not take"
        case .notBase64(let position): (1...max(1, secret.count)).contains(position) ? nil : "a mistake at no place"
        default: nil
        }
    }
}
