/* What server, connection and exchange know of each other. For http_*.c alone. */
#pragma once
#include <sys/queue.h>

#include "net/http_gate.h"
#include "net/http_guard.h"
#include "net/http_phase.h"

TAILQ_HEAD(http_line, http_connection);

struct http_connection {
    LIST_ENTRY(http_connection) entry; /* of http_server.connections */
    TAILQ_ENTRY(http_connection) next; /* of `line` */
    struct http_line *line;            /* where it stands to be displaced, or NULL */
    struct http_server *server;
    struct http_gate *gate;
    struct http_exchange *exchange; /* HEAD, BODY, BUSY; IDLE: for empty lines; else NULL */
    struct loop_timer *deadline;
    struct http_progress progress;
    int64_t accepted_ms;
    int64_t line_since_ms;
    int64_t overdue_ms; /* steady time: when the phase's time first was up; 0: it was not */
    int64_t answers;
    bool crowded; /* over the limit: it will only be told so */
    bool last;    /* close after this answer */
    bool ended;   /* the peer sends no more, but may still read */
    char peer[ADDRESS_BYTES];
};

struct http_exchange {
    LIST_ENTRY(http_exchange) entry;    /* of http_server.exchanges */
    struct http_server *server;         /* NULL: it has gone */
    struct http_connection *connection; /* NULL: the peer has gone */
    struct http_guard guard;
    uint64_t charged; /* of http_server.body_bytes */
    int64_t since_ms;
    char peer[ADDRESS_BYTES];
    void *attached;
    void (*finish_attached)(void *attached);
};

struct http_listening {
    struct http_gate_listener *gate;
    bool beside;
};

struct http_server {
    struct loop *loop;
    struct http_handler handler;
    struct http_limits limits;
    struct http_listening *listeners;
    size_t listener_count;
    LIST_HEAD(http_connection_list, http_connection) connections;
    LIST_HEAD(http_exchange_list, http_exchange) exchanges; /* being read, or the handler's */
    struct http_line shaking; /* strangers without TLS yet, the longest waiting first */
    struct http_line waiting; /* other strangers that we wait for, in the same order */
    size_t shaking_count;
    size_t connection_count;
    size_t connection_peak; /* since memory was last given back */
    size_t crowd_count;
    size_t accepted;      /* since it last took breath */
    int64_t overdue_ms;   /* when a deadline was last past; steady */
    size_t overdue_count; /* and how many were in that millisecond */
    uint64_t body_bytes;
    int64_t draining_since_ms; /* steady time; 0: it is not to end */
    int64_t full_ms; /* steady time: when somebody last came and there was no room; 0: never */
    struct loop_timer *breather; /* set: no connection is accepted until it fires */
    struct loop_timer *leaving;  /* set: draining, and who had begun to connect still comes in */
    struct loop_timer *empty;
    loop_fn *on_empty;
    void *on_empty_arg;
};

/* The server's callbacks from the gate, but for on_accept. */
void http_connection_on_unproxied(void *connection);
void http_connection_on_open(void *connection);
void http_connection_on_read(void *connection);
void http_connection_on_written(void *connection);
void http_connection_on_broken(void *connection, const char *reason);
void http_connection_on_end(void *connection);
void http_connection_on_gone(void *connection);

struct http_connection *http_connection_create(struct http_server *, struct http_gate *,
                                               bool crowded);
/* Closes it at once; it is gone when this returns. */
void http_connection_cut(struct http_connection *);
/* The handler hears of a fault whose answer is not sent. */
void http_connection_tell(const struct http_server *, const struct http_exchange *, enum http_fault,
                          const char *peer);
void http_connection_refuse(struct http_connection *, enum http_fault);
void http_connection_answer(struct http_connection *, const struct http_answer *,
                            bool without_body);
void http_connection_drain(struct http_connection *);

struct http_exchange *http_exchange_create(struct http_connection *);
/* Its first byte is there. */
void http_exchange_begin(struct http_exchange *);
/* The head is there: for whom does a proxy speak? */
void http_exchange_find_client(struct http_exchange *);
/* The head is there, and good: its body counts from now on. */
void http_exchange_charge(struct http_exchange *);
bool http_exchange_is_head(const struct http_exchange *);
/* Also when the connection or the server has gone before it; NULL is fine. */
void http_exchange_destroy(struct http_exchange *);
