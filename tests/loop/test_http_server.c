/* What the server makes of requests, over plain HTTP and over TLS. */
#include "net/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "http_desk.h"

/* ---- Requests and answers ---- */

static void test_a_request_is_answered_at_once_or_later(void **state) {
    (void)state;
    for (desk.when = DESK_NOW; desk.when <= DESK_LATER; desk.when++) {
        struct peer *peer = desk_connect();
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
    struct peer *peer = desk_connect();
    peer_send_bytewise(peer, POST);
    desk_assert_answer(peer, 200, "POST /hook hello");
    peer_send_bytewise(peer, CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n");
    desk_assert_answer(peer, 200, "POST /c hello");
}

static void test_chunks_are_joined(void **state) {
    (void)state;
    struct peer *peer = desk_connect();
    peer_send(peer, CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n" GET);
    desk_assert_answer(peer, 200, "POST /c hello!");
    desk_assert_answer(peer, 200, "GET /a ");
}

static void test_a_uri_cut_anywhere_stays_whole(void **state) {
    (void)state;
    const char *request = "GET /hook/abcdefgh HTTP/1.1\r\nHost: a\r\n\r\n";
    struct peer *peer = desk_connect();
    for (size_t cut = 1; cut < 24; cut++) {
        peer_send_text(peer, text_slice(request, cut));
        peer_flush(peer);
        house_turn();
        peer_send(peer, request + cut);
        desk_assert_answer(peer, 200, "GET /hook/abcdefgh ");
    }
}

static void test_pipelined_requests_are_answered_in_order(void **state) {
    (void)state;
    for (desk.when = DESK_NOW; desk.when <= DESK_LATER; desk.when++) {
        struct peer *peer = desk_connect();
        for (int i = 0; i < 5; i++) {
            char request[128];
            snprintf(request, sizeof request,
                     "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nb%d\n", i, i);
            peer_send(peer, request);
        }
        for (int i = 0; i < 5; i++) {
            char body[32];
            snprintf(body, sizeof body, "POST /%d b%d\n", i, i);
            desk_assert_answer(peer, 200, body);
        }
        peer_hang_up(&peer);
    }
}

static void test_one_request_of_a_connection_is_open_at_a_time(void **state) {
    (void)state;
    desk.when = DESK_NEVER;
    struct peer *peer = desk_connect();
    peer_send(peer, POST POST);
    desk_wait_held(1);
    house_pass(20);
    assert_int_equal(desk.held_count, 1);
    desk_answer_first();
    desk_wait_held(1);
    desk_answer_first();
    desk_assert_answer(peer, 200, "POST /hook hello");
    desk_assert_answer(peer, 200, "POST /hook hello");
}

static void test_a_connection_is_kept_for_a_hundred_requests(void **state) {
    (void)state;
    struct peer *peer = desk_connect();
    for (int i = 0; i < 100; i++) {
        desk.when = i % 2 ? DESK_NOW : DESK_LATER;
        peer_send(peer, POST);
        desk_assert_answer(peer, 200, "POST /hook hello");
        assert_int_equal(http_server_connections(desk.server), 1);
    }
}

static void assert_closes_after(const char *request) {
    struct peer *peer = desk_connect();
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
    for (desk.when = DESK_NOW; desk.when <= DESK_LATER; desk.when++) {
        assert_closes_after("GET / HTTP/1.0\r\n\r\n");
        assert_closes_after("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_closes_after("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_closes_after("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET);
    }
}

static void test_head_gets_the_length_and_no_body(void **state) {
    (void)state;
    struct peer *peer = desk_connect();
    peer_send(peer, "HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
    struct answer answer = peer_answer(peer, false);
    assert_non_null(strstr(answer.head.data, "Content-Length: 8\r\n"));
    answer_finish(&answer);
    peer_send(peer, GET);
    desk_assert_answer(peer, 200, "GET /a ");
}

static void test_the_handler_sees_the_request_as_it_was(void **state) {
    (void)state;
    desk.when = DESK_NEVER;
    int64_t before = clock_steady_ms();
    struct peer *peer = desk_connect();
    peer_send(peer, "POST /hook?x=y HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-B: 2\r\nx-a: 3\r\n\r\n");
    desk_wait_held(1);
    assert_true(text_is(http_exchange_header(desk.held[0], "x-A"), "1"));
    assert_true(http_exchange_header_twice(desk.held[0], "X-A"));
    assert_false(http_exchange_header_twice(desk.held[0], "X-B"));
    assert_int_equal(http_exchange_header(desk.held[0], "X-C").size, 0);
    assert_int_equal(http_exchange_body(desk.held[0]).size, 0);
    assert_true(text_starts(http_exchange_peer(desk.held[0]), "127.0.0.1:"));
    assert_in_range(http_exchange_since_ms(desk.held[0]), before, clock_steady_ms());
    desk_answer_first();
    assert_int_equal(peer_status(peer), 200);
    house_pass(20);
    before = clock_steady_ms();
    peer_send(peer, GET);
    desk_wait_held(1);
    assert_in_range(http_exchange_since_ms(desk.held[0]), before, clock_steady_ms());
}

static void test_a_long_answer_arrives_whole(void **state) {
    (void)state;
    desk.answer_bytes = 8 * 1024 * 1024;
    struct peer *peer = desk_connect();
    peer->deaf = true;
    peer_send(peer, GET);
    peer_flush(peer);
    house_pass(20);
    peer->deaf = false;
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.body.size, desk.answer_bytes);
    answer_finish(&answer);
    peer_send(peer, "GET / HTTP/1.0\r\n\r\n");
    answer = peer_answer(peer, true);
    assert_int_equal(answer.body.size, desk.answer_bytes);
    answer_finish(&answer);
    peer_wait_end(peer);
    assert_false(peer->reset);
}

/* ---- Expect ---- */

static void test_continue_is_said_when_the_body_may_come(void **state) {
    (void)state;
    struct peer *peer = desk_connect();
    const char *head = "POST /hook HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                       "Content-Length: 5\r\n\r\n";
    peer_send(peer, head);
    assert_int_equal(peer_status(peer), 100);
    peer_send(peer, "hello");
    desk_assert_answer(peer, 200, "POST /hook hello");
    /* Not where the body is there already. */
    peer_send(peer, head);
    peer_send(peer, "hello");
    desk_assert_answer(peer, 200, "POST /hook hello");
}

static void test_continue_is_not_said_to_what_is_refused(void **state) {
    (void)state;
    desk_assert_refused("POST /refused HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 5\r\n\r\n",
                        404);
    desk_assert_refused("POST /hook HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        "Content-Length: 99999999\r\n\r\n",
                        413);
}

static void test_another_expectation_is_ignored(void **state) {
    (void)state;
    struct peer *peer = desk_connect();
    peer_send(peer, "POST /hook HTTP/1.1\r\nHost: a\r\nExpect: x\r\nContent-Length: 5\r\n\r\n");
    peer_flush(peer);
    house_pass(10);
    assert_int_equal(peer->got.size, 0);
    peer_send(peer, "hello");
    desk_assert_answer(peer, 200, "POST /hook hello");
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
        desk_assert_refused(requests[i], 400);
    assert_int_equal(desk.fault_counts[HTTP_FAULT_MALFORMED], count);
    assert_int_equal(desk.request_count, 0);
    desk_assert_still_serves();
}

static void test_what_came_before_is_answered_first(void **state) {
    (void)state;
    for (desk.when = DESK_NOW; desk.when <= DESK_LATER; desk.when++) {
        struct peer *peer = desk_connect();
        peer_send(peer, POST "nonsense\r\n" GET);
        desk_assert_answer(peer, 200, "POST /hook hello");
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
    desk_assert_refused(request.data, 431);
    string_finish(&request);
}

static void test_a_refused_head_is_answered_without_its_body(void **state) {
    (void)state;
    desk_assert_refused("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", 404);
    desk_assert_refused("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" GET,
                        404);
    assert_int_equal(desk.request_count, 0);
}

/* A client that only reads once it has sent all sees the answer too, not a reset. */
static void test_a_body_too_large_gets_413_that_the_client_sees(void **state) {
    (void)state;
    struct string request = {0};
    string_addf(&request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%0*d",
                DESK_LIMIT + 1, DESK_LIMIT + 1, 0);
    desk_assert_refused(request.data, 413);
    string_clear(&request);
    string_addf(&request, CHUNKED "%x\r\n%0*d\r\n1\r\na\r\n0\r\n\r\n", (unsigned)DESK_LIMIT,
                DESK_LIMIT, 0);
    desk_assert_refused(request.data, 413);
    assert_int_equal(desk.request_count, 0);
    string_finish(&request);
}

static void test_a_body_of_exactly_the_limit_is_taken(void **state) {
    (void)state;
    struct string request = {0};
    string_addf(&request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%0*d",
                DESK_LIMIT, DESK_LIMIT, 0);
    string_addf(&request, CHUNKED "%x\r\n%0*d\r\n0\r\n\r\n", (unsigned)DESK_LIMIT, DESK_LIMIT, 0);
    struct peer *peer = desk_connect();
    peer_send(peer, request.data);
    assert_int_equal(peer_status(peer), 200);
    assert_int_equal(peer_status(peer), 200);
    string_finish(&request);
}

/* ---- Both worlds ---- */

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_set_up, desk_tear_down)
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
};

static int plain(void) {
    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}

static int with_tls(void) {
    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}

int main(void) {
    return desk_run(plain, with_tls);
}
