/* Admission bounds what strangers can make us hold: connections, and bytes of
 * bodies in flight. */
#pragma once
#include "base/config.h"
#include "net/http_server.h"

struct admission {
    size_t body_bytes;      /* the longest body */
    size_t bytes_in_flight; /* of all bodies together */
    size_t connections;
};

/* The process may have as many descriptors as it can be given: before it opens any, for each spool
 * that earlier starts left takes two. */
void admission_raise_limit(void);

/* Of the connections that were asked for, as many as it may have descriptors
 * for; it is told where that is not enough. */
void admission_init(struct admission *, const struct config *);
struct http_limits admission_limits(const struct admission *);

/* How many bytes this body may have. A chunked one counts as the longest. */
uint64_t admission_needs(const struct admission *, const struct http_head *);
/* May this body be read, while `held` bytes of others are here? */
bool admission_allows(const struct admission *, size_t held_bytes, const struct http_head *);
