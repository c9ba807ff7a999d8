internal import COpenSSL

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#endif

/// A certificate with its chain and key as they lie in their files, to be judged before a client does.
package final class CertificateChain {
    /// The leaf's beginning, in seconds since the epoch.
    package let startsAt: Int64
    /// Its end.
    package let expiresAt: Int64
    private let context: OpaquePointer

    /// Reads both files and makes sure that the key is the certificate's. Blocks for as long as the files take to read.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM, the leaf first.
    ///   - privateKeyFile: PEM, without a passphrase.
    /// - Throws: `OpenSSLError`, whose operation tells which of the steps failed.
    package init(certificateFile: String, privateKeyFile: String) throws(OpenSSLError) {
        ERR_clear_error()
        guard let context = SSL_CTX_new(TLS_server_method()) else { throw OpenSSLError.taken(after: "SSL_CTX_new") }
        var isComplete = false
        defer { if !isComplete { SSL_CTX_free(context) } }
        // Without a callback OpenSSL asks for a passphrase on the terminal.
        SSL_CTX_set_default_passwd_cb(context) { _, _, _, _ in 0 }
        guard SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            throw OpenSSLError.taken(after: "SSL_CTX_use_certificate_chain_file")
        }
        guard SSL_CTX_use_PrivateKey_file(context, privateKeyFile, SSL_FILETYPE_PEM) == 1 else {
            throw OpenSSLError.taken(after: "SSL_CTX_use_PrivateKey_file")
        }
        guard SSL_CTX_check_private_key(context) == 1 else {
            throw OpenSSLError.taken(after: "SSL_CTX_check_private_key")
        }
        let leaf = SSL_CTX_get0_certificate(context)
        var (start, end) = (tm(), tm())
        guard ASN1_TIME_to_tm(X509_get0_notBefore(leaf), &start) == 1,
            ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &end) == 1
        else { throw OpenSSLError.taken(after: "ASN1_TIME_to_tm") }
        startsAt = Int64(timegm(&start))
        expiresAt = Int64(timegm(&end))
        self.context = context
        isComplete = true
    }

    deinit { SSL_CTX_free(context) }

    /// Whether the leaf is for `host` (RFC 9110 section 4.3.4), wildcards included.
    ///
    /// - Parameter host: a name, or an address without brackets.
    package func covers(host: String) -> Bool {
        let leaf = SSL_CTX_get0_certificate(context)
        let coversAddress = X509_check_ip_asc(leaf, host, 0)
        // What is no address is a name (X509_check_host(3)).
        return coversAddress == -2 ? X509_check_host(leaf, host, host.utf8.count, 0, nil) == 1 : coversAddress == 1
    }

    /// Builds the way to a trusted root from nothing but the certificates of the file, as a client has to.
    ///
    /// - Parameter caFile: PEM roots in the place of the system's.
    /// - Throws: `OpenSSLError` that says where the way ends.
    package func verify(caFile: String? = nil) throws(OpenSSLError) {
        ERR_clear_error()
        let isLoaded =
            if let caFile { SSL_CTX_load_verify_file(context, caFile) } else {
                SSL_CTX_set_default_verify_paths(context)
            }
        guard isLoaded == 1 else { throw OpenSSLError.taken(after: "SSL_CTX_set_default_verify_paths") }
        // The macro SSL_CTX_build_cert_chain: the file's certificates are hints, only the roots are trusted.
        guard SSL_CTX_ctrl(context, SSL_CTRL_BUILD_CERT_CHAIN, Int(SSL_BUILD_CHAIN_FLAG_UNTRUSTED), nil) == 1 else {
            throw OpenSSLError.taken(after: "SSL_CTX_build_cert_chain")
        }
    }
}
