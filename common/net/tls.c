#include "net/tls.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Mozilla's "intermediate" profile, version 5.8, as published:
 * https://ssl-config.mozilla.org/guidelines/5.8.json. TLS 1.2's ciphers, then 1.3's. */
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                             "TLS_CHACHA20_POLY1305_SHA256";
static const char groups[] = "X25519MLKEM768:X25519:P-256:P-384";
/* For an OpenSSL before 3.5, which refuses a list with a name that it does not know. */
static const char older_groups[] = "X25519:P-256:P-384";

/* What a ticket's key is made of: a name, and a key each to encrypt and to sign. */
enum { TICKET_KEYS_BYTES = 80 };

/* The oldest error in OpenSSL's queue, which is the cause; empties the queue. */
static const char *reason(void) {
    unsigned long error = ERR_get_error();
    ERR_clear_error();
    if (ERR_SYSTEM_ERROR(error))
        return strerror(ERR_GET_REASON(error));
    const char *words = ERR_reason_error_string(error);
    return words ? words : "unknown error";
}

/* A pipe is refused: OpenSSL would wait for it, and at a reload for ever. */
static bool readable(const char *what, const char *file, struct string *why) {
    struct stat about;
    if (access(file, R_OK) != 0 || stat(file, &about) != 0)
        string_addf(why, "cannot read the %s %s: %s", what, file, strerror(errno));
    else if (!S_ISREG(about.st_mode))
        string_addf(why, "cannot read the %s %s: it is no plain file", what, file);
    else
        return true;
    return false;
}

/* Never asks on the terminal: a program without one would hang there. */
static int on_passphrase(char *buffer, int size, int writing, void *arg) {
    (void)buffer;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static bool set_profile(SSL_CTX *tls) {
    bool set = SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) == 1 &&
               SSL_CTX_set_cipher_list(tls, ciphers) == 1 &&
               SSL_CTX_set_ciphersuites(tls, suites) == 1 &&
               (SSL_CTX_set1_groups_list(tls, groups) == 1 ||
                SSL_CTX_set1_groups_list(tls, older_groups) == 1);
    if (set)
        ERR_clear_error();
    return set;
}

/* What holds for both sides. An end of the stream without TLS' own goodbye is taken
 * as an end: HTTP says itself how long its messages are. */
static bool set_common(SSL_CTX *tls) {
    SSL_CTX_set_default_passwd_cb(tls, on_passphrase);
    SSL_CTX_set_options(tls, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    /* Idle connections are many; and libevent may offer the same bytes at another address. */
    SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return set_profile(tls);
}

static SSL_CTX *create(const SSL_METHOD *method, struct string *why) {
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(method);
    if (tls && set_common(tls))
        return tls;
    string_addf(why, "cannot set up TLS: %s", reason());
    SSL_CTX_free(tls);
    return NULL;
}

/* ---- Ours ---- */

/* No overlap is no error: what the peer then speaks will be judged as HTTP/1.1. */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *size,
                   const unsigned char *offered, unsigned offered_size, void *arg) {
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *match;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&match, size, ours, sizeof ours - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *chosen = match;
    return SSL_TLSEXT_ERR_OK;
}

static void set_server(SSL_CTX *tls) {
    /* Our order, as scanners want it; but who puts ChaCha20 first has no AES in hardware. */
    SSL_CTX_set_options(tls, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    /* A session stands in its ticket alone: strangers cannot fill our memory with them. */
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(tls, TLS_TICKETS_MS / 1000);
    /* Early data can be replayed. */
    SSL_CTX_set_max_early_data(tls, 0);
    SSL_CTX_set_recv_max_early_data(tls, 0);
    SSL_CTX_set_alpn_select_cb(tls, on_alpn, NULL);
}

static bool load_certificate(SSL_CTX *tls, const char *file, struct string *why) {
    if (!readable("certificate", file, why))
        return false;
    if (SSL_CTX_use_certificate_chain_file(tls, file) == 1)
        return true;
    string_addf(why, "%s holds no usable certificate in PEM form: %s", file, reason());
    return false;
}

static bool load_key(SSL_CTX *tls, const char *file, const char *certificate_file,
                     struct string *why) {
    if (!readable("private key", file, why))
        return false;
    int loaded = SSL_CTX_use_PrivateKey_file(tls, file, SSL_FILETYPE_PEM);
    unsigned long error = ERR_peek_error();
    if (loaded == 1 && SSL_CTX_check_private_key(tls) == 1)
        return true;
    if (loaded == 1 || ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH ||
        ERR_GET_REASON(error) == X509_R_KEY_TYPE_MISMATCH)
        string_addf(why, "the private key %s does not belong to the certificate %s", file,
                    certificate_file);
    else
        string_addf(why, "%s holds no usable private key in PEM form, without passphrase: %s", file,
                    reason());
    ERR_clear_error();
    return false;
}

struct ssl_ctx_st *tls_server_create(const char *certificate_file, const char *private_key_file,
                                     enum tls_culprit *culprit, struct string *why) {
    SSL_CTX *tls = create(TLS_server_method(), why);
    if (!tls)
        return NULL;
    set_server(tls);
    bool loaded = load_certificate(tls, certificate_file, why);
    if (culprit)
        *culprit = loaded ? TLS_PRIVATE_KEY : TLS_CERTIFICATE;
    if (loaded && load_key(tls, private_key_file, certificate_file, why))
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

void tls_renew_tickets(struct ssl_ctx_st *tls) {
    unsigned char keys[TICKET_KEYS_BYTES];
    int made = RAND_priv_bytes(keys, sizeof keys);
    assert(made == 1);
    long set = SSL_CTX_set_tlsext_ticket_keys(tls, keys, sizeof keys);
    assert(set == 1);
    explicit_bzero(keys, sizeof keys);
}

struct ssl_ctx_st *tls_share(struct ssl_ctx_st *tls) {
    SSL_CTX_up_ref(tls);
    return tls;
}

/* ---- What is in ours ---- */

static int chain_length(const SSL_CTX *tls, STACK_OF(X509) * *chain) {
    *chain = NULL;
    SSL_CTX_get0_chain_certs((SSL_CTX *)(uintptr_t)tls, chain);
    return *chain ? sk_X509_num(*chain) : 0;
}

static int64_t seconds_of(const ASN1_TIME *time) {
    struct tm calendar;
    return ASN1_TIME_to_tm(time, &calendar) == 1 ? (int64_t)timegm(&calendar) : 0;
}

/* A chain is good for as long as the first of it that ends. */
static void narrow(const X509 *certificate, struct tls_validity *validity) {
    int64_t from_s = seconds_of(X509_get0_notBefore(certificate));
    int64_t until_s = seconds_of(X509_get0_notAfter(certificate));
    if (from_s > validity->from_s)
        validity->from_s = from_s;
    if (until_s < validity->until_s)
        validity->until_s = until_s;
}

struct tls_validity tls_validity(const struct ssl_ctx_st *tls) {
    struct tls_validity validity = {.from_s = INT64_MIN, .until_s = INT64_MAX};
    STACK_OF(X509) * chain;
    int length = chain_length(tls, &chain);
    narrow(SSL_CTX_get0_certificate(tls), &validity);
    for (int i = 0; i < length; i++)
        narrow(sk_X509_value(chain, i), &validity);
    return validity;
}

static void add_digest(const X509 *certificate, EVP_MD_CTX *digest) {
    unsigned char one[TLS_DIGEST_BYTES];
    unsigned size = 0;
    int made = X509_digest(certificate, EVP_sha256(), one, &size);
    assert(made == 1 && size == sizeof one);
    EVP_DigestUpdate(digest, one, sizeof one);
}

void tls_digest(const struct ssl_ctx_st *tls, unsigned char bytes[TLS_DIGEST_BYTES]) {
    STACK_OF(X509) * chain;
    int length = chain_length(tls, &chain);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert(digest);
    int begun = EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    assert(begun == 1);
    add_digest(SSL_CTX_get0_certificate(tls), digest);
    for (int i = 0; i < length; i++)
        add_digest(sk_X509_value(chain, i), digest);
    EVP_DigestFinal_ex(digest, bytes, NULL);
    EVP_MD_CTX_free(digest);
}

/* ---- A client's ---- */

static bool load_trust(SSL_CTX *tls, const char *ca_file, struct string *why) {
    if (ca_file && !readable("CA file", ca_file, why))
        return false;
    int loaded = ca_file ? SSL_CTX_load_verify_locations(tls, ca_file, NULL)
                         : SSL_CTX_set_default_verify_paths(tls);
    if (loaded == 1)
        return true;
    string_addf(why, "%s holds no usable CA certificate in PEM form: %s",
                ca_file ? ca_file : "the system's trust store", reason());
    return false;
}

struct ssl_ctx_st *tls_client_create(const char *ca_file, struct string *why) {
    SSL_CTX *tls = create(TLS_client_method(), why);
    if (!tls)
        return NULL;
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (load_trust(tls, ca_file, why))
        return tls;
    SSL_CTX_free(tls);
    return NULL;
}

void tls_destroy(struct ssl_ctx_st *tls) {
    SSL_CTX_free(tls);
}

bool tls_client_check(const char *ca_file, const char *certificate_file,
                      const char *private_key_file, enum tls_culprit *culprit, struct string *why) {
    SSL_CTX *tls = create(TLS_client_method(), why);
    *culprit = TLS_CA;
    bool good = tls && (!ca_file || load_trust(tls, ca_file, why));
    if (good && certificate_file) {
        *culprit = TLS_CERTIFICATE;
        good = load_certificate(tls, certificate_file, why);
    }
    if (good && private_key_file) {
        *culprit = TLS_PRIVATE_KEY;
        good = load_key(tls, private_key_file, certificate_file, why);
    }
    SSL_CTX_free(tls);
    return good;
}

/* ---- A certificate of our own ---- */

static bool add_extension(X509 *certificate, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool set_serial(X509 *certificate) {
    BIGNUM *number = BN_new();
    bool set = number && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
               BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
    BN_free(number);
    return set;
}

/* A CA too, so that a client can be given this one file to trust. */
static bool fill_certificate(X509 *certificate, EVP_PKEY *key) {
    static const unsigned char name_text[] = "localhost";
    X509_NAME *name = X509_get_subject_name(certificate);
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
           X509_gmtime_adj(X509_getm_notAfter(certificate), 365L * 24 * 3600) &&
           X509_set_pubkey(certificate, key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, name_text, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature,keyCertSign") &&
           add_extension(certificate, NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1") &&
           add_extension(certificate, NID_subject_key_identifier, "hash") &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static FILE *open_new(const char *file, mode_t mode, struct string *why) {
    /* Anew, because the mode of an old one would stay as it is. */
    unlink(file);
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "w");
    if (!stream)
        string_addf(why, "cannot write %s: %s", file, strerror(errno));
    return stream;
}

static bool write_key(const char *file, EVP_PKEY *key, struct string *why) {
    FILE *stream = open_new(file, 0600, why);
    if (!stream)
        return false;
    bool written = PEM_write_PrivateKey(stream, key, NULL, NULL, 0, NULL, NULL) == 1;
    written = fclose(stream) == 0 && written;
    if (!written)
        string_addf(why, "cannot write %s", file);
    return written;
}

static bool write_certificate(const char *file, X509 *certificate, struct string *why) {
    FILE *stream = open_new(file, 0644, why);
    if (!stream)
        return false;
    bool written = PEM_write_X509(stream, certificate) == 1;
    written = fclose(stream) == 0 && written;
    if (!written)
        string_addf(why, "cannot write %s", file);
    return written;
}

bool tls_make_self_signed(const char *certificate_file, const char *private_key_file,
                          struct string *why) {
    ERR_clear_error();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    bool made = key && certificate && fill_certificate(certificate, key);
    if (!made)
        string_addf(why, "cannot make a certificate: %s", reason());
    made = made && write_key(private_key_file, key, why) &&
           write_certificate(certificate_file, certificate, why);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
}
