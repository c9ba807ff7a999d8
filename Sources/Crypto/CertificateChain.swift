internal import COpenSSL

/// A certificate with its chain and key as they lie in their files, to be judged before a client does.
package final class CertificateChain {
    /// When the leaf begins to be valid, in seconds since 1970.
    package let startsAt: Int64
    /// When it ceases to be.
    package let expiresAt: Int64
    private let context: OpaquePointer

    /// Reads both files and makes sure that the key is the certificate's. Blocks for as long as the files take to read.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM, the leaf first.
    ///   - privateKeyFile: PEM, without a passphrase.
    package init(certificateFile: String, privateKeyFile: String) throws(TLSFileError) {
        OpenSSLError.clear()
        guard let context = SSL_CTX_new(TLS_server_method()) else {
            throw TLSFileError(.openSSL, path: certificateFile, cause: .taken(after: "SSL_CTX_new"))
        }
        do {
            try TLSFiles.load(into: context, certificateFile: certificateFile, privateKeyFile: privateKeyFile)
            (startsAt, expiresAt) = try TLSFiles.validity(in: context, certificateFile)
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        self.context = context
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
        OpenSSLError.clear()
        let isLoaded =
            if let caFile { SSL_CTX_load_verify_file(context, caFile) } else {
                SSL_CTX_set_default_verify_paths(context)
            }
        guard isLoaded == 1 else {
            throw .taken(after: caFile == nil ? "SSL_CTX_set_default_verify_paths" : "SSL_CTX_load_verify_file")
        }
        // The macro SSL_CTX_build_cert_chain: the file's certificates are hints, only the roots are trusted.
        guard SSL_CTX_ctrl(context, SSL_CTRL_BUILD_CERT_CHAIN, Int(SSL_BUILD_CHAIN_FLAG_UNTRUSTED), nil) == 1 else {
            throw .taken(after: "SSL_CTX_build_cert_chain")
        }
    }
}
