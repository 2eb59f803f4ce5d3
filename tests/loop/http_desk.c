#include "http_desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "net/address.h"
#include "net/tls.h"

struct desk desk;

static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static char certificate[64], private_key[64];
static struct ssl_ctx_st *client_tls;

/* ---- The handler ---- */

static bool on_head(void *arg, const struct http_head *head, struct http_answer *refusal) {
    (void)arg;
    refusal->status = 404;
    refusal->body = text_of("{}");
    return !text_is(head->path, "/refused");
}

void desk_answer_first(void) {
    struct http_exchange *exchange = desk.held[0];
    struct string body = {0};
    string_addf(&body, "%.*s %.*s %.*s", TEXT_ARG(http_exchange_method(exchange)),
                TEXT_ARG(http_exchange_path(exchange)), TEXT_ARG(http_exchange_body(exchange)));
    while (body.size < desk.answer_bytes)
        string_add_char(&body, 'x');
    memmove(desk.held, desk.held + 1, --desk.held_count * sizeof *desk.held);
    http_exchange_answer(
        &exchange,
        &(struct http_answer){.status = 200, .body = string_text(&body), .trusted = desk.trusts});
    assert_null(exchange);
    string_finish(&body);
}

static void on_later(void *arg) {
    (void)arg;
    while (desk.held_count)
        desk_answer_first();
}

static void on_body(void *arg, struct http_exchange *exchange, struct text piece) {
    (void)arg;
    (void)exchange;
    string_add(&desk.pieces, piece);
}

static void on_request(void *arg, struct http_exchange *exchange) {
    (void)arg;
    desk.held[desk.held_count++] = exchange;
    desk.request_count++;
    if (desk.when == DESK_NOW)
        desk_answer_first();
    else if (desk.when == DESK_LATER)
        loop_timer_set(desk.later, 1);
}

static void on_fault(void *arg, const struct http_exchange *exchange, enum http_fault fault,
                     struct text peer, struct http_answer *answer) {
    (void)exchange;
    (void)peer;
    static const int statuses[HTTP_FAULTS] = {
        [HTTP_FAULT_MALFORMED] = 400,      [HTTP_FAULT_HEAD_TOO_LARGE] = 431,
        [HTTP_FAULT_BODY_TOO_LARGE] = 413, [HTTP_FAULT_TOO_SLOW] = 503,
        [HTTP_FAULT_CROWDED] = 503,        [HTTP_FAULT_DISPLACED] = 503,
        [HTTP_FAULT_UNPROXIED] = 400,
    };
    (void)arg;
    desk.fault_counts[fault]++;
    answer->status = statuses[fault];
    answer->body = text_of("{\"status\":\"refused\"}");
    answer->retry_after_s = fault == HTTP_FAULT_CROWDED ? 7 : 0;
}

/* ---- The house of each test ---- */

static int port_of(int descriptor) {
    struct string address = {0};
    address_format_bound(descriptor, &address);
    int bound = atoi(strrchr(address.data, ':') + 1);
    string_finish(&address);
    return bound;
}

static void open_server(struct http_limits limits) {
    struct http_handler handler = {
        .on_head = on_head, .on_body = on_body, .on_request = on_request, .on_fault = on_fault};
    struct string why = {0};
    limits.body_bytes = DESK_LIMIT;
    desk.server = http_server_create(house_loop, &handler, &limits);
    int descriptor = desk.beside ? address_listen_beside(text_of("127.0.0.1:0"), &why)
                                 : address_listen(text_of("127.0.0.1:0"), &why);
    assert_true(descriptor >= 0);
    desk.port = port_of(descriptor);
    struct ssl_ctx_st *tls = NULL;
    if (desk.encrypted) {
        tls = tls_server_create(certificate, private_key, NULL, &why);
        assert_non_null(tls);
    }
    http_server_listen_as(desk.server, &(struct http_listener){.descriptor = descriptor,
                                                               .tls = tls,
                                                               .proxied = desk.proxied,
                                                               .beside = desk.beside});
}

static void close_server(void) {
    http_server_destroy(desk.server);
    desk.server = NULL;
}

int desk_set_up(void **state) {
    (void)state;
    house_open();
    desk.later = loop_timer_create(house_loop, on_later, NULL);
    desk.when = DESK_NOW;
    desk.held_count = desk.request_count = desk.answer_bytes = 0;
    desk.trusts = desk.proxied = desk.beside = false;
    memset(desk.fault_counts, 0, sizeof desk.fault_counts);
    open_server((struct http_limits){0});
    return 0;
}

int desk_tear_down(void **state) {
    (void)state;
    close_server();
    while (desk.held_count)
        desk_answer_first();
    loop_timer_destroy(desk.later);
    string_finish(&desk.pieces);
    house_close();
    return 0;
}

/* In place of the usual one. */
void desk_reopen(struct http_limits limits) {
    close_server();
    open_server(limits);
}

struct peer *desk_connect(void) {
    return peer_connect(desk.port, desk.encrypted ? client_tls : NULL);
}

struct peer *desk_connect_after(struct text preface) {
    struct peer *peer = peer_connect(desk.port, NULL);
    peer_send_text(peer, preface);
    peer_flush(peer);
    if (desk.encrypted)
        peer_start_tls(peer, client_tls);
    return peer;
}

bool desk_is_empty(void *arg) {
    (void)arg;
    return http_server_connections(desk.server) == 0;
}

static bool is_held(void *arg) {
    return desk.held_count >= *(size_t *)arg;
}

void desk_wait_held(size_t count) {
    house_wait(is_held, &count);
}

void desk_assert_answer(struct peer *peer, int status, const char *body) {
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body.data, body);
    answer_finish(&answer);
}

void desk_assert_still_serves(void) {
    desk.when = DESK_NOW;
    struct peer *peer = desk_connect();
    peer_send(peer, GET);
    desk_assert_answer(peer, 200, "GET /a ");
    peer_hang_up(&peer);
    house_wait(desk_is_empty, NULL);
    assert_int_equal(http_server_body_bytes(desk.server), 0);
}

/* Refused with this status, in a way that the client can read; closed after that. */
void desk_assert_refused(const char *request, int status) {
    struct peer *peer = desk_connect();
    peer_send(peer, request);
    struct answer answer = peer_answer(peer, true);
    if (answer.status != status)
        fail_msg("%d for %s", answer.status, request);
    assert_true(answer.close);
    answer_finish(&answer);
    peer_wait_end(peer);
    assert_false(peer->reset);
    assert_int_equal(peer->got.size, 0);
    peer_hang_up(&peer);
    house_wait(desk_is_empty, NULL);
    assert_int_equal(http_server_body_bytes(desk.server), 0);
}

/* ---- Both worlds ---- */

static void make_certificate(void) {
    struct string why = {0};
    if (!mkdtemp(folder))
        abort();
    snprintf(certificate, sizeof certificate, "%s/crt", folder);
    snprintf(private_key, sizeof private_key, "%s/key", folder);
    if (!tls_make_self_signed(certificate, private_key, &why))
        abort();
    client_tls = tls_client_create(certificate, &why);
}

static void remove_certificate(void) {
    tls_destroy(client_tls);
    unlink(certificate);
    unlink(private_key);
    rmdir(folder);
}

/* A process' first handshake is slow, under valgrind more than a second: it shall not
 * come in a test of time. */
static void warm_up(void) {
    desk_set_up(NULL);
    desk_assert_still_serves();
    desk_tear_down(NULL);
}

int desk_run(int (*plain)(void), int (*with_tls)(void)) {
    make_certificate();
    int failed = plain();
    desk.encrypted = true;
    warm_up();
    failed += with_tls();
    remove_certificate();
    return failed;
}
