#ifndef SPAREKEY_COPENSSL_SHIM_H
#define SPAREKEY_COPENSSL_SHIM_H

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Here and not in Swift because an OSSL_PARAM array points into its caller's memory, and OpenSSL wants the digest's
// name as a mutable `char *`: on the C stack both live exactly as long as the call.
static inline int sparekey_EVP_MAC_init_sha256(EVP_MAC_CTX *context, const unsigned char *key, size_t keyBytes) {
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(context, key, keyBytes, parameters);
}

// Swift cannot import macros that look like functions: each of these is one.

static inline int sparekey_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}

static inline int sparekey_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *groups) {
    return SSL_CTX_set1_groups_list(context, groups);
}

static inline void sparekey_SSL_CTX_set_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_mode(context, mode);
}

static inline void sparekey_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}

// These macros cast or shift, which Swift does not import either.
static const uint64_t sparekey_SSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t sparekey_SSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t sparekey_SSL_OP_NO_TICKET = SSL_OP_NO_TICKET;
static const long sparekey_SSL_MODE_RELEASE_BUFFERS = SSL_MODE_RELEASE_BUFFERS;

static inline size_t sparekey_BIO_pending(BIO *bio) {
    return BIO_ctrl_pending(bio);
}

#endif
