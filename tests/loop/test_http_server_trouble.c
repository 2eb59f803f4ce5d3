/* The server among clients that are slow, rude or gone, and how it ends. */
#include "net/http_server.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "http_desk.h"

enum { SHORT_MS = 300 }; /* as long as a handshake may take on a slow machine */

/* ---- Time ---- */

static void test_a_request_that_takes_too_long_is_refused(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.request_ms = SHORT_MS});
    desk_assert_refused("G", 503);
    desk_assert_refused("POST /hook HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell", 503);
    struct peer *peer = desk_connect();
    peer_send(peer, POST);
    assert_int_equal(peer_status(peer), 200);
    house_pass(SHORT_MS + 20); /* idle is not slow */
    peer_send(peer, GET "GET");
    assert_int_equal(peer_status(peer), 200);
    assert_int_equal(peer_status(peer), 503);
    assert_int_equal(desk.fault_counts[HTTP_FAULT_TOO_SLOW], 3);
}

static void test_single_bytes_do_not_buy_time(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.request_ms = SHORT_MS});
    struct peer *peer = desk_connect();
    peer_send(peer, "GET / HTTP/1.1\r\nHost: ");
    int64_t before = clock_steady_ms();
    for (int i = 0; i < SHORT_MS && !peer->got.size; i++) {
        peer_send(peer, "x");
        house_pass(2);
    }
    assert_int_equal(peer_status(peer), 503);
    assert_in_range(clock_steady_ms() - before, SHORT_MS / 2, 5000);
}

static bool is_read(void *bytes) {
    return desk.pieces.size == *(size_t *)bytes;
}

static void test_what_came_while_we_stood_still_was_not_slow(void **state) {
    enum { BODY = 60000 }; /* more than is read in one turn of the loop */
    static char rest[BODY - 1];
    size_t first = 1;
    (void)state;
    desk_reopen((struct http_limits){.body_ms = SHORT_MS, .body_rate = 1 << 20});
    struct peer *peer = desk_connect();
    peer_send(peer, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\nx");
    house_wait(is_read, &first);
    memset(rest, 'x', sizeof rest);
    peer_send_text(peer, text_slice(rest, sizeof rest));
    peer_push(peer);
    assert_int_equal(peer_unsent(peer), 0);
    usleep((SHORT_MS + 100) * 1000);
    assert_int_equal(peer_status(peer), 200);
}

static void assert_closed_without_a_word(const char *request) {
    struct peer *peer = desk_connect();
    peer_send(peer, request);
    peer_wait_end(peer);
    assert_int_equal(peer->got.size, 0);
    assert_false(peer->reset);
    peer_hang_up(&peer);
}

static void test_idle_connections_are_closed_silently(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.request_ms = 1000, .idle_ms = 40});
    assert_closed_without_a_word("");
    struct peer *peer = desk_connect();
    peer_send(peer, GET);
    assert_int_equal(peer_status(peer), 200);
    peer_wait_end(peer);
    assert_int_equal(peer->got.size, 0);
    assert_closed_without_a_word("\r\n\r\n"); /* no request either */
    assert_int_equal(desk.fault_counts[HTTP_FAULT_TOO_SLOW], 0);
}

static void test_a_connection_opened_in_advance_is_no_slow_request(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.request_ms = SHORT_MS});
    struct peer *peer = desk_connect();
    house_pass(SHORT_MS + 40);
    int64_t before = clock_steady_ms();
    desk.when = DESK_NEVER;
    peer_send(peer, GET);
    desk_wait_held(1);
    assert_in_range(http_exchange_since_ms(desk.held[0]), before, clock_steady_ms());
}

static void test_time_for_a_request_runs_from_its_first_byte(void **state) {
    enum { REQUEST_MS = 3000, UNUSED_MS = 2400, PAUSE_MS = 800 };
    (void)state;
    desk_reopen((struct http_limits){.request_ms = REQUEST_MS});
    struct peer *peer = desk_connect();
    house_pass(UNUSED_MS);
    peer_send(peer, "GET /a HTTP/1.1\r\n");
    peer_flush(peer);
    house_pass(PAUSE_MS); /* beyond the limit, counted from when it was opened */
    peer_send(peer, "Host: a\r\n\r\n");
    desk_assert_answer(peer, 200, "GET /a ");
    assert_int_equal(desk.fault_counts[HTTP_FAULT_TOO_SLOW], 0);
}

static void test_empty_lines_before_a_request_take_none_of_its_time(void **state) {
    enum { REQUEST_MS = 600, PAUSE_MS = 400 };
    (void)state;
    desk_reopen((struct http_limits){.request_ms = REQUEST_MS});
    struct peer *peer = desk_connect();
    peer_send(peer, POST "\r\n");
    assert_int_equal(peer_status(peer), 200);
    house_pass(REQUEST_MS + PAUSE_MS); /* idle is not slow */
    peer_send(peer, "GET /a HTTP/1.1\r\n");
    peer_flush(peer);
    house_pass(PAUSE_MS);
    peer_send(peer, "Host: a\r\n\r\n");
    desk_assert_answer(peer, 200, "GET /a ");
    assert_int_equal(desk.fault_counts[HTTP_FAULT_TOO_SLOW], 0);
}

static void test_a_peer_that_does_not_read_is_cut(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.request_ms = SHORT_MS});
    desk.answer_bytes = 32 * 1024 * 1024;
    struct peer *peer = desk_connect();
    peer->deaf = true;
    peer_send(peer, GET);
    peer_flush(peer);
    house_pass(20);
    assert_int_equal(http_server_connections(desk.server), 1);
    house_wait(desk_is_empty, NULL);
}

static void test_an_unfinished_farewell_lasts_as_long_as_it_may(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.drain_ms = 60});
    struct peer *peer = desk_connect();
    peer_send(peer, "nonsense\r\n");
    assert_int_equal(peer_status(peer), 400);
    peer_wait_end(peer);
    assert_int_equal(http_server_connections(desk.server), 1);
    int64_t before = clock_steady_ms();
    house_wait(desk_is_empty, NULL);
    assert_in_range(clock_steady_ms() - before, 30, 2000);
}

/* ---- Peers that go ---- */

static void leave_after(const char *request, size_t bytes, bool reset) {
    struct peer *peer = desk_connect();
    peer_send_text(peer, text_slice(request, bytes));
    peer_flush(peer);
    if (bytes % 2)
        house_turn();
    if (reset)
        peer_reset(&peer);
    else
        peer_hang_up(&peer);
}

static size_t open_descriptors(void) {
    size_t count = 0;
    DIR *all = opendir("/proc/self/fd");
    while (readdir(all))
        count++;
    closedir(all);
    return count;
}

static void test_a_client_may_leave_after_any_byte(void **state) {
    (void)state;
    size_t before = open_descriptors();
    static const char *const requests[] = {POST GET, CHUNKED "2\r\nhe\r\n1\r\nl\r\n0\r\n\r\n",
                                           "POST / HTTP/1.1\r\nnonsense\r\n"};
    for (size_t r = 0; r < sizeof requests / sizeof *requests; r++)
        for (size_t bytes = 0; bytes <= strlen(requests[r]); bytes++) {
            desk.when = bytes % 3 ? DESK_LATER : DESK_NOW;
            leave_after(requests[r], bytes, false);
            leave_after(requests[r], bytes, true);
            house_wait(desk_is_empty, NULL);
        }
    desk_assert_still_serves();
    house_pass(10); /* libevent closes a socket desk.when it next comes by */
    assert_int_equal(open_descriptors(), before);
}

static void test_an_exchange_is_answered_though_nobody_is_there(void **state) {
    (void)state;
    desk.when = DESK_NEVER;
    for (int reset = 0; reset <= 1; reset++) {
        struct peer *peer = desk_connect();
        peer_send(peer, POST);
        desk_wait_held(1);
        assert_int_equal(http_server_body_bytes(desk.server), 5);
        if (reset) {
            peer_reset(&peer);
            house_wait(desk_is_empty, NULL);
        } else {
            peer_hang_up(&peer);
            house_pass(10);
        }
        assert_true(text_is(http_exchange_body(desk.held[0]), "hello"));
        assert_int_equal(http_server_body_bytes(desk.server), 5);
        desk_answer_first();
        assert_int_equal(http_server_body_bytes(desk.server), 0);
        house_wait(desk_is_empty, NULL);
    }
    desk_assert_still_serves();
}

static void test_an_exchange_outlives_its_server(void **state) {
    (void)state;
    desk.when = DESK_NEVER;
    struct peer *stays = desk_connect();
    struct peer *goes = desk_connect();
    peer_send(stays, POST);
    peer_send(goes, POST);
    desk_wait_held(2);
    peer_reset(&goes);
    house_pass(10);
    desk_reopen((struct http_limits){0});
    peer_wait_end(stays);
    desk_answer_first();
    desk_answer_first();
    desk_assert_still_serves();
}

static void test_a_half_closed_client_still_gets_its_answers(void **state) {
    (void)state;
    for (desk.when = DESK_NOW; desk.when <= DESK_LATER; desk.when++) {
        struct peer *peer = desk_connect();
        peer_send(peer, POST GET);
        peer_half_close(peer);
        desk_assert_answer(peer, 200, "POST /hook hello");
        desk_assert_answer(peer, 200, "GET /a ");
        peer_wait_end(peer);
        assert_false(peer->reset);
        peer_hang_up(&peer);
        house_wait(desk_is_empty, NULL);
    }
}

static void test_a_half_closed_client_gets_a_long_answer(void **state) {
    (void)state;
    desk.answer_bytes = 8 * 1024 * 1024;
    struct peer *peer = desk_connect();
    peer->deaf = true;
    peer_send(peer, GET);
    peer_half_close(peer);
    house_pass(20);
    peer->deaf = false;
    struct answer answer = peer_answer(peer, true);
    assert_int_equal(answer.body.size, desk.answer_bytes);
    answer_finish(&answer);
}

static void test_half_a_request_before_the_end_is_dropped(void **state) {
    (void)state;
    struct peer *peer = desk_connect();
    peer_send(peer, POST "POST /hook HT");
    peer_half_close(peer);
    desk_assert_answer(peer, 200, "POST /hook hello");
    peer_wait_end(peer);
    assert_int_equal(peer->got.size, 0);
    assert_int_equal(desk.request_count, 1);
}

/* ---- Draining ---- */

static bool is_empty;

static void on_empty(void *arg) {
    (void)arg;
    assert_false(is_empty);
    is_empty = true;
}

static bool server_is_empty(void *arg) {
    (void)arg;
    return is_empty;
}

static void test_draining_lets_open_requests_end(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.hurry_ms = 9000}); /* a slow machine's time */
    struct peer *idle = desk_connect();
    struct peer *busy = desk_connect();
    struct peer *half = desk_connect();
    peer_send(idle, GET);
    assert_int_equal(peer_status(idle), 200);
    desk.when = DESK_NEVER;
    peer_send(busy, POST);
    desk_wait_held(1);
    peer_send(half, "GET /a HTTP/1.1\r\n");
    peer_flush(half);
    house_pass(10);
    is_empty = false;
    http_server_drain(desk.server, on_empty, NULL);
    peer_wait_end(idle);
    assert_false(idle->reset);
    assert_false(is_empty);
    desk_answer_first();
    struct answer answer = peer_answer(busy, true);
    assert_int_equal(answer.status, 200);
    assert_true(answer.close);
    answer_finish(&answer);
    peer_wait_end(busy);
    peer_hang_up(&busy);
    desk.when = DESK_LATER;
    peer_send(half, "Host: a\r\n\r\n");
    desk_assert_answer(half, 200, "GET /a ");
    peer_wait_end(half);
    assert_false(is_empty);
    peer_hang_up(&half);
    house_wait(server_is_empty, NULL);
    house_pass(10); /* and only once */
    struct peer *late = desk_connect();
    peer_wait_end(late);
}

static void test_draining_an_empty_server_ends_later(void **state) {
    (void)state;
    is_empty = false;
    http_server_drain(desk.server, on_empty, NULL);
    assert_false(is_empty);
    house_wait(server_is_empty, NULL);
}

static bool is_connected(void *arg) {
    return http_server_connections(desk.server) == 1 &&
           ((struct peer *)arg)->shaken == desk.encrypted;
}

static void test_draining_gives_a_new_connection_a_moment(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.drain_ms = 60});
    struct peer *peer = desk_connect();
    house_wait(is_connected, peer);
    house_pass(10);
    is_empty = false;
    http_server_drain(desk.server, on_empty, NULL);
    peer_send(peer, GET);
    desk_assert_answer(peer, 200, "GET /a ");
    peer_wait_end(peer);
    house_wait(server_is_empty, NULL);
}

static void drain_after_a_standstill(void *arg) {
    (void)arg;
    usleep(2 * SHORT_MS * 1000);
    http_server_drain(desk.server, on_empty, NULL);
}

static void test_draining_gives_that_moment_though_we_stood_still(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.drain_ms = 3 * SHORT_MS});
    struct loop_timer *drain = loop_timer_create(house_loop, drain_after_a_standstill, NULL);
    struct peer *peer = desk_connect();
    house_wait(is_connected, peer);
    is_empty = false;
    loop_timer_set(drain, 0);
    house_turn();
    house_pass(3 * SHORT_MS / 2); /* of which the timer would have it that all is over */
    peer_send(peer, GET);
    desk_assert_answer(peer, 200, "GET /a ");
    peer_wait_end(peer);
    house_wait(server_is_empty, NULL);
    loop_timer_destroy(drain);
}

static void test_draining_does_not_wait_for_one_that_stays_unused(void **state) {
    (void)state;
    desk_reopen((struct http_limits){.drain_ms = 60});
    struct peer *peer = desk_connect();
    house_wait(is_connected, peer);
    is_empty = false;
    http_server_drain(desk.server, on_empty, NULL);
    house_wait(server_is_empty, NULL);
    peer_wait_end(peer);
}

static void test_draining_does_not_wait_for_half_a_request(void **state) {
    (void)state;
    static const char half[] = "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nh";
    size_t first = 2;
    desk_reopen((struct http_limits){.hurry_ms = SHORT_MS, .drain_ms = 60});
    struct peer *head = desk_connect();
    struct peer *body = desk_connect();
    struct peer *honest = desk_connect();
    peer_send(head, "GET /a HTTP/1.1\r\n");
    peer_send(body, half);
    peer_send(honest, half);
    peer_flush(head);
    house_wait(is_read, &first);
    is_empty = false;
    int64_t before = clock_steady_ms();
    http_server_drain(desk.server, on_empty, NULL);
    peer_send(honest, "ello");
    desk_assert_answer(honest, 200, "POST /b hello");
    assert_int_equal(peer_status(head), 503); /* which Kula sends again */
    assert_int_equal(peer_status(body), 503);
    assert_in_range(clock_steady_ms() - before, SHORT_MS / 2, 5000);
    house_wait(server_is_empty, NULL);
}

/* ---- Both worlds ---- */

static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_set_up, desk_tear_down)
    TEST(test_a_request_that_takes_too_long_is_refused),
    TEST(test_single_bytes_do_not_buy_time),
    TEST(test_what_came_while_we_stood_still_was_not_slow),
    TEST(test_idle_connections_are_closed_silently),
    TEST(test_a_connection_opened_in_advance_is_no_slow_request),
    TEST(test_time_for_a_request_runs_from_its_first_byte),
    TEST(test_empty_lines_before_a_request_take_none_of_its_time),
    TEST(test_a_peer_that_does_not_read_is_cut),
    TEST(test_an_unfinished_farewell_lasts_as_long_as_it_may),
    TEST(test_a_client_may_leave_after_any_byte),
    TEST(test_an_exchange_is_answered_though_nobody_is_there),
    TEST(test_an_exchange_outlives_its_server),
    TEST(test_a_half_closed_client_still_gets_its_answers),
    TEST(test_a_half_closed_client_gets_a_long_answer),
    TEST(test_half_a_request_before_the_end_is_dropped),
    TEST(test_draining_lets_open_requests_end),
    TEST(test_draining_an_empty_server_ends_later),
    TEST(test_draining_gives_a_new_connection_a_moment),
    TEST(test_draining_gives_that_moment_though_we_stood_still),
    TEST(test_draining_does_not_wait_for_one_that_stays_unused),
    TEST(test_draining_does_not_wait_for_half_a_request),
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
