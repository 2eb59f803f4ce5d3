#include "net/http_server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/http_gate.h"
#include "net/http_guard.h"

enum {
    REQUEST_MS = 10 * 1000,
    IDLE_MS = 60 * 1000,
    DRAIN_MS = 1000,
};

/* A connection goes
 *
 *    SHAKING ─▶ IDLE ─▶ READING ─▶ BUSY ─▶ ANSWERING ─▶ LINGERING ─▶ gone
 *                ▲        │ refused            │ ▲
 *                │        └────────────────────┼─┘
 *                └────── kept alive ───────────┘
 *
 * and from anywhere to gone. Each phase but BUSY has a deadline; enter() is the
 * one function that moves it. */
enum phase {
    SHAKING,   /* TLS is not there yet */
    IDLE,      /* no byte of a request is there */
    READING,   /* the guard reads; `exchange` is ours */
    BUSY,      /* the handler has the exchange; what comes in waits */
    ANSWERING, /* until the answer is with the kernel */
    LINGERING, /* half-closed; what still comes in is dropped, so that no reset
                  overtakes the answer */
};

struct connection {
    LIST_ENTRY(connection) entry; /* of http_server.connections */
    struct http_server *server;
    struct http_gate *gate;
    struct http_exchange *exchange; /* READING, BUSY; else NULL */
    struct loop_timer *deadline;
    int64_t accepted_ms;
    enum phase phase;
    bool crowded; /* over the limit: it will only be told so */
    bool served;  /* has had an answer */
    bool last;    /* close after this answer */
    bool ended;   /* the peer sends no more, but may still read */
    char peer[ADDRESS_BYTES];
};

struct http_exchange {
    LIST_ENTRY(http_exchange) entry; /* of http_server.exchanges */
    struct http_server *server;      /* NULL: it has gone */
    struct connection *connection;   /* NULL: the peer has gone */
    struct http_guard guard;
    uint64_t charged; /* of http_server.body_bytes */
    int64_t since_ms;
    char peer[ADDRESS_BYTES];
};

struct http_server {
    struct loop *loop;
    struct http_handler handler;
    struct http_limits limits;
    struct http_gate_listener **listeners;
    size_t listener_count;
    LIST_HEAD(connection_list, connection) connections;
    LIST_HEAD(exchange_list, http_exchange) exchanges; /* being read, or the handler's */
    size_t connection_count;
    size_t crowd_count;
    uint64_t body_bytes;
    bool draining;
    struct loop_timer *empty;
    loop_fn *on_empty;
    void *on_empty_arg;
};

const char *http_fault_name(enum http_fault fault) {
    static const char *const names[HTTP_FAULTS] = {
        [HTTP_FAULT_MALFORMED] = "malformed",
        [HTTP_FAULT_HEAD_TOO_LARGE] = "head_too_large",
        [HTTP_FAULT_BODY_TOO_LARGE] = "body_too_large",
        [HTTP_FAULT_TOO_SLOW] = "too_slow",
        [HTTP_FAULT_CROWDED] = "crowded",
    };
    assert(fault < HTTP_FAULTS);
    return names[fault];
}

/* ---- Exchanges ---- */

/* A connection's first request began when it was accepted: the sender's patience
 * did. One that was opened in advance, and left unused for so long that the sender
 * would have given up, began with its first byte. */
static int64_t request_began(const struct connection *connection) {
    int64_t now = clock_steady_ms();
    bool in_advance = now - connection->accepted_ms >= connection->server->limits.request_ms;
    return connection->served || in_advance ? now : connection->accepted_ms;
}

static struct http_exchange *exchange_create(struct connection *connection) {
    struct http_exchange *exchange = memory_new(sizeof *exchange);
    exchange->server = connection->server;
    exchange->connection = connection;
    exchange->since_ms = request_began(connection);
    memcpy(exchange->peer, connection->peer, sizeof exchange->peer);
    http_guard_init(&exchange->guard, connection->server->limits.body_bytes);
    LIST_INSERT_HEAD(&connection->server->exchanges, exchange, entry);
    return exchange;
}

static void exchange_charge(struct http_exchange *exchange) {
    const struct http_guard *guard = &exchange->guard;
    exchange->charged = guard->chunked ? guard->body_limit : guard->length;
    exchange->server->body_bytes += exchange->charged;
}

/* An answer to HEAD tells the length of a body that does not follow. */
static bool is_head(const struct http_exchange *exchange) {
    return text_is(http_guard_method(&exchange->guard), "HEAD");
}

/* Also when the connection or the server has gone before it. */
static void exchange_destroy(struct http_exchange *exchange) {
    if (!exchange)
        return;
    if (exchange->connection)
        exchange->connection->exchange = NULL;
    if (exchange->server) {
        exchange->server->body_bytes -= exchange->charged;
        LIST_REMOVE(exchange, entry);
    }
    http_guard_finish(&exchange->guard);
    free(exchange);
}

/* ---- Moving a connection on ---- */

static int64_t time_allowed(const struct connection *connection, enum phase phase) {
    const struct http_limits *limits = &connection->server->limits;
    switch (phase) {
    case IDLE:
        return connection->server->draining ? limits->drain_ms : limits->idle_ms;
    case LINGERING:
        return limits->drain_ms;
    case SHAKING:
    case READING: /* entered with the first byte */
    case BUSY:
    case ANSWERING:
        break;
    }
    return limits->request_ms;
}

static void enter(struct connection *connection, enum phase phase) {
    connection->phase = phase;
    if (phase == BUSY) /* whose deadline is the handler's */
        loop_timer_cancel(connection->deadline);
    else
        loop_timer_set(connection->deadline, time_allowed(connection, phase));
}

static void cut(struct connection *connection) {
    http_gate_close(connection->gate); /* and on_gone cleans up */
}

static void answer(struct connection *connection, const struct http_answer *wanted,
                   bool without_body) {
    struct http_answer sent = *wanted;
    sent.close = connection->last = wanted->close || connection->last;
    enter(connection, ANSWERING);
    http_gate_answer(connection->gate, &sent, without_body);
}

/* What is there of the request is dropped, and what still comes will be. */
static void refuse(struct connection *connection, const struct http_answer *refusal) {
    bool without_body = connection->exchange && is_head(connection->exchange);
    exchange_destroy(connection->exchange);
    connection->last = true;
    http_gate_admit(connection->gate);
    answer(connection, refusal, without_body);
}

static void refuse_fault(struct connection *connection, enum http_fault fault) {
    const struct http_handler *handler = &connection->server->handler;
    struct http_answer refusal = {0};
    handler->on_fault(handler->arg, fault, &refusal);
    refuse(connection, &refusal);
}

static void on_deadline(void *arg) {
    struct connection *connection = arg;
    /* Only what has begun a request waits for an answer. */
    if (connection->phase == READING && http_guard_begun(&connection->exchange->guard))
        refuse_fault(connection, HTTP_FAULT_TOO_SLOW);
    else
        cut(connection);
}

/* ---- Reading ---- */

/* The head is there: may the body come? */
static void judge_head(struct connection *connection) {
    const struct http_handler *handler = &connection->server->handler;
    const struct http_guard *guard = &connection->exchange->guard;
    struct http_head head = {
        .method = http_guard_method(guard),
        .path = http_guard_path(guard),
        .has_length = !guard->chunked,
        .body_bytes = guard->length,
    };
    struct http_answer refusal = {0};
    if (!handler->on_head(handler->arg, &head, &refusal)) {
        refuse(connection, &refusal);
        return;
    }
    exchange_charge(connection->exchange);
    bool body_comes = guard->chunked || guard->length;
    if (guard->expects_continue && body_comes && http_gate_input(connection->gate).size == 0)
        http_gate_continue(connection->gate);
}

static void hand_over(struct connection *connection) {
    const struct http_handler *handler = &connection->server->handler;
    connection->last = connection->exchange->guard.close;
    http_gate_admit(connection->gate);
    enter(connection, BUSY);
    handler->on_request(handler->arg, connection->exchange);
}

static bool is_reading(const struct connection *connection) {
    return connection->phase == IDLE || connection->phase == READING;
}

static void begin(struct connection *connection) {
    connection->exchange = exchange_create(connection);
    enter(connection, READING);
}

/* Feeds the guard what has arrived, piece by piece, up to the end of a request:
 * a pipelined one waits in the gate until this one is answered. */
static void read_on(struct connection *connection) {
    enum http_guard_verdict verdict = HTTP_GUARD_MORE;
    while (is_reading(connection)) {
        struct text input = http_gate_input(connection->gate);
        if (input.size == 0 && verdict != HTTP_GUARD_HEAD)
            break;
        if (connection->phase == IDLE)
            begin(connection);
        struct text rest = input;
        verdict = http_guard_feed(&connection->exchange->guard, &rest);
        http_gate_consume(connection->gate, input.size - rest.size);
        if (verdict == HTTP_GUARD_REFUSED)
            refuse_fault(connection, connection->exchange->guard.fault);
        else if (verdict == HTTP_GUARD_HEAD)
            judge_head(connection);
        else if (verdict == HTTP_GUARD_WHOLE)
            hand_over(connection);
    }
    if (is_reading(connection) && connection->ended)
        cut(connection); /* the rest will never come */
}

static void drop_input(struct connection *connection) {
    for (struct text input; (input = http_gate_input(connection->gate)).size;)
        http_gate_consume(connection->gate, input.size);
}

static void on_read(void *arg) {
    struct connection *connection = arg;
    if (connection->phase == LINGERING)
        drop_input(connection);
    else
        read_on(connection);
}

static void on_end(void *arg) {
    struct connection *connection = arg;
    connection->ended = true;
    if (connection->phase == SHAKING || connection->phase == LINGERING)
        cut(connection);
    else
        read_on(connection);
}

/* ---- The answer has been written ---- */

static void linger(struct connection *connection) {
    http_gate_half_close(connection->gate);
    enter(connection, LINGERING);
    drop_input(connection);
}

static void on_written(void *arg) {
    struct connection *connection = arg;
    if (connection->phase != ANSWERING)
        return;
    if (connection->last && connection->ended) {
        cut(connection);
    } else if (connection->last) {
        linger(connection);
    } else {
        http_gate_settle(connection->gate);
        connection->served = true;
        enter(connection, IDLE);
        read_on(connection);
    }
}

/* ---- Coming and going ---- */

static bool is_crowded(const struct http_server *server) {
    size_t admitted = server->connection_count - server->crowd_count;
    return server->limits.connections && admitted >= server->limits.connections;
}

/* NULL: so many are being told that they are too many that this one is not. */
static void *on_accept(void *arg, struct http_gate *gate) {
    struct http_server *server = arg;
    bool crowded = is_crowded(server);
    if (crowded && server->crowd_count >= HTTP_SERVER_CROWD) {
        struct http_answer unsent = {0};
        server->handler.on_fault(server->handler.arg, HTTP_FAULT_CROWDED, &unsent);
        return NULL;
    }
    struct connection *connection = memory_new(sizeof *connection);
    connection->server = server;
    connection->gate = gate;
    connection->crowded = crowded;
    connection->accepted_ms = clock_steady_ms();
    connection->deadline = loop_timer_create(server->loop, on_deadline, connection);
    http_gate_format_peer(gate, connection->peer);
    server->connection_count++;
    server->crowd_count += crowded;
    LIST_INSERT_HEAD(&server->connections, connection, entry);
    enter(connection, SHAKING);
    return connection;
}

static void on_open(void *arg) {
    struct connection *connection = arg;
    if (connection->crowded)
        refuse_fault(connection, HTTP_FAULT_CROWDED);
    else
        enter(connection, IDLE); /* libevent tells of TLS before it tells of bytes */
}

static void on_gone(void *arg) {
    struct connection *connection = arg;
    struct http_server *server = connection->server;
    if (connection->phase == BUSY)
        connection->exchange->connection = NULL; /* the handler answers it, to nobody */
    else
        exchange_destroy(connection->exchange);
    LIST_REMOVE(connection, entry);
    server->connection_count--;
    server->crowd_count -= connection->crowded;
    loop_timer_destroy(connection->deadline);
    free(connection);
    if (server->draining && server->connection_count == 0)
        loop_timer_set(server->empty, 0);
}

static const struct http_gate_events gate_events = {
    .on_accept = on_accept,
    .on_open = on_open,
    .on_read = on_read,
    .on_written = on_written,
    .on_end = on_end,
    .on_gone = on_gone,
};

/* ---- The server ---- */

static void on_empty(void *arg) {
    struct http_server *server = arg;
    if (server->on_empty)
        server->on_empty(server->on_empty_arg);
}

struct http_server *http_server_create(struct loop *loop, const struct http_handler *handler,
                                       const struct http_limits *limits) {
    struct http_server *server = memory_new(sizeof *server);
    server->loop = loop;
    server->handler = *handler;
    server->limits = *limits;
    if (!server->limits.request_ms)
        server->limits.request_ms = REQUEST_MS;
    if (!server->limits.idle_ms)
        server->limits.idle_ms = IDLE_MS;
    if (!server->limits.drain_ms)
        server->limits.drain_ms = DRAIN_MS;
    server->empty = loop_timer_create(loop, on_empty, server);
    LIST_INIT(&server->connections);
    LIST_INIT(&server->exchanges);
    return server;
}

void http_server_listen(struct http_server *server, int descriptor, struct ssl_ctx_st *tls) {
    size_t count = server->listener_count + 1;
    server->listeners = memory_resize(server->listeners, count * sizeof *server->listeners);
    server->listeners[server->listener_count++] =
        http_gate_listen(server->loop, descriptor, tls, &gate_events, server);
}

void http_server_set_tls(struct http_server *server, size_t listener, struct ssl_ctx_st *tls) {
    assert(listener < server->listener_count);
    http_gate_set_tls(server->listeners[listener], tls);
}

/* A connection that has not been used yet is given a moment: its request is
 * probably on the way. */
static void drain_idle(struct connection *connection) {
    bool unused = http_gate_input(connection->gate).size == 0;
    if (connection->served && unused)
        cut(connection);
    else
        enter(connection, IDLE);
}

void http_server_drain(struct http_server *server, loop_fn *fn, void *arg) {
    assert(!server->draining);
    server->draining = true;
    server->on_empty = fn;
    server->on_empty_arg = arg;
    for (size_t i = 0; i < server->listener_count; i++)
        http_gate_stop_listening(server->listeners[i]);
    if (server->connection_count == 0)
        loop_timer_set(server->empty, 0);
    struct connection *next;
    for (struct connection *c = LIST_FIRST(&server->connections); c; c = next) {
        next = LIST_NEXT(c, entry);
        if (c->phase == IDLE)
            drain_idle(c);
    }
}

void http_server_destroy(struct http_server *server) {
    if (!server)
        return;
    while (!LIST_EMPTY(&server->connections))
        cut(LIST_FIRST(&server->connections));
    while (!LIST_EMPTY(&server->exchanges)) {
        LIST_FIRST(&server->exchanges)->server = NULL;
        LIST_REMOVE(LIST_FIRST(&server->exchanges), entry);
    }
    for (size_t i = 0; i < server->listener_count; i++)
        http_gate_listener_destroy(server->listeners[i]);
    free(server->listeners);
    loop_timer_destroy(server->empty);
    free(server);
}

size_t http_server_connections(const struct http_server *server) {
    return server->connection_count;
}

size_t http_server_body_bytes(const struct http_server *server) {
    return (size_t)server->body_bytes;
}

/* ---- What the handler does with its exchange ---- */

struct text http_exchange_method(const struct http_exchange *exchange) {
    return http_guard_method(&exchange->guard);
}

struct text http_exchange_path(const struct http_exchange *exchange) {
    return http_guard_path(&exchange->guard);
}

struct text http_exchange_header(const struct http_exchange *exchange, const char *name) {
    struct text first;
    http_guard_header(&exchange->guard, name, &first);
    return first;
}

bool http_exchange_header_twice(const struct http_exchange *exchange, const char *name) {
    struct text first;
    return http_guard_header(&exchange->guard, name, &first) > 1;
}

struct text http_exchange_body(const struct http_exchange *exchange) {
    return http_guard_body(&exchange->guard);
}

struct text http_exchange_peer(const struct http_exchange *exchange) {
    return text_of(exchange->peer);
}

int64_t http_exchange_since_ms(const struct http_exchange *exchange) {
    return exchange->since_ms;
}

void http_exchange_answer(struct http_exchange **taken, const struct http_answer *wanted) {
    struct http_exchange *exchange = *taken;
    struct connection *connection = exchange->connection;
    *taken = NULL;
    if (connection) {
        assert(connection->phase == BUSY);
        connection->last = connection->last || connection->server->draining;
        answer(connection, wanted, is_head(exchange));
    }
    exchange_destroy(exchange);
}
