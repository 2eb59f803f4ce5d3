/* What the server holds is bounded, who has to go where it is full, and who the peers
 * are that a proxy speaks for. */
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
#include "base/network.h"
#include "http_desk.h"

/* ---- Bytes ---- */

static void test_bodies_are_counted_from_their_head_on(void **state) {
    (void)state;
    desk.when = DESK_NEVER;
    struct peer *peer = desk_connect();
    peer_send(peer,
              "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(peer_status(peer), 100);
    assert_int_equal(http_server_body_bytes(desk.server), 500);
    struct peer *chunked = desk_connect();
    peer_send(chunked, CHUNKED "1\r\na\r\n0\r\n\r\n");
    desk_wait_held(1);
    assert_int_equal(http_server_body_bytes(desk.server), 500 + DESK_LIMIT);
    desk_answer_first();
    assert_int_equal(http_server_body_bytes(desk.server), 500);
    peer_hang_up(&peer);
    peer_hang_up(&chunked);
    house_wait(desk_is_empty, NULL);
    assert_int_equal(http_server_body_bytes(desk.server), 0);
}

static void test_what_a_client_sends_ahead_is_bounded(void **state) {
    (void)state;
    enum { FLOOD = 64 * 1024 * 1024 };
    desk.when = DESK_NEVER;
    struct peer *peer = desk_connect();
    peer_send(peer, GET);
    desk_wait_held(1);
    char *flood = malloc(FLOOD);
    memset(flood, 'x', FLOOD);
    peer_send_text(peer, text_slice(flood, FLOOD));
    free(flood);
    house_pass(100);
    assert_true(peer_unsent(peer) > FLOOD / 2);
    desk_answer_first();
    assert_int_equal(peer_status(peer), 200);
    assert_int_equal(peer_status(peer), 431);
}

static void test_a_body_is_told_in_pieces_as_it_arrives(void **state) {
    (void)state;
    desk.when = DESK_NEVER;
    struct peer *peer = desk_connect();
    peer_send_bytewise(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
    house_pass(10);
    assert_true(text_is(string_text(&desk.pieces), "hel"));
    peer_send(peer, "lo");
    desk_wait_held(1);
    assert_true(text_is(string_text(&desk.pieces), "hello"));
    desk_answer_first();
    assert_int_equal(peer_status(peer), 200);
    peer_send_bytewise(peer, CHUNKED "2\r\n, \r\n5\r\nthere\r\n0\r\n\r\n");
    desk_wait_held(1);
    assert_true(text_is(string_text(&desk.pieces), "hello, there"));
    desk_answer_first();
}

static void test_the_oldest_body_that_does_not_come_makes_room(void **state) {
    (void)state;
    const char *head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n"
                       "Expect: 100-continue\r\n\r\n";
    struct peer *older = desk_connect();
    peer_send(older, head);
    assert_int_equal(peer_status(older), 100);
    assert_false(http_server_displace_body(desk.server, 500)); /* it may be on its way */
    house_pass(1100);
    struct peer *newer = desk_connect();
    peer_send(newer, head);
    assert_int_equal(peer_status(newer), 100);
    assert_true(http_server_displace_body(desk.server, 500));
    assert_int_equal(http_server_body_bytes(desk.server), 500);
    assert_int_equal(peer_status(older), 503);
    peer_wait_end(older);
    assert_false(older->reset);
    assert_false(http_server_displace_body(desk.server, 500));
    assert_int_equal(desk.fault_counts[HTTP_FAULT_DISPLACED], 1);
}

static struct peer *promise(size_t bytes) {
    char head[128];
    struct peer *peer = desk_connect();
    snprintf(head, sizeof head,
             "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n"
             "Expect: 100-continue\r\n\r\n",
             bytes);
    peer_send(peer, head);
    assert_int_equal(peer_status(peer), 100);
    return peer;
}

/* Or whoever begins anew each second would keep all others out. */
static void test_of_those_that_came_just_now_the_body_that_owes_most_makes_room(void **state) {
    (void)state;
    struct peer *small = promise(300), *large = promise(500), *begun = promise(600);
    for (int i = 0; i < 30; i++)
        peer_send(begun, "0123456789");
    peer_flush(begun);
    house_pass(20);
    assert_false(http_server_displace_body(desk.server, 500));
    assert_true(http_server_displace_body(desk.server, 499));
    assert_int_equal(peer_status(large), 503);
    assert_false(http_server_displace_body(desk.server, 300));
    assert_int_equal(http_server_body_bytes(desk.server), 900);
    assert_int_equal(small->got.size + begun->got.size, 0);
}

/* ---- Connections ---- */

static struct peer *trusted_peer(void) {
    struct peer *peer = desk_connect();
    desk.trusts = true;
    peer_send(peer, GET);
    assert_int_equal(peer_status(peer), 200);
    desk.trusts = false;
    return peer;
}

static void assert_serves(struct peer *peer) {
    peer_send(peer, GET);
    desk_assert_answer(peer, 200, "GET /a ");
}

static bool has_two(void *arg) {
    (void)arg;
    return http_server_connections(desk.server) == 2;
}

static void test_at_the_limit_the_stranger_goes_that_waits_longest(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.connections = 3});
    struct peer *trusted = trusted_peer();
    struct peer *oldest = desk_connect();
    house_wait(has_two, NULL);
    struct peer *older = desk_connect();
    peer_send(older, "GET /a HTTP/1.1\r\n");
    peer_flush(older);
    house_pass(20);
    struct peer *third = desk_connect();
    assert_serves(third);
    peer_wait_end(oldest);
    struct peer *fourth = desk_connect();
    assert_serves(fourth);
    peer_wait_end(older);
    assert_int_equal(older->got.size, 0);
    assert_int_equal(desk.fault_counts[HTTP_FAULT_DISPLACED], 2);
    assert_serves(trusted);
    assert_int_equal(http_server_connections(desk.server), 3);
}

static void test_who_waits_for_us_is_not_displaced_but_others_are_told(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.connections = 2});
    struct peer *trusted = trusted_peer();
    struct peer *busy = desk_connect();
    desk.when = DESK_NEVER;
    peer_send(busy, POST);
    desk_wait_held(1);
    struct peer *third = desk_connect();
    peer_send(third, POST);
    struct answer answer = peer_answer(third, true);
    assert_int_equal(answer.status, 503);
    assert_true(answer.close);
    assert_non_null(strstr(answer.head.data, "Retry-After: 7\r\n"));
    answer_finish(&answer);
    peer_wait_end(third);
    assert_false(third->reset);
    assert_int_equal(desk.fault_counts[HTTP_FAULT_CROWDED], 1);
    desk_answer_first();
    assert_int_equal(peer_status(busy), 200);
    desk.when = DESK_NOW;
    assert_serves(trusted);
    peer_hang_up(&trusted);
    peer_hang_up(&busy);
    peer_hang_up(&third);
    house_wait(desk_is_empty, NULL);
    desk_assert_still_serves();
}

static bool gets_second_answer(void *arg) {
    struct peer *peer = arg;
    return desk.request_count == 2 && peer->got.size > 0;
}

static void test_who_does_not_read_the_answer_has_to_go_too(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.connections = 2});
    struct peer *trusted = trusted_peer();
    desk.answer_bytes = 32 * 1024 * 1024;
    struct peer *deaf = desk_connect();
    peer_send(deaf, GET);
    house_wait(gets_second_answer, deaf);
    deaf->deaf = true;
    desk.answer_bytes = 0;
    assert_serves(desk_connect());
    assert_int_equal(desk.fault_counts[HTTP_FAULT_DISPLACED], 1);
    assert_int_equal(desk.fault_counts[HTTP_FAULT_CROWDED], 0);
    assert_serves(trusted);
}

static bool has_answer(const struct peer *peer) {
    return peer->got.size > 0;
}

/* Each of them alone costs the others no rest, which is five turns of this house. */
static void test_who_comes_behind_a_queue_of_strangers_gets_in(void **state) {
    (void)state;
    enum { QUEUE = 200 };
    int turns = 0;
    desk_reopen((struct http_limits){.connections = 3});
    for (int i = 0; i < QUEUE; i++)
        peer_connect(desk.port, NULL);
    struct peer *last = desk_connect();
    peer_send(last, GET);
    for (; !has_answer(last) && !last->ended; turns++)
        house_turn();
    assert_int_equal(peer_status(last), 200);
    assert_in_range(turns, 1, 3 * QUEUE);
    assert_true(desk.fault_counts[HTTP_FAULT_DISPLACED] >= QUEUE - 3);
}

static void test_strangers_that_come_at_once_do_not_hold_the_loop(void **state) {
    (void)state;
    enum { QUEUE = 200, AT_ONCE = 64 };
    for (int i = 0; i < QUEUE; i++)
        peer_connect(desk.port, NULL);
    size_t before = 0;
    while (http_server_connections(desk.server) < QUEUE) {
        house_turn();
        assert_in_range(http_server_connections(desk.server) - before, 0, AT_ONCE);
        before = http_server_connections(desk.server);
    }
}

static bool has_crowd(void *arg) {
    (void)arg;
    return desk.fault_counts[HTTP_FAULT_CROWDED] > 10 &&
           http_server_connections(desk.server) == 1 + HTTP_SERVER_CROWD;
}

static void test_a_flood_holds_a_bounded_number_and_comes_in_slowly(void **state) {
    (void)state;
    enum { FLOOD = 500, PACE_MS = 10 };
    static struct peer *flood[FLOOD];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 3 * FLOOD)
        skip();
    desk_reopen((struct http_limits){.connections = 1, .drain_ms = 60 * 1000});
    struct peer *trusted = trusted_peer();
    for (int i = 0; i < FLOOD; i++)
        flood[i] = desk_connect();
    int64_t before = clock_steady_ms();
    house_wait(has_crowd, NULL);
    /* So much time for so many, and as often as it went by the last one was cut. */
    assert_true(clock_steady_ms() - before > HTTP_SERVER_CROWD * PACE_MS / 2);
    assert_serves(trusted);
    for (int i = 0; i < FLOOD; i++)
        peer_hang_up(&flood[i]);
    peer_hang_up(&trusted);
    house_wait(desk_is_empty, NULL);
    desk_assert_still_serves();
}

static void test_handshakes_under_way_are_bounded(void **state) {
    (void)state;
    if (!desk.encrypted)
        return;
    desk_reopen((struct http_limits){.handshakes = 2});
    struct peer *first = peer_connect(desk.port, NULL);
    house_pass(10);
    struct peer *second = peer_connect(desk.port, NULL);
    house_wait(has_two, NULL);
    struct peer *third = desk_connect();
    assert_serves(third);
    peer_wait_end(first);
    assert_false(second->ended);
    assert_int_equal(desk.fault_counts[HTTP_FAULT_DISPLACED], 1);
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
    struct peer *peer = desk_connect();
    size_t count = take_descriptors(taken, 256);
    peer_send(peer, GET);
    int turns = 0;
    for (int64_t until = clock_steady_ms() + 150; clock_steady_ms() < until; turns++)
        house_turn();
    assert_in_range(turns, 1, 1000);
    assert_int_equal(http_server_connections(desk.server), 0);
    while (count)
        close(taken[--count]);
    setrlimit(RLIMIT_NOFILE, &limit);
    peer_hang_up(&peer);
    desk_assert_still_serves();
}

/* ---- How long a connection is kept, and a body waited for ---- */

static bool closes_after_get(struct peer *peer) {
    peer_send(peer, GET);
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.status, 200);
    answer_finish(&answer);
    return answer.close;
}

static void test_a_connection_ends_with_its_last_request(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.requests = 3});
    struct peer *peer = desk_connect();
    assert_false(closes_after_get(peer));
    assert_false(closes_after_get(peer));
    assert_true(closes_after_get(peer));
    peer_wait_end(peer);
    assert_false(peer->reset);
}

static void test_a_trusted_connection_is_kept_where_it_could_not_come_again(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.requests = 2, .connections = 2});
    struct peer *trusted = trusted_peer();
    struct peer *second = desk_connect();
    house_wait(has_two, NULL);
    struct peer *third = desk_connect();
    peer_wait_end(second);
    peer_hang_up(&third);
    assert_false(closes_after_get(trusted));
    assert_false(closes_after_get(trusted));
    struct peer *stranger = desk_connect();
    assert_false(closes_after_get(stranger));
    assert_true(closes_after_get(stranger));
}

static void test_an_old_connection_ends_with_its_next_answer(void **state) {
    (void)state;
    enum { AGE_MS = 1000 };
    desk_reopen((struct http_limits){.age_ms = AGE_MS});
    struct peer *peer = desk_connect();
    assert_false(closes_after_get(peer));
    house_pass(AGE_MS + 10);
    assert_true(closes_after_get(peer));
    peer_wait_end(peer);
}

/* Sends a body so fast, and says what is answered. */
static int send_body(size_t bytes_a_tick) {
    enum { TICK_MS = 20, BODY = 10000 };
    struct string piece = {0};
    while (piece.size < bytes_a_tick)
        string_add_char(&piece, 'x');
    struct peer *peer = desk_connect();
    peer_send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n");
    for (size_t sent = 0; sent + piece.size <= BODY && !peer->got.size; sent += piece.size) {
        peer_send_text(peer, string_text(&piece));
        house_pass(TICK_MS);
    }
    string_finish(&piece);
    int status = peer_status(peer);
    peer_hang_up(&peer);
    return status;
}

static void test_a_body_slower_than_the_least_rate_is_refused(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.body_ms = 400, .body_rate = 1000});
    int64_t before = clock_steady_ms();
    assert_int_equal(send_body(1), 503);
    assert_in_range(clock_steady_ms() - before, 400, 4000);
    before = clock_steady_ms();
    assert_int_equal(send_body(250), 200); /* longer, and fast enough */
    assert_true(clock_steady_ms() - before > 400);
}

/* ---- Behind a proxy ---- */

static void assert_peer_after(struct text preface, const char *request, const char *expected) {
    desk.when = DESK_NEVER;
    struct peer *peer = desk_connect_after(preface);
    peer_send(peer, request);
    desk_wait_held(1);
    struct text shown = http_exchange_peer(desk.held[0]);
    if (!text_starts(shown, expected))
        fail_msg("%.*s is not %s", TEXT_ARG(shown), expected);
    desk_answer_first();
    assert_int_equal(peer_status(peer), 200);
    peer_hang_up(&peer);
}

static void test_the_proxy_protocol_tells_the_peer(void **state) {
    (void)state;
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"
                             "\xc0\0\2\7\xc0\0\2\1\x11\xd7\x20\xfb";
    desk.proxied = true;
    desk_reopen((struct http_limits){0});
    assert_peer_after(text_of("PROXY TCP4 192.0.2.7 192.0.2.1 4567 8443\r\n"), GET,
                      "192.0.2.7:4567");
    assert_peer_after(text_of("PROXY TCP6 2001:db8::7 2001:db8::1 4567 8443\r\n"), POST,
                      "[2001:db8::7]:4567");
    assert_peer_after(text_slice(v2, sizeof v2 - 1), GET, "192.0.2.7:4567");
    assert_peer_after(text_of("PROXY UNKNOWN\r\n"), GET, "127.0.0.1:");
}

static void test_without_the_proxy_protocol_nobody_is_served_where_it_is_wanted(void **state) {
    (void)state;
    desk.proxied = true;
    desk_reopen((struct http_limits){.request_ms = 300});
    struct peer *peer = peer_connect(desk.port, NULL);
    peer_send(peer, GET);
    peer_wait_end(peer);
    assert_int_equal(peer->got.size, 0);
    assert_int_equal(desk.fault_counts[HTTP_FAULT_UNPROXIED], 1);
    struct peer *silent = peer_connect(desk.port, NULL);
    peer_send(silent, "PROXY TC");
    peer_wait_end(silent);
    assert_int_equal(desk.request_count, 0);
    house_wait(desk_is_empty, NULL);
}

static void test_a_proxy_of_ours_may_forward_for_somebody(void **state) {
    (void)state;
    struct network ours;
    assert_true(network_parse(text_of("127.0.0.0/8"), &ours));
    const char *request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.66\r\n"
                          "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n\r\n";
    assert_peer_after(text_of(""), request, "127.0.0.1:");
    desk_reopen((struct http_limits){.trusted_proxies = &ours, .trusted_proxy_count = 1});
    assert_peer_after(text_of(""), request, "192.0.2.7");
    assert_peer_after(text_of(""), GET, "127.0.0.1:");
}

/* ---- Both worlds ---- */

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_set_up, desk_tear_down)
    TEST(test_bodies_are_counted_from_their_head_on),
    TEST(test_what_a_client_sends_ahead_is_bounded),
    TEST(test_a_body_is_told_in_pieces_as_it_arrives),
    TEST(test_the_oldest_body_that_does_not_come_makes_room),
    TEST(test_of_those_that_came_just_now_the_body_that_owes_most_makes_room),
    TEST(test_at_the_limit_the_stranger_goes_that_waits_longest),
    TEST(test_who_waits_for_us_is_not_displaced_but_others_are_told),
    TEST(test_who_does_not_read_the_answer_has_to_go_too),
    TEST(test_who_comes_behind_a_queue_of_strangers_gets_in),
    TEST(test_strangers_that_come_at_once_do_not_hold_the_loop),
    TEST(test_a_flood_holds_a_bounded_number_and_comes_in_slowly),
    TEST(test_handshakes_under_way_are_bounded),
    TEST(test_running_out_of_descriptors_does_not_spin),
    TEST(test_a_connection_ends_with_its_last_request),
    TEST(test_a_trusted_connection_is_kept_where_it_could_not_come_again),
    TEST(test_an_old_connection_ends_with_its_next_answer),
    TEST(test_a_body_slower_than_the_least_rate_is_refused),
    TEST(test_the_proxy_protocol_tells_the_peer),
    TEST(test_without_the_proxy_protocol_nobody_is_served_where_it_is_wanted),
    TEST(test_a_proxy_of_ours_may_forward_for_somebody),
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
