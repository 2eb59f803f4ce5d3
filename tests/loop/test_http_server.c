/* The front door, and everything that a client can do to it: plain and over TLS. */
#include "net/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "http_house.h"
#include "net/address.h"
#include "net/tls.h"

enum { LIMIT = 64 * 1024 };

#define GET     "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST    "POST /hook?x=y HTTP/1.1\r\nHost: a\r\nX-Name: v\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

/* How the handler answers what it gets. */
static enum { NOW, LATER, NEVER } when;

static bool encrypted; /* this run of the tests */
static char folder[] = "/tmp/kula-relay-test-XXXXXX";
static char certificate[64], private_key[64];
static struct ssl_ctx_st *client_tls;
static struct http_server *server;
static struct loop_timer *later;
static int port;
static struct http_exchange *held[16]; /* in the order they came */
static size_t held_count;
static size_t request_count;
static size_t fault_counts[HTTP_FAULTS];
static size_t answer_bytes; /* 0: the answer tells what was asked */
static bool is_empty;

/* ---- The handler ---- */

static bool on_head(void *arg, const struct http_head *head, struct http_answer *refusal) {
    (void)arg;
    refusal->status = 404;
    refusal->body = text_of("{}");
    return !text_is(head->path, "/refused");
}

static void answer_first(void) {
    struct http_exchange *exchange = held[0];
    struct string body = {0};
    string_addf(&body, "%.*s %.*s %.*s", TEXT_ARG(http_exchange_method(exchange)),
                TEXT_ARG(http_exchange_path(exchange)), TEXT_ARG(http_exchange_body(exchange)));
    while (body.size < answer_bytes)
        string_add_char(&body, 'x');
    memmove(held, held + 1, --held_count * sizeof *held);
    http_exchange_answer(&exchange,
                         &(struct http_answer){.status = 200, .body = string_text(&body)});
    assert_null(exchange);
    string_finish(&body);
}

static void on_later(void *arg) {
    (void)arg;
    while (held_count)
        answer_first();
}

static void on_request(void *arg, struct http_exchange *exchange) {
    (void)arg;
    held[held_count++] = exchange;
    request_count++;
    if (when == NOW)
        answer_first();
    else if (when == LATER)
        loop_timer_set(later, 1);
}

static void on_fault(void *arg, enum http_fault fault, struct http_answer *answer) {
    static const int statuses[HTTP_FAULTS] = {
        [HTTP_FAULT_MALFORMED] = 400,      [HTTP_FAULT_HEAD_TOO_LARGE] = 431,
        [HTTP_FAULT_BODY_TOO_LARGE] = 413, [HTTP_FAULT_TOO_SLOW] = 408,
        [HTTP_FAULT_CROWDED] = 503,
    };
    (void)arg;
    fault_counts[fault]++;
    answer->status = statuses[fault];
    answer->body = text_of("{\"status\":\"refused\"}");
    answer->retry_after_s = fault == HTTP_FAULT_CROWDED ? 7 : 0;
}

static void on_empty(void *arg) {
    (void)arg;
    assert_false(is_empty);
    is_empty = true;
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
    struct http_handler handler = {NULL, on_head, on_request, on_fault};
    struct string why = {0};
    limits.body_bytes = LIMIT;
    server = http_server_create(house_loop, &handler, &limits);
    int descriptor = address_listen(text_of("127.0.0.1:0"), &why);
    assert_true(descriptor >= 0);
    port = port_of(descriptor);
    struct ssl_ctx_st *tls = NULL;
    if (encrypted) {
        tls = tls_server_create(certificate, private_key, &why);
        assert_non_null(tls);
    }
    http_server_listen(server, descriptor, tls);
}

static void close_server(void) {
    http_server_destroy(server);
    server = NULL;
}

static int set_up(void **state) {
    (void)state;
    house_open();
    later = loop_timer_create(house_loop, on_later, NULL);
    when = NOW;
    held_count = request_count = answer_bytes = 0;
    is_empty = false;
    memset(fault_counts, 0, sizeof fault_counts);
    open_server((struct http_limits){0});
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    close_server();
    while (held_count)
        answer_first();
    loop_timer_destroy(later);
    house_close();
    return 0;
}

/* In place of the usual one. */
static void reopen_server(struct http_limits limits) {
    close_server();
    open_server(limits);
}

static struct peer *connect_peer(void) {
    return peer_connect(port, encrypted ? client_tls : NULL);
}

static bool nobody_is_connected(void *arg) {
    (void)arg;
    return http_server_connections(server) == 0;
}

static bool is_held(void *arg) {
    return held_count >= *(size_t *)arg;
}

static void wait_held(size_t count) {
    house_wait(is_held, &count);
}

static void assert_answer(struct peer *peer, int status, const char *body) {
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.status, status);
    assert_string_equal(answer.body.data, body);
    answer_finish(&answer);
}

static void assert_still_serves(void) {
    when = NOW;
    struct peer *peer = connect_peer();
    peer_send(peer, GET);
    assert_answer(peer, 200, "GET /a ");
    peer_hang_up(&peer);
    house_wait(nobody_is_connected, NULL);
    assert_int_equal(http_server_body_bytes(server), 0);
}

/* Refused with this status, in a way that the client can read; closed after that. */
static void assert_refused(const char *request, int status) {
    struct peer *peer = connect_peer();
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
    house_wait(nobody_is_connected, NULL);
    assert_int_equal(http_server_body_bytes(server), 0);
}

/* ---- Requests and answers ---- */

static void test_a_request_is_answered_at_once_or_later(void **state) {
    (void)state;
    for (when = NOW; when <= LATER; when++) {
        struct peer *peer = connect_peer();
        peer_send(peer, POST);
        struct answer answer = peer_answer(peer, true);
        assert_int_equal(answer.status, 200);
        assert_string_equal(answer.body.data, "POST /hook hello");
        assert_false(answer.close);
        assert_non_null(strstr(answer.head.data, "Content-Type: application/json\r\n"));
        answer_finish(&answer);
        peer_hang_up(&peer);
    }
}

static void test_a_request_in_single_bytes_is_the_same_request(void **state) {
    (void)state;
    struct peer *peer = connect_peer();
    peer_send_bytewise(peer, POST);
    assert_answer(peer, 200, "POST /hook hello");
    peer_send_bytewise(peer, CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    assert_answer(peer, 200, "POST /c hello");
}

static void test_chunks_are_joined(void **state) {
    (void)state;
    struct peer *peer = connect_peer();
    peer_send(peer, CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" GET);
    assert_answer(peer, 200, "POST /c hello!");
    assert_answer(peer, 200, "GET /a ");
}

static void test_a_uri_cut_anywhere_stays_whole(void **state) {
    (void)state;
    const char *request = "GET /hook/abcdefgh HTTP/1.1\r\nHost: a\r\n\r\n";
    struct peer *peer = connect_peer();
    for (size_t cut = 1; cut < 24; cut++) {
        peer_send_text(peer, text_slice(request, cut));
        peer_flush(peer);
        house_turn();
        peer_send(peer, request + cut);
        assert_answer(peer, 200, "GET /hook/abcdefgh ");
    }
}

static void test_pipelined_requests_are_answered_in_order(void **state) {
    (void)state;
    for (when = NOW; when <= LATER; when++) {
        struct peer *peer = connect_peer();
        for (int i = 0; i < 5; i++) {
            char request[128];
            snprintf(request, sizeof request,
                     "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nb%d\n", i, i);
            peer_send(peer, request);
        }
        for (int i = 0; i < 5; i++) {
            char body[32];
            snprintf(body, sizeof body, "POST /%d b%d\n", i, i);
            assert_answer(peer, 200, body);
        }
        peer_hang_up(&peer);
    }
}

static void test_one_request_of_a_connection_is_open_at_a_time(void **state) {
    (void)state;
    when = NEVER;
    struct peer *peer = connect_peer();
    peer_send(peer, POST POST);
    wait_held(1);
    house_pass(20);
    assert_int_equal(held_count, 1);
    answer_first();
    wait_held(1);
    answer_first();
    assert_answer(peer, 200, "POST /hook hello");
    assert_answer(peer, 200, "POST /hook hello");
}

static void test_a_connection_is_kept_for_a_hundred_requests(void **state) {
    (void)state;
    struct peer *peer = connect_peer();
    for (int i = 0; i < 100; i++) {
        when = i % 2 ? NOW : LATER;
        peer_send(peer, POST);
        assert_answer(peer, 200, "POST /hook hello");
        assert_int_equal(http_server_connections(server), 1);
    }
}

static void assert_closes_after(const char *request) {
    struct peer *peer = connect_peer();
    peer_send(peer, request);
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.status, 200);
    assert_true(answer.close);
    answer_finish(&answer);
    peer_wait_end(peer);
    assert_false(peer->reset);
    assert_int_equal(peer->got.size, 0);
    peer_hang_up(&peer);
}

static void test_a_connection_is_closed_where_the_client_wants_it(void **state) {
    (void)state;
    for (when = NOW; when <= LATER; when++) {
        assert_closes_after("GET / HTTP/1.0\r\n\r\n");
        assert_closes_after("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_closes_after("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_closes_after("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET);
    }
}

static void test_head_gets_the_length_and_no_body(void **state) {
    (void)state;
    struct peer *peer = connect_peer();
    peer_send(peer, "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer answer = peer_answer(peer, false);
    assert_non_null(strstr(answer.head.data, "Content-Length: 8\r\n"));
    answer_finish(&answer);
    peer_send(peer, GET);
    assert_answer(peer, 200, "GET /a ");
}

static void test_the_handler_sees_the_request_as_it_was(void **state) {
    (void)state;
    when = NEVER;
    int64_t before = clock_steady_ms();
    struct peer *peer = connect_peer();
    peer_send(peer, "POST /hook?x=y HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n");
    wait_held(1);
    assert_true(text_is(http_exchange_header(held[0], "x-A"), "1"));
    assert_true(http_exchange_header_twice(held[0], "X-A"));
    assert_false(http_exchange_header_twice(held[0], "X-B"));
    assert_int_equal(http_exchange_header(held[0], "X-C").size, 0);
    assert_int_equal(http_exchange_body(held[0]).size, 0);
    assert_true(text_starts(http_exchange_peer(held[0]), "127.0.0.1:"));
    assert_in_range(http_exchange_since_ms(held[0]), before, clock_steady_ms());
    answer_first();
    assert_int_equal(peer_status(peer), 200);
    house_pass(20);
    before = clock_steady_ms();
    peer_send(peer, GET);
    wait_held(1);
    assert_in_range(http_exchange_since_ms(held[0]), before, clock_steady_ms());
}

static void test_a_long_answer_arrives_whole(void **state) {
    (void)state;
    answer_bytes = 8 * 1024 * 1024;
    struct peer *peer = connect_peer();
    peer->deaf = true;
    peer_send(peer, GET);
    peer_flush(peer);
    house_pass(20);
    peer->deaf = false;
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.body.size, answer_bytes);
    answer_finish(&answer);
    peer_send(peer, "GET / HTTP/1.0\r\n\r\n");
    answer = peer_answer(peer, true);
    assert_int_equal(answer.body.size, answer_bytes);
    answer_finish(&answer);
    peer_wait_end(peer);
    assert_false(peer->reset);
}

/* ---- Expect ---- */

static void test_continue_is_said_when_the_body_may_come(void **state) {
    (void)state;
    struct peer *peer = connect_peer();
    const char *head = "POST /hook HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                       "Content-Length: 5\r\n\r\n";
    peer_send(peer, head);
    assert_int_equal(peer_status(peer), 100);
    peer_send(peer, "hello");
    assert_answer(peer, 200, "POST /hook hello");
    /* Not where the body is there already. */
    peer_send(peer, head);
    peer_send(peer, "hello");
    assert_answer(peer, 200, "POST /hook hello");
}

static void test_continue_is_not_said_to_what_is_refused(void **state) {
    (void)state;
    assert_refused("POST /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 5\r\n\r\n",
                   404);
    assert_refused("POST /hook HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   "Content-Length: 99999999\r\n\r\n",
                   413);
}

static void test_another_expectation_is_ignored(void **state) {
    (void)state;
    struct peer *peer = connect_peer();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 5\r\n\r\n");
    peer_flush(peer);
    house_pass(10);
    assert_int_equal(peer->got.size, 0);
    peer_send(peer, "hello");
    assert_answer(peer, 200, "POST /hook hello");
}

/* ---- Refusals ---- */

static void test_what_is_ambiguous_gets_400_and_is_closed(void **state) {
    (void)state;
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello" GET,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" GET,
        CHUNKED "0\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        CHUNKED "5;a\r\nhello\r\n0\r\n\r\n" GET,
        "GET / HTTP/9.9\r\nHost: a\r\n\r\n" GET,
        "GET /\r\n" GET,
    };
    size_t count = sizeof requests / sizeof *requests;
    for (size_t i = 0; i < count; i++)
        assert_refused(requests[i], 400);
    assert_int_equal(fault_counts[HTTP_FAULT_MALFORMED], count);
    assert_int_equal(request_count, 0);
    assert_still_serves();
}

static void test_what_came_before_is_answered_first(void **state) {
    (void)state;
    for (when = NOW; when <= LATER; when++) {
        struct peer *peer = connect_peer();
        peer_send(peer, POST "nonsense\r\n" GET);
        assert_answer(peer, 200, "POST /hook hello");
        assert_int_equal(peer_status(peer), 400);
        peer_wait_end(peer);
        assert_false(peer->reset);
        peer_hang_up(&peer);
    }
}

static void test_a_head_too_large_gets_431(void **state) {
    (void)state;
    struct string request = {0};
    string_add_of(&request, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    while (request.size < 100 * 1000)
        string_add_char(&request, 'x');
    assert_refused(request.data, 431);
    string_finish(&request);
}

static void test_a_refused_head_is_answered_without_its_body(void **state) {
    (void)state;
    assert_refused("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 404);
    assert_refused("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET, 404);
    assert_int_equal(request_count, 0);
}

/* A client that only reads once it has sent all sees the answer too, not a reset. */
static void test_a_body_too_large_gets_413_that_the_client_sees(void **state) {
    (void)state;
    struct string request = {0};
    string_addf(&request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%0*d", LIMIT + 1,
                LIMIT + 1, 0);
    assert_refused(request.data, 413);
    string_clear(&request);
    string_addf(&request, CHUNKED "%x\r\n%0*d\r\n1\r\na\r\n0\r\n\r\n", (unsigned)LIMIT, LIMIT, 0);
    assert_refused(request.data, 413);
    assert_int_equal(request_count, 0);
    string_finish(&request);
}

static void test_a_body_of_exactly_the_limit_is_taken(void **state) {
    (void)state;
    struct string request = {0};
    string_addf(&request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%0*d", LIMIT,
                LIMIT, 0);
    string_addf(&request, CHUNKED "%x\r\n%0*d\r\n0\r\n\r\n", (unsigned)LIMIT, LIMIT, 0);
    struct peer *peer = connect_peer();
    peer_send(peer, request.data);
    assert_int_equal(peer_status(peer), 200);
    assert_int_equal(peer_status(peer), 200);
    string_finish(&request);
}

/* ---- Time ---- */

static void test_a_request_that_takes_too_long_gets_408(void **state) {
    (void)state;
    reopen_server((struct http_limits){.request_ms = 60});
    assert_refused("G", 408);
    assert_refused("POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", 408);
    struct peer *peer = connect_peer();
    peer_send(peer, POST);
    assert_int_equal(peer_status(peer), 200);
    house_pass(80); /* idle is not slow */
    peer_send(peer, GET "GET");
    assert_int_equal(peer_status(peer), 200);
    assert_int_equal(peer_status(peer), 408);
    assert_int_equal(fault_counts[HTTP_FAULT_TOO_SLOW], 3);
}

static bool has_answer_or_is_closed(void *arg) {
    struct peer *peer = arg;
    if (!peer->got.size && !peer_unsent(peer))
        peer_send(peer, "x");
    return peer->got.size || peer->ended;
}

static void test_single_bytes_do_not_buy_time(void **state) {
    (void)state;
    reopen_server((struct http_limits){.request_ms = 60});
    struct peer *peer = connect_peer();
    peer_send(peer, "GET / HTTP/1.1\r\nHost: ");
    int64_t before = clock_steady_ms();
    house_wait(has_answer_or_is_closed, peer);
    assert_int_equal(peer_status(peer), 408);
    assert_in_range(clock_steady_ms() - before, 50, 2000);
}

static void assert_closed_without_a_word(const char *request) {
    struct peer *peer = connect_peer();
    peer_send(peer, request);
    peer_wait_end(peer);
    assert_int_equal(peer->got.size, 0);
    assert_false(peer->reset);
    peer_hang_up(&peer);
}

static void test_idle_connections_are_closed_silently(void **state) {
    (void)state;
    reopen_server((struct http_limits){.request_ms = 1000, .idle_ms = 40});
    assert_closed_without_a_word("");
    struct peer *peer = connect_peer();
    peer_send(peer, GET);
    assert_int_equal(peer_status(peer), 200);
    peer_wait_end(peer);
    assert_int_equal(peer->got.size, 0);
    reopen_server((struct http_limits){.request_ms = 40});
    assert_closed_without_a_word("\r\n\r\n"); /* no request either */
    assert_int_equal(fault_counts[HTTP_FAULT_TOO_SLOW], 0);
}

static void test_a_connection_opened_in_advance_is_no_slow_request(void **state) {
    (void)state;
    reopen_server((struct http_limits){.request_ms = 60});
    struct peer *peer = connect_peer();
    house_pass(100);
    int64_t before = clock_steady_ms();
    when = NEVER;
    peer_send(peer, GET);
    wait_held(1);
    assert_in_range(http_exchange_since_ms(held[0]), before, clock_steady_ms());
}

static void test_a_peer_that_does_not_read_is_cut(void **state) {
    (void)state;
    reopen_server((struct http_limits){.request_ms = 60});
    answer_bytes = 32 * 1024 * 1024;
    struct peer *peer = connect_peer();
    peer->deaf = true;
    peer_send(peer, GET);
    peer_flush(peer);
    house_pass(20);
    assert_int_equal(http_server_connections(server), 1);
    house_wait(nobody_is_connected, NULL);
}

static void test_an_unfinished_farewell_lasts_as_long_as_it_may(void **state) {
    (void)state;
    reopen_server((struct http_limits){.drain_ms = 60});
    struct peer *peer = connect_peer();
    peer_send(peer, "nonsense\r\n");
    assert_int_equal(peer_status(peer), 400);
    peer_wait_end(peer);
    assert_int_equal(http_server_connections(server), 1);
    int64_t before = clock_steady_ms();
    house_wait(nobody_is_connected, NULL);
    assert_in_range(clock_steady_ms() - before, 30, 2000);
}

/* ---- Peers that go ---- */

static void leave_after(const char *request, size_t bytes, bool reset) {
    struct peer *peer = connect_peer();
    peer_send_text(peer, text_slice(request, bytes));
    peer_flush(peer);
    if (bytes % 2)
        house_turn();
    if (reset)
        peer_reset(&peer);
    else
        peer_hang_up(&peer);
}

static void test_a_client_may_leave_after_any_byte(void **state) {
    (void)state;
    static const char *const requests[] = {POST GET, CHUNKED "2\r\nhe\r\n1\r\nl\r\n0\r\n\r\n",
                                           "POST / HTTP/1.1\r\nnonsense\r\n"};
    for (size_t r = 0; r < sizeof requests / sizeof *requests; r++)
        for (size_t bytes = 0; bytes <= strlen(requests[r]); bytes++) {
            when = bytes % 3 ? LATER : NOW;
            leave_after(requests[r], bytes, false);
            leave_after(requests[r], bytes, true);
            house_wait(nobody_is_connected, NULL);
        }
    assert_still_serves();
}

static void test_an_exchange_is_answered_though_nobody_is_there(void **state) {
    (void)state;
    when = NEVER;
    for (int reset = 0; reset <= 1; reset++) {
        struct peer *peer = connect_peer();
        peer_send(peer, POST);
        wait_held(1);
        assert_int_equal(http_server_body_bytes(server), 5);
        if (reset) {
            peer_reset(&peer);
            house_wait(nobody_is_connected, NULL);
        } else {
            peer_hang_up(&peer);
            house_pass(10);
        }
        assert_true(text_is(http_exchange_body(held[0]), "hello"));
        assert_int_equal(http_server_body_bytes(server), 5);
        answer_first();
        assert_int_equal(http_server_body_bytes(server), 0);
        house_wait(nobody_is_connected, NULL);
    }
    assert_still_serves();
}

static void test_an_exchange_outlives_its_server(void **state) {
    (void)state;
    when = NEVER;
    struct peer *stays = connect_peer();
    struct peer *goes = connect_peer();
    peer_send(stays, POST);
    peer_send(goes, POST);
    wait_held(2);
    peer_reset(&goes);
    house_pass(10);
    reopen_server((struct http_limits){0});
    peer_wait_end(stays);
    answer_first();
    answer_first();
    assert_still_serves();
}

static void test_a_half_closed_client_still_gets_its_answers(void **state) {
    (void)state;
    for (when = NOW; when <= LATER; when++) {
        struct peer *peer = connect_peer();
        peer_send(peer, POST GET);
        peer_half_close(peer);
        assert_answer(peer, 200, "POST /hook hello");
        assert_answer(peer, 200, "GET /a ");
        peer_wait_end(peer);
        assert_false(peer->reset);
        peer_hang_up(&peer);
        house_wait(nobody_is_connected, NULL);
    }
}

static void test_a_half_closed_client_gets_a_long_answer(void **state) {
    (void)state;
    answer_bytes = 8 * 1024 * 1024;
    struct peer *peer = connect_peer();
    peer->deaf = true;
    peer_send(peer, GET);
    peer_half_close(peer);
    house_pass(20);
    peer->deaf = false;
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.body.size, answer_bytes);
    answer_finish(&answer);
}

static void test_half_a_request_before_the_end_is_dropped(void **state) {
    (void)state;
    struct peer *peer = connect_peer();
    peer_send(peer, POST "POST /hook HT");
    peer_half_close(peer);
    assert_answer(peer, 200, "POST /hook hello");
    peer_wait_end(peer);
    assert_int_equal(peer->got.size, 0);
    assert_int_equal(request_count, 1);
}

/* ---- Bounds ---- */

static void test_bodies_are_counted_from_their_head_on(void **state) {
    (void)state;
    when = NEVER;
    struct peer *peer = connect_peer();
    peer_send(peer,
              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(peer_status(peer), 100);
    assert_int_equal(http_server_body_bytes(server), 500);
    struct peer *chunked = connect_peer();
    peer_send(chunked, CHUNKED "1\r\na\r\n0\r\n\r\n");
    wait_held(1);
    assert_int_equal(http_server_body_bytes(server), 500 + LIMIT);
    answer_first();
    assert_int_equal(http_server_body_bytes(server), 500);
    peer_hang_up(&peer);
    peer_hang_up(&chunked);
    house_wait(nobody_is_connected, NULL);
    assert_int_equal(http_server_body_bytes(server), 0);
}

static void test_what_a_client_sends_ahead_is_bounded(void **state) {
    (void)state;
    enum { FLOOD = 64 * 1024 * 1024 };
    when = NEVER;
    struct peer *peer = connect_peer();
    peer_send(peer, GET);
    wait_held(1);
    char *flood = malloc(FLOOD);
    memset(flood, 'x', FLOOD);
    peer_send_text(peer, text_slice(flood, FLOOD));
    free(flood);
    house_pass(100);
    assert_true(peer_unsent(peer) > FLOOD / 2);
    answer_first();
    assert_int_equal(peer_status(peer), 200);
    assert_int_equal(peer_status(peer), 431);
}

static void test_too_many_connections_are_told_so(void **state) {
    (void)state;
    reopen_server((struct http_limits){.connections = 2});
    struct peer *first = connect_peer();
    struct peer *second = connect_peer();
    peer_send(first, GET);
    peer_send(second, GET);
    assert_int_equal(peer_status(first), 200);
    assert_int_equal(peer_status(second), 200);
    struct peer *third = connect_peer();
    peer_send(third, POST);
    struct answer answer = peer_answer(third, true);
    assert_int_equal(answer.status, 503);
    assert_true(answer.close);
    assert_non_null(strstr(answer.head.data, "Retry-After: 7\r\n"));
    answer_finish(&answer);
    peer_wait_end(third);
    assert_false(third->reset);
    assert_int_equal(fault_counts[HTTP_FAULT_CROWDED], 1);
    peer_hang_up(&first);
    peer_hang_up(&second);
    peer_hang_up(&third);
    house_wait(nobody_is_connected, NULL);
    assert_still_serves();
}

static bool has_faults(void *arg) {
    (void)arg;
    return fault_counts[HTTP_FAULT_CROWDED] >= 1000;
}

static void test_a_flood_of_connections_holds_a_bounded_number(void **state) {
    (void)state;
    enum { FLOOD = 1001 };
    static struct peer *flood[FLOOD];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 3 * FLOOD)
        skip();
    reopen_server((struct http_limits){.connections = 1, .drain_ms = 60 * 1000});
    for (int i = 0; i < FLOOD; i++) {
        flood[i] = connect_peer();
        if (i % 50 == 0)
            house_turn();
    }
    if (!encrypted) /* with TLS, whoever is told has to shake hands first */
        house_wait(has_faults, NULL);
    else
        house_pass(200);
    assert_in_range(http_server_connections(server), 1, 1 + 256);
    for (int i = 0; i < FLOOD; i++)
        peer_hang_up(&flood[i]);
    house_wait(nobody_is_connected, NULL);
    assert_still_serves();
}

/* The descriptors that are free, taken. */
static size_t take_descriptors(int *taken, size_t most) {
    size_t count = 0;
    while (count < most && (taken[count] = dup(STDERR_FILENO)) >= 0)
        count++;
    return count;
}

static void test_running_out_of_descriptors_does_not_spin(void **state) {
    (void)state;
    static int taken[256];
    struct rlimit limit, low;
    getrlimit(RLIMIT_NOFILE, &limit);
    low = limit;
    low.rlim_cur = 128;
    setrlimit(RLIMIT_NOFILE, &low);
    struct peer *peer = connect_peer();
    size_t count = take_descriptors(taken, 256);
    peer_send(peer, GET);
    int turns = 0;
    for (int64_t until = clock_steady_ms() + 150; clock_steady_ms() < until; turns++)
        house_turn();
    assert_in_range(turns, 1, 1000);
    assert_int_equal(http_server_connections(server), 0);
    while (count)
        close(taken[--count]);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_answer(peer, 200, "GET /a ");
}

/* ---- Draining ---- */

static bool server_is_empty(void *arg) {
    (void)arg;
    return is_empty;
}

static void test_draining_lets_open_requests_end(void **state) {
    (void)state;
    struct peer *idle = connect_peer();
    struct peer *busy = connect_peer();
    struct peer *half = connect_peer();
    peer_send(idle, GET);
    assert_int_equal(peer_status(idle), 200);
    when = NEVER;
    peer_send(busy, POST);
    wait_held(1);
    peer_send(half, "GET /a HTTP/1.1\r\n");
    peer_flush(half);
    house_pass(10);
    http_server_drain(server, on_empty, NULL);
    peer_wait_end(idle);
    assert_false(idle->reset);
    assert_false(is_empty);
    answer_first();
    struct answer answer = peer_answer(busy, true);
    assert_int_equal(answer.status, 200);
    assert_true(answer.close);
    answer_finish(&answer);
    peer_wait_end(busy);
    peer_hang_up(&busy);
    when = LATER;
    peer_send(half, "Host: a\r\n\r\n");
    assert_answer(half, 200, "GET /a ");
    peer_wait_end(half);
    assert_false(is_empty);
    peer_hang_up(&half);
    house_wait(server_is_empty, NULL);
    house_pass(10); /* and only once */
    struct peer *late = connect_peer();
    peer_wait_end(late);
}

static void test_draining_an_empty_server_ends_later(void **state) {
    (void)state;
    http_server_drain(server, on_empty, NULL);
    assert_false(is_empty);
    house_wait(server_is_empty, NULL);
}

static bool is_connected(void *arg) {
    return http_server_connections(server) == 1 && ((struct peer *)arg)->shaken == encrypted;
}

static void test_draining_gives_a_new_connection_a_moment(void **state) {
    (void)state;
    reopen_server((struct http_limits){.drain_ms = 60});
    struct peer *peer = connect_peer();
    house_wait(is_connected, peer);
    house_pass(10);
    http_server_drain(server, on_empty, NULL);
    peer_send(peer, GET);
    assert_answer(peer, 200, "GET /a ");
    peer_wait_end(peer);
    house_wait(server_is_empty, NULL);
}

static void test_draining_does_not_wait_for_one_that_stays_unused(void **state) {
    (void)state;
    reopen_server((struct http_limits){.drain_ms = 60});
    struct peer *peer = connect_peer();
    house_wait(is_connected, peer);
    http_server_drain(server, on_empty, NULL);
    house_wait(server_is_empty, NULL);
    peer_wait_end(peer);
}

/* ---- Both worlds ---- */

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    TEST(test_a_request_is_answered_at_once_or_later),
    TEST(test_a_request_in_single_bytes_is_the_same_request),
    TEST(test_chunks_are_joined),
    TEST(test_a_uri_cut_anywhere_stays_whole),
    TEST(test_pipelined_requests_are_answered_in_order),
    TEST(test_one_request_of_a_connection_is_open_at_a_time),
    TEST(test_a_connection_is_kept_for_a_hundred_requests),
    TEST(test_a_connection_is_closed_where_the_client_wants_it),
    TEST(test_head_gets_the_length_and_no_body),
    TEST(test_the_handler_sees_the_request_as_it_was),
    TEST(test_a_long_answer_arrives_whole),
    TEST(test_continue_is_said_when_the_body_may_come),
    TEST(test_continue_is_not_said_to_what_is_refused),
    TEST(test_another_expectation_is_ignored),
    TEST(test_what_is_ambiguous_gets_400_and_is_closed),
    TEST(test_what_came_before_is_answered_first),
    TEST(test_a_head_too_large_gets_431),
    TEST(test_a_refused_head_is_answered_without_its_body),
    TEST(test_a_body_too_large_gets_413_that_the_client_sees),
    TEST(test_a_body_of_exactly_the_limit_is_taken),
    TEST(test_a_request_that_takes_too_long_gets_408),
    TEST(test_single_bytes_do_not_buy_time),
    TEST(test_idle_connections_are_closed_silently),
    TEST(test_a_connection_opened_in_advance_is_no_slow_request),
    TEST(test_a_peer_that_does_not_read_is_cut),
    TEST(test_an_unfinished_farewell_lasts_as_long_as_it_may),
    TEST(test_a_client_may_leave_after_any_byte),
    TEST(test_an_exchange_is_answered_though_nobody_is_there),
    TEST(test_an_exchange_outlives_its_server),
    TEST(test_a_half_closed_client_still_gets_its_answers),
    TEST(test_a_half_closed_client_gets_a_long_answer),
    TEST(test_half_a_request_before_the_end_is_dropped),
    TEST(test_bodies_are_counted_from_their_head_on),
    TEST(test_what_a_client_sends_ahead_is_bounded),
    TEST(test_too_many_connections_are_told_so),
    TEST(test_a_flood_of_connections_holds_a_bounded_number),
    TEST(test_running_out_of_descriptors_does_not_spin),
    TEST(test_draining_lets_open_requests_end),
    TEST(test_draining_an_empty_server_ends_later),
    TEST(test_draining_gives_a_new_connection_a_moment),
    TEST(test_draining_does_not_wait_for_one_that_stays_unused),
};

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

int main(void) {
    make_certificate();
    int failed = cmocka_run_group_tests_name("plain", tests, NULL, NULL);
    encrypted = true;
    failed += cmocka_run_group_tests_name("tls", tests, NULL, NULL);
    tls_destroy(client_tls);
    unlink(certificate);
    unlink(private_key);
    rmdir(folder);
    return failed;
}
