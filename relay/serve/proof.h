/* The proof that a delivery is Kula's: the signature stands in its head, and the
 * body is hashed as it arrives, so that a long one that is forged never holds the
 * loop. It is attached to the exchange and ends with it. */
#pragma once
#include "net/http_server.h"
#include "serve/endpoints.h"

extern const char proof_header[];

/* When the head is there. */
void proof_begin(struct http_exchange *, const struct endpoint *);
/* As the body arrives; for an exchange without a proof, nothing. */
void proof_feed(struct http_exchange *, struct text piece);
/* When all of it is there; with the endpoint as it is now, whose secrets may be others than
 * at the beginning. `ahead_ms` is how far the signature's time lies in the future,
 * and set where there is one; `matched` the position of the secret, where one does. */
enum signature_verdict proof_end(struct http_exchange *, const struct endpoint *, int64_t now_ms,
                                 int64_t *ahead_ms, size_t *matched);
