/* What the handler does with its exchange, and how that comes and goes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/http_forwarded.h"
#include "net/http_room.h"

/* A connection's first request began when it was accepted: the sender's patience
 * did. One that was opened in advance, and left unused for so long that the sender
 * would have given up, began with its first byte. */
static int64_t request_began(const struct http_connection *connection) {
    int64_t now = clock_steady_ms();
    bool in_advance = now - connection->accepted_ms >= connection->server->limits.request_ms;
    return connection->answers || in_advance ? now : connection->accepted_ms;
}

/* Where the peer is a proxy of ours: the client that it says it speaks for. */
void http_exchange_find_client(struct http_exchange *exchange) {
    const struct http_limits *limits = &exchange->server->limits;
    struct text first, last, peer = text_of(exchange->peer);
    if (!http_forwarded_trusts(peer, limits->trusted_proxies, limits->trusted_proxy_count))
        return;
    http_guard_header(&exchange->guard, "X-Forwarded-For", &first, &last);
    struct text client =
        http_forwarded_client(last, limits->trusted_proxies, limits->trusted_proxy_count);
    if (client.size == 0 || client.size >= sizeof exchange->peer)
        return;
    memcpy(exchange->peer, client.data, client.size);
    exchange->peer[client.size] = '\0';
}

struct http_exchange *http_exchange_create(struct http_connection *connection) {
    struct http_exchange *exchange = memory_new(sizeof *exchange);
    exchange->server = connection->server;
    exchange->connection = connection;
    memcpy(exchange->peer, connection->peer, sizeof exchange->peer);
    http_guard_init(&exchange->guard, connection->server->limits.body_bytes);
    LIST_INSERT_HEAD(&connection->server->exchanges, exchange, entry);
    return exchange;
}

void http_exchange_begin(struct http_exchange *exchange) {
    exchange->since_ms = request_began(exchange->connection);
}

void http_exchange_charge(struct http_exchange *exchange) {
    const struct http_guard *guard = &exchange->guard;
    exchange->charged = guard->chunked ? exchange->server->limits.body_bytes : guard->length;
    exchange->server->body_bytes += exchange->charged;
}

void http_exchange_destroy(struct http_exchange *exchange) {
    if (!exchange)
        return;
    if (exchange->connection)
        exchange->connection->exchange = NULL;
    if (exchange->server) {
        exchange->server->body_bytes -= exchange->charged;
        LIST_REMOVE(exchange, entry);
    }
    if (exchange->attached)
        exchange->finish_attached(exchange->attached);
    http_guard_finish(&exchange->guard);
    free(exchange);
}

/* An answer to HEAD tells the length of a body that does not follow. */
bool http_exchange_is_head(const struct http_exchange *exchange) {
    return text_is(http_guard_method(&exchange->guard), "HEAD");
}

struct text http_exchange_method(const struct http_exchange *exchange) {
    return http_guard_method(&exchange->guard);
}

struct text http_exchange_path(const struct http_exchange *exchange) {
    return http_guard_path(&exchange->guard);
}

struct text http_exchange_header(const struct http_exchange *exchange, const char *name) {
    struct text first, last;
    http_guard_header(&exchange->guard, name, &first, &last);
    return first;
}

bool http_exchange_header_twice(const struct http_exchange *exchange, const char *name) {
    struct text first, last;
    return http_guard_header(&exchange->guard, name, &first, &last) > 1;
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

bool http_exchange_is_trusted(const struct http_exchange *exchange) {
    return exchange->connection && exchange->connection->progress.trusted;
}

void http_exchange_attach(struct http_exchange *exchange, void *attached, void (*finish)(void *)) {
    assert(!exchange->attached && attached);
    exchange->attached = attached;
    exchange->finish_attached = finish;
}

void *http_exchange_attached(const struct http_exchange *exchange) {
    return exchange->attached;
}

void http_exchange_answer(struct http_exchange **taken, const struct http_answer *wanted) {
    struct http_exchange *exchange = *taken;
    struct http_connection *connection = exchange->connection;
    *taken = NULL;
    if (connection) {
        assert(connection->progress.phase == HTTP_BUSY);
        http_connection_answer(connection, wanted, http_exchange_is_head(exchange));
    }
    http_exchange_destroy(exchange);
}
