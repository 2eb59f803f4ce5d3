/* An endpoint is a URL that we offer to Kula, with its signing keys and its
 * policy for signatures that are not simply good. */
#pragma once
#include "base/config.h"
#include "kula/signature.h"
#include "serve/answers.h"

struct endpoint {
    const struct config_endpoint *config;
    struct hmac **keys; /* one a secret, newest first */
    size_t key_count;
    uint64_t edition; /* no other endpoint has it, before or after a reload */
};

struct endpoints;

struct endpoints *endpoints_create(const struct config *); /* borrowed for the endpoints' life */
void endpoints_destroy(struct endpoints *);

/* The path has to be the same to the byte; NULL where there is none. */
const struct endpoint *endpoints_find(const struct endpoints *, struct text path);

/* Does a delivery with this verdict come in? Else the answer it gets. `apart_ms`
 * is how far its signature's time is from now, either way; a stale one that is
 * accepted must be nearer than `window_ms`, within which a replay is noticed. */
bool endpoints_trust(const struct endpoint *, enum signature_verdict, int64_t apart_ms,
                     int64_t window_ms, enum answer *refusal);

/* Is this account's delivery for us? */
bool endpoints_serve_account(const struct endpoint *, struct text account);
