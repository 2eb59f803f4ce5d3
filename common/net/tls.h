/* TLS contexts, ours and a client's, every return of OpenSSL checked. */
#pragma once
#include "base/text.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* Whose fault it was; where neither file was to blame, the certificate's. */
enum tls_culprit { TLS_CERTIFICATE, TLS_PRIVATE_KEY, TLS_CA };

/* Mozilla's "intermediate" profile: TLS 1.2 and 1.3, ECDHE with AEAD only; ALPN
 * http/1.1, no renegotiation, no compression, no early data. NULL with a sentence
 * in `why`: no such file, not a certificate, a key that does not fit. Whether the
 * certificate has ended is not looked at. The culprit may be NULL: not asked.
 * Free with tls_destroy. */
struct ssl_ctx_st *tls_server_create(const char *certificate_file, const char *private_key_file,
                                     enum tls_culprit *, struct string *why);

/* Sessions are resumed by tickets under a key that is made with the context. Who
 * gets hold of it can read what was said under it, so call this as often as TLS_TICKETS_MS:
 * a new key, the old one is gone, and the next connection of each sender shakes
 * hands in full. */
enum { TLS_TICKETS_MS = 3600 * 1000 };
void tls_renew_tickets(struct ssl_ctx_st *);

/* From when to when all of the chain is valid, in Unix seconds. */
struct tls_validity {
    int64_t from_s, until_s;
};
struct tls_validity tls_validity(const struct ssl_ctx_st *);

/* Of the whole chain: it is the same where the certificates are. */
enum { TLS_DIGEST_BYTES = 32 };
void tls_digest(const struct ssl_ctx_st *, unsigned char[TLS_DIGEST_BYTES]);

/* One more that has to be destroyed: the same context, and gone when the last one is. */
struct ssl_ctx_st *tls_share(struct ssl_ctx_st *);

/* Verifies the peer's chain; the caller sets the host name on each connection.
 * ca_file NULL: the system's. */
struct ssl_ctx_st *tls_client_create(const char *ca_file, struct string *why);
void tls_destroy(struct ssl_ctx_st *);

/* Could a client use these files? Any may be NULL; a certificate needs its key. False with a
 * sentence. */
bool tls_client_check(const char *ca_file, const char *certificate_file,
                      const char *private_key_file, enum tls_culprit *, struct string *why);

/* A P-256 certificate for localhost, 127.0.0.1 and ::1, valid a year, for `up`
 * and tests. The key file is made with mode 0600. */
bool tls_make_self_signed(const char *certificate_file, const char *private_key_file,
                          struct string *why);
