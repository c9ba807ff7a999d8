internal import Crypto
internal import Dispatch
internal import HTTPClient
package import Settings
package import Time

/// The certificate of the public listener, as Seam's sender will judge it.
package struct CertificateCheck: Check {
    /// Most authorities' certificates are renewed thirty days before their end.
    private static let warnedBefore: Duration = .seconds(14 * 86_400)

    private let settings: Settings
    private let clock: any WallClock
    private let account: ServiceAccount
    private let caFile: String?

    /// - Parameter caFile: PEM roots in the place of the system's.
    package init(settings: Settings, clock: any WallClock, account: ServiceAccount, caFile: String? = nil) {
        self.settings = settings
        self.account = account
        self.clock = clock
        self.caFile = caFile
    }

    package func findings() async -> [CheckFinding] {
        guard let files = settings.listen.tls.files else {
            return [
                CheckFinding(
                    "tls.none", .ok, "Webhooks are taken over plain HTTP",
                    detail: "A proxy before it has the certificate; Seam sends to https:// only.")
            ]
        }
        return await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(returning: look(files.certificate, files.privateKey))
            }
        }
    }

    private func look(_ certificateFile: String, _ privateKeyFile: String) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        if let key = FileFacts(privateKeyFile), key.mode & 0o007 != 0 {
            findings.append(
                CheckFinding(
                    "tls.key_mode", .warning, "Others on this machine may read the private key", detail: privateKeyFile,
                    fix: "chmod o= \(privateKeyFile)"))
        }
        for file in [certificateFile, privateKeyFile] where FileFacts(file) != nil && !account.may(.read, file) {
            findings.append(
                CheckFinding(
                    "tls.owner", .error, "The service cannot read the certificate or its key",
                    detail: "\(file) is \(FileFacts(file)?.ownerName ?? "?")'s; the service runs as \(account.name).",
                    fix: "chgrp \(account.name) \(file) && chmod g+r \(file), and let \(account.name) into its folder.")
            )
        }
        do {
            let chain = try CertificateChain(certificateFile: certificateFile, privateKeyFile: privateKeyFile)
            findings += judge(chain, certificateFile)
        } catch {
            findings.append(unusable(error, certificateFile, privateKeyFile))
        }
        return findings.isEmpty
            ? [CheckFinding("tls.ok", .ok, "The certificate is one that clients accept", detail: certificateFile)]
            : findings
    }

    private func judge(_ chain: CertificateChain, _ file: String) -> [CheckFinding] {
        var findings: [CheckFinding] = []
        let end = Timestamp(secondsSinceEpoch: chain.expiresAt)
        let left = end.duration(since: clock.now())
        if left < Self.warnedBefore {
            let isOver = left <= .zero
            findings.append(
                CheckFinding(
                    isOver ? "tls.expired" : "tls.expires", isOver ? .error : .warning,
                    isOver ? "The certificate has expired" : "The certificate expires soon", detail: "\(file): \(end)",
                    fix: "Renew it; a new file is taken by itself or at a reload."))
            if isOver { return findings }
        }
        let start = Timestamp(secondsSinceEpoch: chain.startsAt)
        if start > clock.now() {
            findings.append(
                CheckFinding(
                    "tls.not_yet", .error, "The certificate is not valid yet", detail: "\(file): from \(start)",
                    fix: "Wait until then, or look whether this machine's clock is right: timedatectl"))
            return findings
        }
        if let host = host(of: settings.webhook.publicURL), !chain.covers(host: host) {
            findings.append(
                CheckFinding(
                    "tls.host", .error, "The certificate is not for \(host)",
                    detail: "\(file) and webhook.public_url do not agree: Seam's sender refuses to connect.",
                    fix: "Get a certificate for \(host), or set webhook.public_url to the name that it is for."))
        }
        do {
            try chain.verify(caFile: caFile)
        } catch {
            findings.append(
                CheckFinding(
                    "tls.chain", .error, "The certificate's chain does not lead to a known authority",
                    detail: reason(error),
                    fix: "Put the full chain into \(file), the server's own certificate first (often fullchain.pem)."))
        }
        return findings
    }

    private func unusable(_ error: TLSFileError, _ certificateFile: String, _ privateKeyFile: String) -> CheckFinding {
        switch error.what {
        case .mismatch:
            CheckFinding(
                "tls.key", .error, "The private key is not the certificate's",
                detail: "\(certificateFile), \(privateKeyFile)", fix: "Name the key that the certificate was made with."
            )
        case .privateKey:
            CheckFinding(
                "tls.key", .error, "The private key cannot be used",
                detail: "\(privateKeyFile): \(reason(error.cause))",
                fix: "Give a PEM file without a passphrase that this user may read.")
        case .certificate, .openSSL:
            CheckFinding(
                "tls.certificate", .error, "The certificate cannot be used",
                detail: "\(certificateFile): \(reason(error.cause))", fix: "Give a PEM file that this user may read.")
        }
    }

    /// OpenSSL's own words, the innermost first.
    private func reason(_ error: OpenSSLError) -> String {
        error.entries.first?.text ?? "OpenSSL gave no reason"
    }

    /// The name or address in `https://name:port/path`, the latter without brackets.
    private func host(of url: String?) -> String? {
        guard let url, let parts = try? HTTPURL(url), parts.isSecure else { return nil }
        return parts.host
    }
}
