#ifndef SPAREKEY_COPENSSL_SHIM_H
#define SPAREKEY_COPENSSL_SHIM_H

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

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

static inline void sparekey_SSL_CTX_clear_mode(SSL_CTX *context, long mode) {
    SSL_CTX_clear_mode(context, mode);
}

static inline void sparekey_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}

// These macros cast or shift, which Swift does not import either.
static const uint64_t sparekey_SSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t sparekey_SSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t sparekey_SSL_OP_NO_TICKET = SSL_OP_NO_TICKET;
static const uint64_t sparekey_SSL_OP_CIPHER_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t sparekey_SSL_OP_PRIORITIZE_CHACHA = SSL_OP_PRIORITIZE_CHACHA;
static const long sparekey_SSL_MODE_AUTO_RETRY = SSL_MODE_AUTO_RETRY;
static const long sparekey_SSL_MODE_RELEASE_BUFFERS = SSL_MODE_RELEASE_BUFFERS;

static inline size_t sparekey_BIO_pending(BIO *bio) {
    return BIO_ctrl_pending(bio);
}

// What a memory BIO has allocated, which is more than it holds and never becomes less.
static inline size_t sparekey_BIO_capacity(BIO *bio) {
    BUF_MEM *memory = NULL;
    BIO_get_mem_ptr(bio, &memory);
    return memory == NULL ? 0 : memory->max;
}

#endif
