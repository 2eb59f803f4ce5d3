/* How long a connection may stay in each phase. */
#include "net/http_phase.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* After those, which it needs. */
#include <cmocka.h>

static const struct http_limits limits = {.request_ms = 10000,
                                          .body_ms = 4000,
                                          .body_rate = 1000,
                                          .idle_ms = 60000,
                                          .drain_ms = 1000,
                                          .hurry_ms = 2000};

static void test_each_phase_has_a_fixed_end(void **state) {
    (void)state;
    static const struct {
        struct http_progress progress;
        int64_t left_ms; /* at 1000 */
    } cases[] = {
        {{.phase = HTTP_SHAKING, .since_ms = 400}, 9400},
        {{.phase = HTTP_IDLE, .since_ms = 1000}, 60000},
        {{.phase = HTTP_IDLE, .since_ms = 900, .draining_since_ms = 900}, 900},
        {{.phase = HTTP_HEAD, .since_ms = 1000}, 10000},
        {{.phase = HTTP_ANSWERING, .since_ms = -9500}, -500},
        {{.phase = HTTP_LINGERING, .since_ms = 0}, 0},
        /* A body has its own time, earns more by what comes, and ends with its request. */
        {{.phase = HTTP_BODY, .since_ms = 1000, .request_since_ms = 1000}, 4000},
        {{.phase = HTTP_BODY, .since_ms = -4000, .request_since_ms = -4000}, -1000},
        {{.phase = HTTP_BODY, .since_ms = -4000, .request_since_ms = -4000, .body_bytes = 1000}, 0},
        {{.phase = HTTP_BODY, .since_ms = 1000, .request_since_ms = 900, .body_bytes = 2500}, 6500},
        {{.phase = HTTP_BODY, .since_ms = 1000, .request_since_ms = -8000}, 1000},
        {{.phase = HTTP_BODY, .since_ms = 500, .request_since_ms = 0, .body_bytes = 1 << 30}, 9000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(http_phase_left_ms(&cases[i].progress, &limits, 1000), cases[i].left_ms);
}

static void test_while_draining_a_stranger_has_a_moment_for_its_head_and_its_body(void **state) {
    (void)state;
    static const struct {
        struct http_progress progress;
        int64_t left_ms; /* at 5000 */
    } cases[] = {
        {{.phase = HTTP_SHAKING, .since_ms = 3000, .draining_since_ms = 4500}, 1500},
        {{.phase = HTTP_HEAD, .since_ms = 3000, .draining_since_ms = 4500}, 1500},
        {{.phase = HTTP_HEAD, .since_ms = 4700, .draining_since_ms = 4500}, 1700},
        {{.phase = HTTP_HEAD, .since_ms = -4900, .draining_since_ms = 4500}, 100},
        {{.phase = HTTP_HEAD, .since_ms = 3000, .draining_since_ms = 4500, .trusted = true}, 8000},
        {{.phase = HTTP_BODY,
          .since_ms = 4000,
          .request_since_ms = 3000,
          .draining_since_ms = 4500},
         1500},
        /* One that is on its way has the time that it earns. */
        {{.phase = HTTP_BODY,
          .since_ms = 4000,
          .request_since_ms = 3000,
          .draining_since_ms = 4500,
          .body_bytes = 1000},
         2500},
        {{.phase = HTTP_BODY,
          .since_ms = 4000,
          .request_since_ms = 3000,
          .draining_since_ms = 4500,
          .trusted = true},
         3000},
        {{.phase = HTTP_ANSWERING, .since_ms = 4000, .draining_since_ms = 4500}, 9000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(http_phase_left_ms(&cases[i].progress, &limits, 5000), cases[i].left_ms);
}

static void test_we_wait_for_the_peer_until_its_request_is_whole(void **state) {
    (void)state;
    static const bool waits[] = {
        [HTTP_SHAKING] = true,   [HTTP_IDLE] = true,  [HTTP_HEAD] = true,
        [HTTP_BODY] = true,      [HTTP_BUSY] = false, [HTTP_ANSWERING] = false,
        [HTTP_LINGERING] = false};
    for (int phase = HTTP_SHAKING; phase <= HTTP_LINGERING; phase++)
        assert_int_equal(http_phase_waits((enum http_phase)phase), waits[phase]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_phase_has_a_fixed_end),
        cmocka_unit_test(test_while_draining_a_stranger_has_a_moment_for_its_head_and_its_body),
        cmocka_unit_test(test_we_wait_for_the_peer_until_its_request_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
