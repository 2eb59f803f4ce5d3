/* A connection: from one phase to the next, reading requests and writing answers. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/http_room.h"

enum {
    PEAK_LEAST = 256, /* fewer leave no memory behind that is worth giving back */
    LATELY_FULL_MS = 60 * 1000,
    CATCH_UP_MS = 1000,
    OVERDUE_IN_A_MS = 8, /* some 50 us each */
};

/* ---- Moving a connection on ---- */

static struct http_line *line_of(struct http_connection *connection) {
    struct http_server *server = connection->server;
    enum http_phase phase = connection->progress.phase;
    if (phase == HTTP_BUSY || connection->progress.trusted || connection->crowded)
        return NULL;
    return phase == HTTP_SHAKING ? &server->shaking : &server->waiting;
}

/* It keeps its place as long as it stays in the same line. */
static void stand_in(struct http_connection *connection, struct http_line *line) {
    struct http_server *server = connection->server;
    if (connection->line == line)
        return;
    if (connection->line)
        TAILQ_REMOVE(connection->line, connection, next);
    if (line)
        TAILQ_INSERT_TAIL(line, connection, next);
    server->shaking_count -= connection->line == &server->shaking;
    server->shaking_count += line == &server->shaking;
    connection->line = line;
    connection->line_since_ms = connection->progress.since_ms;
}

static void set_deadline(struct http_connection *connection) {
    loop_timer_set(
        connection->deadline,
        http_phase_left_ms(&connection->progress, &connection->server->limits, clock_steady_ms()));
}

/* The one function that changes the phase. */
static void enter(struct http_connection *connection, enum http_phase phase) {
    connection->progress.phase = phase;
    connection->progress.since_ms = clock_steady_ms();
    connection->progress.draining_since_ms = connection->server->draining_since_ms;
    connection->progress.body_bytes = 0;
    connection->overdue_ms = 0;
    stand_in(connection, line_of(connection));
    if (phase == HTTP_BUSY)
        loop_timer_cancel(connection->deadline);
    else
        set_deadline(connection);
}

void http_connection_cut(struct http_connection *connection) {
    http_gate_close(connection->gate); /* and on_gone cleans up */
}

/* A connection is not kept for ever: so whoever balances them gets to do it again. But where
 * there was a crowd at the door lately, an honest sender that is sent away may not get in again. */
static bool is_used_up(const struct http_connection *connection) {
    const struct http_server *server = connection->server;
    int64_t now_ms = clock_steady_ms();
    if (server->draining_since_ms)
        return true;
    if (connection->progress.trusted && server->full_ms &&
        now_ms - server->full_ms < LATELY_FULL_MS)
        return false;
    return connection->answers >= server->limits.requests ||
           now_ms - connection->accepted_ms >= server->limits.age_ms;
}

void http_connection_answer(struct http_connection *connection, const struct http_answer *wanted,
                            bool without_body) {
    struct http_answer sent = *wanted;
    connection->answers++;
    connection->progress.trusted = connection->progress.trusted || wanted->trusted;
    connection->last = connection->last || wanted->close || is_used_up(connection);
    sent.close = connection->last;
    enter(connection, HTTP_ANSWERING);
    http_gate_answer(connection->gate, &sent, without_body);
}

void http_connection_tell(const struct http_server *server, const struct http_exchange *exchange,
                          enum http_fault fault, const char *peer) {
    struct http_answer unsent = {0};
    server->handler.on_fault(server->handler.arg, exchange, fault, text_of(peer), &unsent);
}

/* What is there of the request is dropped, and what still comes will be. */
static void refuse(struct http_connection *connection, const struct http_answer *refusal) {
    bool without_body = connection->exchange && http_exchange_is_head(connection->exchange);
    http_exchange_destroy(connection->exchange);
    connection->last = true;
    http_gate_admit(connection->gate);
    http_connection_answer(connection, refusal, without_body);
}

void http_connection_refuse(struct http_connection *connection, enum http_fault fault) {
    const struct http_handler *handler = &connection->server->handler;
    const struct http_exchange *exchange = connection->exchange;
    struct http_answer refusal = {0};
    handler->on_fault(handler->arg, exchange, fault,
                      text_of(exchange ? exchange->peer : connection->peer), &refusal);
    refuse(connection, &refusal);
}

/* Who only connects and leaves, as health checks do, has done nothing wrong. */
static void tell_unshaken(const struct http_connection *connection, const char *reason) {
    const struct http_handler *handler = &connection->server->handler;
    if (connection->progress.phase == HTTP_SHAKING && handler->on_unshaken &&
        http_gate_has_begun(connection->gate))
        handler->on_unshaken(handler->arg, text_of(connection->peer), reason);
}

static void cut_unshaken(struct http_connection *connection, const char *reason) {
    tell_unshaken(connection, reason);
    http_connection_cut(connection);
}

/* Only what has begun a request waits for an answer. */
static bool has_begun(const struct http_connection *connection) {
    enum http_phase phase = connection->progress.phase;
    return phase == HTTP_HEAD || phase == HTTP_BODY;
}

/* What has arrived was sent in time, if it was we who stood still. It is read first, but not for
 * ever: whoever goes on sending would go on being waited for. */
static bool has_arrived(struct http_connection *connection) {
    int64_t now_ms = clock_steady_ms();
    if (connection->progress.phase == HTTP_SHAKING || !http_phase_waits(connection->progress.phase))
        return false;
    if (!connection->overdue_ms)
        connection->overdue_ms = now_ms;
    return now_ms - connection->overdue_ms < CATCH_UP_MS && http_gate_has_more(connection->gate);
}

/* Who came at once is overdue at once: not all of them in one turn of the loop. */
static bool has_to_queue(struct http_server *server) {
    int64_t now_ms = clock_steady_ms();
    if (server->overdue_ms != now_ms)
        server->overdue_count = 0;
    server->overdue_ms = now_ms;
    return ++server->overdue_count > OVERDUE_IN_A_MS;
}

static void on_deadline(void *arg) {
    struct http_connection *connection = arg;
    /* What has come may have earned it more; and the loop counts from when its turn began. */
    if (http_phase_left_ms(&connection->progress, &connection->server->limits, clock_steady_ms()) >
        0)
        set_deadline(connection);
    else if (has_to_queue(connection->server))
        loop_timer_set(connection->deadline, 1);
    else if (has_arrived(connection))
        loop_timer_set(connection->deadline, 0); /* then it was read */
    else if (has_begun(connection))
        http_connection_refuse(connection, HTTP_FAULT_TOO_SLOW);
    else
        cut_unshaken(connection, "it did not end in time");
}

/* ---- Reading ---- */

/* The head is there: may the body come? */
static void judge_head(struct http_connection *connection) {
    const struct http_handler *handler = &connection->server->handler;
    struct http_exchange *exchange = connection->exchange;
    const struct http_guard *guard = &exchange->guard;
    struct http_head head = {
        .exchange = exchange,
        .method = http_guard_method(guard),
        .path = http_guard_path(guard),
        .has_length = !guard->chunked,
        .body_bytes = guard->length,
    };
    struct http_answer refusal = {0};
    http_exchange_find_client(exchange);
    if (!handler->on_head(handler->arg, &head, &refusal)) {
        refuse(connection, &refusal);
        return;
    }
    http_exchange_charge(exchange);
    bool body_comes = guard->chunked || guard->length;
    if (!body_comes)
        return;
    enter(connection, HTTP_BODY);
    if (guard->expects_continue && http_gate_input(connection->gate).size == 0)
        http_gate_continue(connection->gate);
}

static void take_body(struct http_connection *connection, size_t had) {
    const struct http_handler *handler = &connection->server->handler;
    struct text body = http_guard_body(&connection->exchange->guard);
    connection->progress.body_bytes = body.size;
    if (handler->on_body && body.size > had)
        handler->on_body(handler->arg, connection->exchange,
                         text_slice(body.data + had, body.size - had));
}

static void hand_over(struct http_connection *connection) {
    const struct http_handler *handler = &connection->server->handler;
    connection->last = connection->exchange->guard.close;
    http_gate_admit(connection->gate);
    enter(connection, HTTP_BUSY);
    handler->on_request(handler->arg, connection->exchange);
}

static bool is_reading(const struct http_connection *connection) {
    enum http_phase phase = connection->progress.phase;
    return phase == HTTP_IDLE || phase == HTTP_HEAD || phase == HTTP_BODY;
}

static void begin(struct http_connection *connection) {
    http_exchange_begin(connection->exchange);
    enter(connection, HTTP_HEAD);
    connection->progress.request_since_ms = connection->progress.since_ms;
}

/* What has arrived goes to the guard, up to where it comes to a verdict. */
static enum http_guard_verdict feed(struct http_connection *connection, struct text input) {
    struct http_guard *guard = &connection->exchange->guard;
    size_t had = http_guard_body(guard).size;
    struct text rest = input;
    enum http_guard_verdict verdict = http_guard_feed(guard, &rest);
    http_gate_consume(connection->gate, input.size - rest.size);
    /* Some clients end a body with an empty line, long before the next request. */
    if (connection->progress.phase == HTTP_IDLE && http_guard_begun(guard))
        begin(connection);
    take_body(connection, had);
    return verdict;
}

/* Piece by piece, up to the end of a request: a pipelined one waits in the gate
 * until this one is answered. */
static void read_on(struct http_connection *connection) {
    enum http_guard_verdict verdict = HTTP_GUARD_MORE;
    while (is_reading(connection)) {
        struct text input = http_gate_input(connection->gate);
        if (input.size == 0 && verdict != HTTP_GUARD_HEAD)
            break;
        if (!connection->exchange)
            connection->exchange = http_exchange_create(connection);
        verdict = feed(connection, input);
        if (verdict == HTTP_GUARD_REFUSED)
            http_connection_refuse(connection, connection->exchange->guard.fault);
        else if (verdict == HTTP_GUARD_HEAD)
            judge_head(connection);
        else if (verdict == HTTP_GUARD_WHOLE)
            hand_over(connection);
    }
    if (is_reading(connection) && connection->ended)
        http_connection_cut(connection); /* the rest will never come */
}

static void drop_input(struct http_connection *connection) {
    for (struct text input; (input = http_gate_input(connection->gate)).size;)
        http_gate_consume(connection->gate, input.size);
}

void http_connection_on_read(void *arg) {
    struct http_connection *connection = arg;
    if (connection->progress.phase == HTTP_LINGERING)
        drop_input(connection);
    else
        read_on(connection);
}

void http_connection_on_end(void *arg) {
    struct http_connection *connection = arg;
    enum http_phase phase = connection->progress.phase;
    connection->ended = true;
    if (phase == HTTP_SHAKING || phase == HTTP_LINGERING)
        cut_unshaken(connection, "the peer left");
    else
        read_on(connection);
}

void http_connection_on_broken(void *arg, const char *reason) {
    tell_unshaken(arg, reason ? reason : "the peer left");
}

/* ---- The answer has been written ---- */

static void linger(struct http_connection *connection) {
    http_gate_half_close(connection->gate);
    enter(connection, HTTP_LINGERING);
    drop_input(connection);
}

void http_connection_on_written(void *arg) {
    struct http_connection *connection = arg;
    if (connection->progress.phase != HTTP_ANSWERING)
        return;
    if (connection->last && connection->ended) {
        http_connection_cut(connection);
    } else if (connection->last) {
        linger(connection);
    } else {
        http_gate_settle(connection->gate);
        enter(connection, HTTP_IDLE);
        read_on(connection);
    }
}

/* ---- Coming and going ---- */

struct http_connection *http_connection_create(struct http_server *server, struct http_gate *gate,
                                               bool crowded) {
    struct http_connection *connection = memory_new(sizeof *connection);
    connection->server = server;
    connection->gate = gate;
    connection->crowded = crowded;
    connection->accepted_ms = clock_steady_ms();
    connection->deadline = loop_timer_create(server->loop, on_deadline, connection);
    http_gate_format_peer(gate, connection->peer);
    server->connection_count++;
    if (server->connection_count > server->connection_peak)
        server->connection_peak = server->connection_count;
    server->crowd_count += crowded;
    LIST_INSERT_HEAD(&server->connections, connection, entry);
    enter(connection, HTTP_SHAKING);
    return connection;
}

/* Nobody would understand an answer. */
void http_connection_on_unproxied(void *arg) {
    const struct http_connection *connection = arg;
    http_connection_tell(connection->server, NULL, HTTP_FAULT_UNPROXIED, connection->peer);
}

void http_connection_on_open(void *arg) {
    struct http_connection *connection = arg;
    http_gate_format_peer(connection->gate, connection->peer); /* a proxy may have told another */
    if (connection->crowded)
        http_connection_refuse(connection, HTTP_FAULT_CROWDED);
    else
        enter(connection, HTTP_IDLE); /* libevent tells of TLS before it tells of bytes */
}

/* After a crowd: else the most that was ever needed would stay ours. */
static void give_back_memory(struct http_server *server) {
    if (server->connection_peak < PEAK_LEAST ||
        server->connection_count > server->connection_peak / 4)
        return;
    server->connection_peak = server->connection_count;
    memory_give_back();
}

void http_connection_on_gone(void *arg) {
    struct http_connection *connection = arg;
    struct http_server *server = connection->server;
    if (connection->progress.phase == HTTP_BUSY)
        connection->exchange->connection = NULL; /* the handler answers it, to nobody */
    else
        http_exchange_destroy(connection->exchange);
    stand_in(connection, NULL);
    LIST_REMOVE(connection, entry);
    server->connection_count--;
    server->crowd_count -= connection->crowded;
    loop_timer_destroy(connection->deadline);
    free(connection);
    give_back_memory(server);
    if (server->draining_since_ms && server->connection_count == 0 &&
        !loop_timer_is_set(server->leaving))
        loop_timer_set(server->empty, 0);
}

/* An idle one is given a moment: a request may be on its way, and one that comes upon a closed
 * connection is a failure. */
void http_connection_drain(struct http_connection *connection) {
    enum http_phase phase = connection->progress.phase;
    connection->progress.draining_since_ms = connection->server->draining_since_ms;
    if (phase == HTTP_IDLE)
        enter(connection, HTTP_IDLE);
    else if (phase == HTTP_SHAKING || phase == HTTP_HEAD || phase == HTTP_BODY)
        set_deadline(connection);
}
