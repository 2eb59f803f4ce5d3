/* The gate: one accepted connection, and what libevhtp does for it.
 *
 * libevhtp accepts, does TLS, holds the request that is being answered and
 * writes the answer. Its parser never reads from the net: right after accepting,
 * the gate takes the connection's callbacks over, so the bytes come to us, and
 * when a request has been found good libevhtp is handed a fixed one in its
 * place. So nothing that a stranger sends can meet what that parser lets pass,
 * and none of its callbacks can free a connection behind our back. It is never
 * paused either: it has nothing to read until we hand it something.
 *
 * The one file that names libevhtp. */
#pragma once
#include "net/address.h"
#include "net/http_server.h"

struct http_gate;          /* a connection */
struct http_gate_listener; /* and where it was accepted */

/* Each may close the gate that it is called for; nothing is called after on_gone. */
struct http_gate_events {
    /* What the other callbacks get; NULL: the connection is cut. */
    void *(*on_accept)(void *arg, struct http_gate *);
    loop_fn *on_unproxied; /* no PROXY protocol where there should be; it is closed next */
    loop_fn *on_open;      /* once, before any byte: TLS is there, or none is needed */
    loop_fn *on_read;      /* http_gate_input has something */
    loop_fn *on_written;   /* all that was to be written is with the kernel; may come more often */
    /* It is closed next; what TLS says of it, or NULL. */
    void (*on_broken)(void *owner, const char *reason);
    loop_fn *on_end;  /* the peer will send no more, but may still read */
    loop_fn *on_gone; /* once: cut, broken or closed; the gate is no more */
};

/* Takes descriptor and TLS context (NULL: plain); `events` must outlive it. `proxied`: each
 * connection begins with the PROXY protocol, before TLS. */
struct http_gate_listener *http_gate_listen(struct loop *, int descriptor, struct ssl_ctx_st *,
                                            bool proxied, const struct http_gate_events *,
                                            void *arg);
/* For connections that are accepted from now on; takes it. Only where it had one. */
void http_gate_set_tls(struct http_gate_listener *, struct ssl_ctx_st *);
void http_gate_pause(struct http_gate_listener *); /* accepts nobody, until */
void http_gate_resume(struct http_gate_listener *);
/* Nobody who begins to connect gets here any more; who has begun already is still accepted. */
void http_gate_hide(struct http_gate_listener *);
void http_gate_stop_listening(
    struct http_gate_listener *); /* for good; the others do nothing then */
void http_gate_listener_destroy(struct http_gate_listener *); /* after its gates */

/* The peer's address, or, once it is open, the one that a proxy has told. */
void http_gate_format_peer(const struct http_gate *, char text[ADDRESS_BYTES]);

/* Has its peer sent a byte that TLS has read? */
bool http_gate_has_begun(const struct http_gate *);

/* What has arrived and was not consumed: one piece of it, empty where there is none. */
struct text http_gate_input(struct http_gate *);
/* Has something arrived, here or in the kernel, that on_read is still to tell of? */
bool http_gate_has_more(const struct http_gate *);
void http_gate_consume(struct http_gate *, size_t bytes);

/* A request: libevhtp holds one from admit until settle, which needs the answer written. */
void http_gate_admit(struct http_gate *);
void http_gate_continue(struct http_gate *); /* "100 Continue", before admit */
void http_gate_answer(struct http_gate *, const struct http_answer *, bool without_body);
void http_gate_settle(struct http_gate *);

void http_gate_half_close(struct http_gate *); /* we have said all */
void http_gate_close(struct http_gate *);
