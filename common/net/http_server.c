#include "net/http_server.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/http_room.h"

enum {
    /* libevent accepts until nobody waits any more, and somebody always may. */
    ACCEPTED_AT_ONCE = 64,
    /* Full, it accepts so many and then none for so long, which is some 400 a second: whoever tries
     * again and again costs a few hundredths of a processor, and yet nobody stands in the kernel's
     * queue (address.c) for longer than Kula waits. Who is told that it is too many costs more:
     * there it is one at a time. */
    ACCEPTED_WHEN_FULL = 5,
    BREATHER_MS = 10,
    /* Who draws near when we hide from others has arrived by then: a handshake ends with a
     * message of the peer's, and where the net needs more than this for it, much else fails. It
     * is less than the second after which a peer that heard nothing tries again. */
    LEAVE_MS = 500,
    /* A body whose request came less than this ago is probably on its way. */
    MOMENT_MS = 1000,
};

const char *http_fault_name(enum http_fault fault) {
    static const char *const names[HTTP_FAULTS] = {
        [HTTP_FAULT_MALFORMED] = "malformed",
        [HTTP_FAULT_HEAD_TOO_LARGE] = "head_too_large",
        [HTTP_FAULT_BODY_TOO_LARGE] = "body_too_large",
        [HTTP_FAULT_TOO_SLOW] = "too_slow",
        [HTTP_FAULT_CROWDED] = "crowded",
        [HTTP_FAULT_DISPLACED] = "displaced",
        [HTTP_FAULT_UNPROXIED] = "unproxied",
    };
    assert(fault < HTTP_FAULTS);
    return names[fault];
}

/* ---- Who comes in, and who has to go ---- */

static bool is_full(const struct http_server *server) {
    size_t admitted = server->connection_count - server->crowd_count;
    return server->limits.connections && admitted >= server->limits.connections;
}

static void take_breath(struct http_server *server, int64_t ms) {
    server->accepted = 0;
    for (size_t i = 0; i < server->listener_count; i++)
        http_gate_pause(server->listeners[i].gate);
    loop_timer_set(server->breather, ms);
}

static void on_breather_over(void *arg) {
    struct http_server *server = arg;
    for (size_t i = 0; i < server->listener_count; i++)
        http_gate_resume(server->listeners[i].gate);
}

/* Of all strangers the one that has kept us waiting for longest, or NULL. */
static struct http_connection *longest_waiting(const struct http_server *server) {
    struct http_connection *shaking = TAILQ_FIRST(&server->shaking);
    struct http_connection *waiting = TAILQ_FIRST(&server->waiting);
    if (!shaking || !waiting)
        return shaking ? shaking : waiting;
    return shaking->line_since_ms < waiting->line_since_ms ? shaking : waiting;
}

static struct http_connection *to_displace(const struct http_server *server, bool full) {
    if (full)
        return longest_waiting(server);
    if (server->limits.handshakes && server->shaking_count >= server->limits.handshakes)
        return TAILQ_FIRST(&server->shaking);
    return NULL;
}

/* NULL: so many are being told that they are too many that this one is not. */
static void *on_accept(void *arg, struct http_gate *gate) {
    struct http_server *server = arg;
    bool full = is_full(server);
    struct http_connection *displaced = to_displace(server, full);
    bool crowded = full && !displaced;
    if (full)
        server->full_ms = clock_steady_ms();
    if (crowded || ++server->accepted >= (full ? ACCEPTED_WHEN_FULL : ACCEPTED_AT_ONCE))
        take_breath(server, full ? BREATHER_MS : 0);
    if (displaced) {
        http_connection_tell(server, displaced->exchange, HTTP_FAULT_DISPLACED, displaced->peer);
        http_connection_cut(displaced);
    }
    if (crowded && server->crowd_count >= HTTP_SERVER_CROWD) {
        char peer[ADDRESS_BYTES];
        http_gate_format_peer(gate, peer);
        http_connection_tell(server, NULL, HTTP_FAULT_CROWDED, peer);
        return NULL;
    }
    return http_connection_create(server, gate, crowded);
}

static uint64_t still_to_come(const struct http_connection *connection) {
    return connection->exchange->charged - connection->progress.body_bytes;
}

static struct http_connection *body_to_displace(const struct http_server *server,
                                                uint64_t for_bytes) {
    struct http_connection *connection, *most = NULL;
    int64_t before_ms = clock_steady_ms() - MOMENT_MS;
    TAILQ_FOREACH (connection, &server->waiting, next) {
        if (connection->progress.phase != HTTP_BODY)
            continue;
        if (connection->progress.since_ms < before_ms)
            return connection;
        if (still_to_come(connection) > (most ? still_to_come(most) : for_bytes))
            most = connection;
    }
    return most;
}

bool http_server_displace_body(struct http_server *server, uint64_t for_bytes) {
    struct http_connection *connection = body_to_displace(server, for_bytes);
    if (connection)
        http_connection_refuse(connection, HTTP_FAULT_DISPLACED);
    return connection;
}

static const struct http_gate_events gate_events = {
    .on_accept = on_accept,
    .on_unproxied = http_connection_on_unproxied,
    .on_open = http_connection_on_open,
    .on_read = http_connection_on_read,
    .on_written = http_connection_on_written,
    .on_broken = http_connection_on_broken,
    .on_end = http_connection_on_end,
    .on_gone = http_connection_on_gone,
};

/* ---- The server ---- */

static void on_empty(void *arg) {
    struct http_server *server = arg;
    if (server->on_empty)
        server->on_empty(server->on_empty_arg);
}

static void stop_listening(struct http_server *server) {
    loop_timer_cancel(server->breather);
    for (size_t i = 0; i < server->listener_count; i++)
        http_gate_stop_listening(server->listeners[i].gate);
}

static void on_left(void *arg) {
    struct http_server *server = arg;
    stop_listening(server);
    if (server->connection_count == 0)
        loop_timer_set(server->empty, 0);
}

struct http_server *http_server_create(struct loop *loop, const struct http_handler *handler,
                                       const struct http_limits *limits) {
    struct http_server *server = memory_new(sizeof *server);
    server->loop = loop;
    server->handler = *handler;
    server->limits = *limits;
    http_phase_fill_in(&server->limits);
    server->breather = loop_timer_create(loop, on_breather_over, server);
    server->leaving = loop_timer_create(loop, on_left, server);
    server->empty = loop_timer_create(loop, on_empty, server);
    LIST_INIT(&server->connections);
    LIST_INIT(&server->exchanges);
    TAILQ_INIT(&server->shaking);
    TAILQ_INIT(&server->waiting);
    return server;
}

void http_server_listen_as(struct http_server *server, const struct http_listener *listener) {
    size_t count = server->listener_count + 1;
    server->listeners = memory_resize(server->listeners, count * sizeof *server->listeners);
    server->listeners[server->listener_count++] = (struct http_listening){
        .gate = http_gate_listen(server->loop, listener->descriptor, listener->tls,
                                 listener->proxied, &gate_events, server),
        .beside = listener->beside,
    };
}

void http_server_set_tls(struct http_server *server, size_t listener, struct ssl_ctx_st *tls) {
    assert(listener < server->listener_count);
    http_gate_set_tls(server->listeners[listener].gate, tls);
}

void http_server_listen(struct http_server *server, int descriptor, struct ssl_ctx_st *tls) {
    http_server_listen_as(server, &(struct http_listener){.descriptor = descriptor, .tls = tls});
}

/* A listener that is closed resets whom it has not accepted yet, so one beside others first sees
 * to it that nobody comes any more. Any other is closed at once: where another process has the
 * descriptor too, who waits there is that one's. */
static void leave(struct http_server *server) {
    bool later = false;
    for (size_t i = 0; i < server->listener_count; i++) {
        if (server->listeners[i].beside)
            http_gate_hide(server->listeners[i].gate);
        else
            http_gate_stop_listening(server->listeners[i].gate);
        later = later || server->listeners[i].beside;
    }
    loop_timer_set(server->leaving, later ? LEAVE_MS : 0);
}

void http_server_drain(struct http_server *server, loop_fn *fn, void *arg) {
    assert(!server->draining_since_ms);
    server->draining_since_ms = clock_steady_ms();
    server->on_empty = fn;
    server->on_empty_arg = arg;
    leave(server);
    struct http_connection *next;
    for (struct http_connection *c = LIST_FIRST(&server->connections); c; c = next) {
        next = LIST_NEXT(c, entry);
        http_connection_drain(c);
    }
}

void http_server_destroy(struct http_server *server) {
    if (!server)
        return;
    while (!LIST_EMPTY(&server->connections))
        http_connection_cut(LIST_FIRST(&server->connections));
    while (!LIST_EMPTY(&server->exchanges)) {
        LIST_FIRST(&server->exchanges)->server = NULL;
        LIST_REMOVE(LIST_FIRST(&server->exchanges), entry);
    }
    for (size_t i = 0; i < server->listener_count; i++)
        http_gate_listener_destroy(server->listeners[i].gate);
    free(server->listeners);
    loop_timer_destroy(server->breather);
    loop_timer_destroy(server->leaving);
    loop_timer_destroy(server->empty);
    free(server);
}

size_t http_server_connections(const struct http_server *server) {
    return server->connection_count;
}

size_t http_server_body_bytes(const struct http_server *server) {
    return (size_t)server->body_bytes;
}
