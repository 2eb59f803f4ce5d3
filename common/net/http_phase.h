/* A connection goes
 *
 *    SHAKING ─▶ IDLE ─▶ HEAD ─▶ BODY ─▶ BUSY ─▶ ANSWERING ─▶ LINGERING ─▶ gone
 *                ▲        │       │ refused        │ ▲
 *                │        └───────┴────────────────┼─┘
 *                └────────── kept alive ───────────┘
 *
 * and from anywhere to gone. How long it may stay in each is said here: up to a
 * moment that is fixed when it enters, so that single bytes buy no time. */
#pragma once
#include "net/http_server.h"

enum http_phase {
    HTTP_SHAKING,   /* TLS is not there yet, nor the proxy's word on who it is */
    HTTP_IDLE,      /* no byte of a request is there */
    HTTP_HEAD,      /* from its first byte; `exchange` is ours */
    HTTP_BODY,      /* its head was found good */
    HTTP_BUSY,      /* the handler has the exchange; what comes in waits */
    HTTP_ANSWERING, /* until the answer is with the kernel */
    HTTP_LINGERING, /* half-closed; what still comes in is dropped, so that no reset
                       overtakes the answer */
};

struct http_progress {
    enum http_phase phase;
    int64_t since_ms;          /* the phase's beginning, steady time */
    int64_t request_since_ms;  /* HEAD, BODY: the request's first byte */
    uint64_t body_bytes;       /* BODY: so many are there */
    int64_t draining_since_ms; /* the server is to end; 0: it is not */
    bool trusted;              /* a request of it has shown who it is */
};

/* What is left at `now_ms`; 0 or less: nothing. Not of BUSY, whose deadline is the handler's. */
int64_t http_phase_left_ms(const struct http_progress *, const struct http_limits *,
                           int64_t now_ms);

/* Whether it is the peer for whom we wait. */
bool http_phase_waits(enum http_phase);

/* What is 0 in the limits becomes what http_server.h says. */
void http_phase_fill_in(struct http_limits *);
