/* The bytes to and from Redis: the name resolved, the socket connected, TLS
 * shaken. It knows nothing of what is said over it.
 *
 * Open it, and later either on_up comes, or on_down; after on_up, on_bytes as
 * often as there are any, until on_down. Never inside open; never after close,
 * which is allowed in any of them. After on_down it is closed. */
#pragma once
#include "net/loop.h"
#include "net/redis_url.h"

struct redis_link;
struct evbuffer;
struct ssl_ctx_st;

struct redis_link_events {
    void *arg;
    void (*on_up)(void *arg);
    void (*on_bytes)(void *arg, struct evbuffer *);
    void (*on_down)(void *arg, struct text why); /* a sentence; borrowed */
};

/* Borrows the address; takes the TLS context (NULL: none). */
struct redis_link *redis_link_create(struct loop *, const struct redis_address *,
                                     struct ssl_ctx_st *, const struct redis_link_events *);
void redis_link_open(struct redis_link *); /* each time at the next of the name's addresses */
void redis_link_close(struct redis_link *);
void redis_link_send(struct redis_link *, struct text bytes); /* copies them; only while up */
struct evbuffer *redis_link_output(struct redis_link *); /* what is added is sent; only while up */
/* What a link that has not come up is waiting for, as half a sentence: "Redis at ... ". */
const char *redis_link_wait(const struct redis_link *);
void redis_link_destroy(struct redis_link *);
