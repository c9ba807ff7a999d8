internal import COpenSSL

/// A certificate with its chain, and the private key, as they lie in their files.
enum TLSFiles {
    /// Takes both into `context`, and checks that they belong together. Blocks for as long as the files take to read.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM, the server's own certificate first, then those that lead to the root.
    ///   - privateKeyFile: PEM, without a passphrase.
    static func load(
        into context: OpaquePointer, certificateFile: String, privateKeyFile: String
    ) throws(TLSFileError) {
        OpenSSLError.clear()
        // A key with a passphrase is an error, not a question on the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        guard SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            let cause = OpenSSLError.taken(after: "SSL_CTX_use_certificate_chain_file")
            throw TLSFileError(.certificate, path: certificateFile, cause: cause)
        }
        // It also compares the key with the certificate, and has a reason of its own for that.
        guard SSL_CTX_use_PrivateKey_file(context, privateKeyFile, SSL_FILETYPE_PEM) == 1 else {
            let isOther = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH
            let cause = OpenSSLError.taken(after: "SSL_CTX_use_PrivateKey_file")
            throw TLSFileError(isOther ? .mismatch : .privateKey, path: privateKeyFile, cause: cause)
        }
        guard SSL_CTX_check_private_key(context) == 1 else {
            let cause = OpenSSLError.taken(after: "SSL_CTX_check_private_key")
            throw TLSFileError(.mismatch, path: privateKeyFile, cause: cause)
        }
    }

    /// When the server's own certificate is valid, in seconds since 1970.
    static func validity(
        in context: OpaquePointer, _ certificateFile: String
    ) throws(TLSFileError) -> (start: Int64, end: Int64) {
        OpenSSLError.clear()
        let leaf = SSL_CTX_get0_certificate(context)
        guard let start = seconds(X509_get0_notBefore(leaf)), let end = seconds(X509_get0_notAfter(leaf)) else {
            throw TLSFileError(.certificate, path: certificateFile, cause: .taken(after: "ASN1_TIME_diff"))
        }
        return (start, end)
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
        let epoch = ASN1_TIME_set(nil, 0)
        defer { ASN1_TIME_free(epoch) }
        var (days, seconds) = (Int32(0), Int32(0))
        guard let time, ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return nil }
        return Int64(days) * 86_400 + Int64(seconds)
    }
}

/// Why a certificate and its key cannot be used.
package struct TLSFileError: Error, Equatable, CustomStringConvertible {
    package enum What: Sendable {
        case certificate
        case privateKey
        /// Each file is sound, but the key is another certificate's.
        case mismatch
        case openSSL
    }

    package let what: What
    package let path: String
    package let cause: OpenSSLError

    init(_ what: What, path: String, cause: OpenSSLError) {
        self.what = what
        self.path = path
        self.cause = cause
    }

    /// What happened, where, and what to do.
    package var description: String {
        let (reason, fix) =
            switch what {
            case .certificate:
                ("is no certificate chain that can be read", "give PEM, the server's own certificate first")
            case .privateKey:
                ("is no private key that can be read", "give PEM without a passphrase, readable for this user")
            case .mismatch:
                ("is not the key of the certificate", "give the key that the certificate was made for")
            case .openSSL: ("could not be set up", "see the reason")
            }
        return "\(path): \(reason); \(fix) (\(cause))"
    }
}
