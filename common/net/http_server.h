/* An HTTP/1.1 server on the loop: listeners, connections, exchanges.
 *
 * libevhtp accepts, keeps requests and writes answers, but never sees a byte
 * from the net: http_guard reads them, and lets through one whole, unambiguous,
 * size-limited message at a time, with `chunked` already decoded. http_gate
 * knows libevhtp's ways; nobody above it does.
 *
 * An exchange is one request and our one answer to it. The handler owns it
 * until it answers, now or much later, exactly once; the answer ends it. If
 * the peer has gone meanwhile, the answer goes nowhere, quietly: nobody above
 * asks whether the peer is still there. */
#pragma once
#include "base/text.h"
#include "net/loop.h"

/* How many connections over the limit are told so; more are cut. */
enum { HTTP_SERVER_CROWD = 256 };

struct http_server;
struct http_exchange;
struct network;
struct ssl_ctx_st;

enum http_fault {
    HTTP_FAULT_MALFORMED,      /* ambiguous or broken */
    HTTP_FAULT_HEAD_TOO_LARGE, /* over 16 KiB or 100 headers */
    HTTP_FAULT_BODY_TOO_LARGE, /* told by Content-Length, or seen while chunks arrive */
    HTTP_FAULT_TOO_SLOW,       /* not whole 10 s after its first byte, or its body too slow */
    HTTP_FAULT_CROWDED,        /* over the connections allowed */
    HTTP_FAULT_DISPLACED,      /* unfinished, and another one needed the room */
    HTTP_FAULT_UNPROXIED,      /* no PROXY protocol, on a listener that wants it */
    HTTP_FAULTS
};
const char *http_fault_name(enum http_fault);

/* What to answer. Texts are borrowed for the call. */
struct http_answer {
    int status;
    struct text body;
    const char *content_type; /* NULL: application/json */
    const char *allow;        /* the Allow header, or NULL */
    int retry_after_s;        /* 0: no such header */
    bool close;               /* close the connection after it */
    bool trusted;             /* the request has shown who it is: its connection is not displaced */
};

/* A request's head, once it is there and before its body is read. */
struct http_head {
    struct http_exchange *exchange; /* for its headers and its peer, and to attach to */
    struct text method;
    struct text path;    /* without the query */
    bool has_length;     /* false: chunked */
    uint64_t body_bytes; /* what Content-Length says; 0 where there is neither */
};

struct http_handler {
    void *arg;
    /* True to read on. False: *refusal is answered, the connection closed, the body never read. */
    bool (*on_head)(void *arg, const struct http_head *, struct http_answer *refusal);
    /* A piece of the body, chunks decoded, as it arrives; NULL: only the whole is wanted. */
    void (*on_body)(void *arg, struct http_exchange *, struct text piece);
    /* The whole request is there; the handler now owns the exchange. */
    void (*on_request)(void *arg, struct http_exchange *);
    /* The gate refuses; the handler chooses the answer. `close` is taken as true. Where nobody
     * can be told any more, it is not sent. The exchange, NULL before a request's first byte, is
     * for what was attached to it. */
    void (*on_fault)(void *arg, const struct http_exchange *, enum http_fault, struct text peer,
                     struct http_answer *);
    /* A TLS handshake was begun and came to nothing; NULL: nobody wants to know. */
    void (*on_unshaken)(void *arg, struct text peer, const char *reason);
};

struct http_limits {
    size_t body_bytes;  /* a body of exactly this passes */
    size_t connections; /* 0: no limit */
    size_t handshakes;  /* under way at once; 0: no limit */
    /* Whose X-Forwarded-For is believed, for http_exchange_peer; borrowed. */
    const struct network *trusted_proxies;
    size_t trusted_proxy_count;
    /* 0: what stands here. Other values are for tests. */
    int64_t request_ms; /* 10 s: a TLS handshake, a request, the writing of an answer */
    int64_t body_ms;    /* 8 s of that for the body, and more as it comes: */
    int64_t body_rate;  /* 16 KiB earn a second */
    int64_t idle_ms;    /* 60 s */
    int64_t drain_ms;   /* 1 s: for what still comes in after a last answer */
    int64_t hurry_ms;   /* 2 s: while draining, for a stranger's handshake, its head, its body */
    int64_t age_ms;     /* 1 h: an older connection is closed with its next answer, */
    int64_t requests;   /* and any after 1000 answers */
};

struct http_server *http_server_create(struct loop *, const struct http_handler *,
                                       const struct http_limits *);
/* Takes both: the listening descriptor, and the TLS context (NULL: plain HTTP). */
void http_server_listen(struct http_server *, int descriptor, struct ssl_ctx_st *);
/* What may be special about a listener. */
struct http_listener {
    int descriptor;         /* both are taken, as above */
    struct ssl_ctx_st *tls; /* NULL: plain HTTP */
    /* It is behind a proxy that says first, by the PROXY protocol (version 1 or 2), whom it
     * speaks for. That goes into logs and nowhere else. */
    bool proxied;
    /* From address_listen_beside: another process may listen there too, and who connects
     * while we drain is left to it. Not for a descriptor that another process has too. */
    bool beside;
};
void http_server_listen_as(struct http_server *, const struct http_listener *);
/* Takes another context for the listener that was the nth to be listened on, from 0, and
 * is not plain; open connections stay as they are. */
void http_server_set_tls(struct http_server *, size_t listener, struct ssl_ctx_st *);

/* Drain: no new connection is accepted, but for half a second, `beside` others, those that were
 * about to come. Idle ones have drain_ms for a last request, since one may be on its way, and are
 * then closed; one that has shown nobody who it is has hurry_ms for its handshake, for its head,
 * and for its body besides what that earns; answers still to come carry "Connection: close".
 * on_empty comes once, later, when the last connection has gone. */
void http_server_drain(struct http_server *, loop_fn *on_empty, void *arg);
/* Cuts what is left; exchanges stay answerable, to nobody. Not from within a handler's callback. */
void http_server_destroy(struct http_server *);

size_t http_server_connections(const struct http_server *);
/* Bytes of bodies that are held or still to come: of Content-Length as soon as
 * on_head has said yes, of chunked ones the limit, until they are answered. */
size_t http_server_body_bytes(const struct http_server *);
/* Makes room for a body of so many bytes: refuses the request whose body has been coming in for
 * longest, of those that have shown nobody who they are and have had a moment; where all have come
 * just now, the one that owes most, if that is more than this one's. False where there is none. */
bool http_server_displace_body(struct http_server *, uint64_t for_bytes);

struct text http_exchange_method(const struct http_exchange *);
struct text http_exchange_path(const struct http_exchange *);
struct text http_exchange_header(const struct http_exchange *,
                                 const char *name); /* empty if absent */
bool http_exchange_header_twice(const struct http_exchange *, const char *name);
struct text http_exchange_body(const struct http_exchange *); /* one piece; until answered */
struct text http_exchange_peer(const struct http_exchange *); /* "10.1.2.3:4567", or as a proxy of
                                                                 ours has told it; for logs */
/* Whether an earlier request over its connection has shown who it is. */
bool http_exchange_is_trusted(const struct http_exchange *);
/* From on_head on: something of the handler's that ends with the exchange. */
void http_exchange_attach(struct http_exchange *, void *, void (*finish)(void *));
void *http_exchange_attached(const struct http_exchange *); /* or NULL */
/* Steady time of the request's first byte; on a connection's first request, of its
 * acceptance, unless it was opened long (request_ms) before it was used. */
int64_t http_exchange_since_ms(const struct http_exchange *);
void http_exchange_answer(struct http_exchange **, const struct http_answer *); /* takes it */
