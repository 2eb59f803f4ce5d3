#include "base/hmac.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "base/memory.h"

struct hmac {
    EVP_MAC_CTX *context; /* keeps the key's two inner hashes: a restart hashes no key again */
};

/* Nothing that comes from outside makes these calls fail: only a lack of
 * memory does, or a libcrypto without SHA-256. */
static void must(bool done) {
    if (done)
        return;
    fputs("libcrypto cannot make an HMAC-SHA256\n", stderr);
    abort();
}

struct hmac *hmac_create(const struct secret *secret) {
    struct hmac *hmac = memory_new(sizeof *hmac);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    must(mac);
    hmac->context = EVP_MAC_CTX_new(mac);
    EVP_MAC_free(mac);
    must(hmac->context);
    must(EVP_MAC_init(hmac->context, secret->data, secret->size, params));
    return hmac;
}

struct hmac *hmac_copy(const struct hmac *hmac) {
    struct hmac *copy = memory_new(sizeof *copy);
    copy->context = EVP_MAC_CTX_dup(hmac->context);
    must(copy->context);
    hmac_restart(copy);
    return copy;
}

void hmac_restart(struct hmac *hmac) {
    must(EVP_MAC_init(hmac->context, NULL, 0, NULL));
}

void hmac_feed(struct hmac *hmac, struct text t) {
    if (t.size)
        must(EVP_MAC_update(hmac->context, (const unsigned char *)t.data, t.size));
}

void hmac_result(struct hmac *hmac, unsigned char digest[HMAC_BYTES]) {
    size_t size = 0;
    must(EVP_MAC_final(hmac->context, digest, &size, HMAC_BYTES) && size == HMAC_BYTES);
}

void hmac_destroy(struct hmac *hmac) {
    if (!hmac)
        return;
    EVP_MAC_CTX_free(hmac->context);
    free(hmac);
}

void hmac_mark(const struct secret *secret, char mark[HMAC_MARK + 1]) {
    unsigned char digest[HMAC_BYTES];
    char hex[HMAC_HEX + 1];
    struct hmac *hmac = hmac_create(secret);
    /* Nothing that Kula signs looks like this, so the mark is no piece of a signature. */
    hmac_feed(hmac, text_of("kula-relay mark"));
    hmac_result(hmac, digest);
    hmac_destroy(hmac);
    hmac_format(digest, hex);
    memcpy(mark, hex, HMAC_MARK);
    mark[HMAC_MARK] = '\0';
}

bool hmac_equal(const unsigned char *a, const unsigned char *b) {
    return CRYPTO_memcmp(a, b, HMAC_BYTES) == 0;
}

void hmac_format(const unsigned char digest[HMAC_BYTES], char hex[HMAC_HEX + 1]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HMAC_BYTES; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[HMAC_HEX] = '\0';
}

static int nibble(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool hmac_parse(struct text hex, unsigned char digest[HMAC_BYTES]) {
    if (hex.size != HMAC_HEX)
        return false;
    for (size_t i = 0; i < HMAC_BYTES; i++) {
        int high = nibble(hex.data[2 * i]), low = nibble(hex.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        digest[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
