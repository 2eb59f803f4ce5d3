/* TLS contexts, ours and a client's, every return of OpenSSL checked. */
#pragma once
#include "base/text.h"

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* TLS 1.2 and 1.3, ECDHE with AEAD only, ALPN http/1.1, no tickets, no
 * renegotiation, no compression. NULL with a sentence in `why`: no such file,
 * not a certificate, a key that does not fit. Free with tls_destroy. */
struct ssl_ctx_st *tls_server_create(const char *certificate_file, const char *private_key_file,
                                     struct string *why);

/* Verifies the peer's chain; the caller sets the host name on each connection.
 * ca_file NULL: the system's. */
struct ssl_ctx_st *tls_client_create(const char *ca_file, struct string *why);
void tls_destroy(struct ssl_ctx_st *);

/* A P-256 certificate for localhost, 127.0.0.1 and ::1, valid a year, for `up`
 * and tests. The key file is made with mode 0600. */
bool tls_make_self_signed(const char *certificate_file, const char *private_key_file,
                          struct string *why);
