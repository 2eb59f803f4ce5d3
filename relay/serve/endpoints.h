/* An endpoint is a URL that we offer to Kula, with its signing keys and its
 * policy for signatures that are not simply good. */
#pragma once
#include "base/config.h"
#include "base/metrics.h"
#include "kula/signature.h"
#include "serve/answers.h"

struct endpoint {
    const struct config_endpoint *config;
    struct hmac **keys; /* one a secret, newest first */
    size_t key_count;
    struct endpoint_key_use *uses;               /* as many; NULL until they are entered */
    struct metric *readings[SIGNATURE_READINGS]; /* the same */
    int64_t window_ms;                           /* within it a replay is noticed */
};

struct endpoints;

struct endpoints *endpoints_create(const struct config *); /* borrowed for the endpoints' life */
void endpoints_destroy(struct endpoints *);
bool endpoints_own(const struct endpoints *, const struct endpoint *);

/* They come into force: which of their secrets matches is counted from now on, by its
 * mark, which is the same at a later reload. And no longer: so say the gauges then. */
void endpoints_enter(struct endpoints *, struct metrics *);
void endpoints_leave(struct endpoints *);
/* The secret at this position has just made a good signature, over this. Entered ones only. */
void endpoints_count_match(const struct endpoint *, size_t position, enum signature_reading,
                           int64_t now_ms);

/* The path has to be the same to the byte; NULL where there is none. */
const struct endpoint *endpoints_find(const struct endpoints *, struct text path);

/* Does a delivery with this verdict come in as Kula's? Else the answer it gets, which may be that
 * it is penned. `apart_ms` is how far its signature's time is from now, either way; a stale one
 * that is accepted must be nearer than the endpoint's window, else it may come again. */
bool endpoints_trust(const struct endpoint *, enum signature_verdict, int64_t apart_ms,
                     enum answer *refusal);
