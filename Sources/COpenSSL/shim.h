#ifndef SPAREKEY_COPENSSL_SHIM_H
#define SPAREKEY_COPENSSL_SHIM_H

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

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

#endif
