/* Kula's management API over a real connection: what is sent, how often, and that each call
 * ends exactly once. What Kula answers in which form stands in test_kula_answer.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/version.h"
#include "kula_api/kula_api.h"
#include "scripted.h"

enum { SOON_MS = 20000 };

#define OK(json, size) "HTTP/1.1 200 OK\r\nContent-Length: " size "\r\n\r\n" json
#define NO(status)     "HTTP/1.1 " status " No\r\nContent-Length: 0\r\n\r\n"

struct desk {
    struct loop *loop;
    struct scripted *server;
    struct kula_api *api;
    char url[64];
    unsigned answers;
    struct kula_answer *answer;
};

static int open_desk(void **state) {
    static unsigned char token[] = "t0ken";
    const struct secret secret = {token, sizeof token - 1};
    struct desk *desk = memory_new(sizeof *desk);
    desk->loop = loop_create();
    desk->server = scripted_start(desk->loop, NULL, NULL);
    snprintf(desk->url, sizeof desk->url, "http://127.0.0.1:%u/v1", scripted_port(desk->server));
    desk->api = kula_api_create(
        desk->loop, &(struct kula_api_settings){desk->url, &secret, .timeout_ms = SOON_MS});
    *state = desk;
    return 0;
}

static int close_desk(void **state) {
    struct desk *desk = *state;
    kula_api_destroy(desk->api);
    kula_answer_destroy(desk->answer);
    scripted_stop(desk->server);
    loop_destroy(desk->loop);
    free(desk);
    return 0;
}

static void on_answer(void *arg, struct kula_answer **answer) {
    struct desk *desk = arg;
    kula_answer_destroy(desk->answer);
    desk->answer = *answer;
    *answer = NULL;
    desk->answers++;
}

static void wait_for_answer(struct desk *desk) {
    int64_t until_ms = clock_steady_ms() + SOON_MS;
    unsigned before = desk->answers;
    while (desk->answers == before) {
        loop_turn(desk->loop);
        assert_true(clock_steady_ms() < until_ms);
    }
    assert_int_equal(desk->answers, before + 1);
}

static void wait_for_requests(struct desk *desk, size_t count) {
    int64_t until_ms = clock_steady_ms() + SOON_MS;
    while (scripted_requests(desk->server) < count) {
        loop_turn(desk->loop);
        assert_true(clock_steady_ms() < until_ms);
    }
}

static void test_a_request_carries_the_token_and_nothing_needless(void **state) {
    static const struct scripted_answer answer = {OK("{\"data\":[]}", "11")};
    struct desk *desk = *state;
    char expected[512];
    scripted_script(desk->server, &answer, 1);
    kula_api_logs(desk->api, "wh_1", &(struct kula_api_filter){.status = "failed", .event = "a&b"},
                  2, on_answer, desk);
    assert_int_equal(desk->answers, 0);
    wait_for_answer(desk);
    assert_int_equal(desk->answer->outcome, KULA_DONE);
    snprintf(expected, sizeof expected,
             "GET /v1/webhooks/wh_1/logs?page=2&limit=100&status=failed&event=a%%26b HTTP/1.1\r\n"
             "Host: 127.0.0.1:%u\r\nAuthorization: Bearer t0ken\r\nAccept: application/json\r\n"
             "User-Agent: kula-relay/" KULA_RELAY_VERSION "\r\n\r\n",
             scripted_port(desk->server));
    assert_true(text_is(scripted_last(desk->server), expected));
}

static void test_the_rate_limit_is_remembered_from_the_last_answer_that_told_it(void **state) {
    static const struct scripted_answer answers[] = {
        {"HTTP/1.1 200 OK\r\nX-RateLimit-Limit: 1000\r\nX-RateLimit-Remaining: 37\r\n"
         "X-RateLimit-Reset: 1736937000\r\nContent-Length: 2\r\n\r\n[]"},
        {OK("[]", "2")}};
    struct desk *desk = *state;
    assert_int_equal(kula_api_limit(desk->api).remaining, -1);
    scripted_script(desk->server, answers, 2);
    for (int i = 0; i < 2; i++) {
        kula_api_list(desk->api, 1, on_answer, desk);
        wait_for_answer(desk);
        assert_int_equal(kula_api_limit(desk->api).limit, 1000);
        assert_int_equal(kula_api_limit(desk->api).remaining, 37);
        assert_int_equal(kula_api_limit(desk->api).reset_s, 1736937000);
    }
}

#define LIMITED(reset)                                                                             \
    "HTTP/1.1 429 No\r\nX-RateLimit-Limit: 1000\r\nX-RateLimit-Remaining: 0\r\n"                   \
    "X-RateLimit-Reset: " reset "\r\nContent-Length: 0\r\n\r\n"

static void test_when_the_limit_begins_anew_is_believed_for_an_hour_and_no_more(void **state) {
    static const struct {
        const char *answer;
        int64_t wait_ms;
    } cases[] = {
        {LIMITED("4102444800"), 3600000},         /* a clock of ours that is decades behind */
        {LIMITED("4102444800000"), 3600000},      /* in milliseconds */
        {LIMITED("9223372036854775"), 3600000},   /* the last that can be told in them */
        {LIMITED("9223372036854775807"), 60000},  /* as if there were none */
        {LIMITED("18446744073709551616"), 60000}, /* as this */
        {LIMITED("1736937000"), 60000},           /* in the past */
    };
    struct desk *desk = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct scripted_answer answer = {cases[i].answer};
        scripted_script(desk->server, &answer, 1);
        kula_api_list(desk->api, 1, on_answer, desk);
        wait_for_answer(desk);
        assert_int_equal(desk->answer->outcome, KULA_LIMITED);
        assert_int_equal(desk->answer->retry_after_ms, cases[i].wait_ms);
    }
}

static void test_only_what_can_get_better_and_is_safe_is_tried_again(void **state) {
    static const struct {
        const char *answer;
        enum kula_outcome outcome;
        size_t lists, creations;
    } cases[] = {
        {NO("401"), KULA_REFUSED, 1, 1},
        {NO("404"), KULA_MISSING, 1, 1},
        {NO("503"), KULA_AWAY, 3, 1},
        /* Kula has not done anything: that is what it says. */
        {"HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", KULA_LIMITED, 3, 3},
        {"HTTP/1.1 429 No\r\nRetry-After: 11\r\nContent-Length: 0\r\n\r\n", KULA_LIMITED, 1, 1},
    };
    struct desk *desk = *state;
    size_t before = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct scripted_answer answer = {cases[i].answer};
        scripted_script(desk->server, &answer, 1);
        kula_api_list(desk->api, 1, on_answer, desk);
        wait_for_answer(desk);
        assert_int_equal(desk->answer->outcome, cases[i].outcome);
        assert_false(desk->answer->perhaps);
        assert_int_equal(scripted_requests(desk->server) - before, cases[i].lists);
        before += cases[i].lists;

        kula_api_make(desk->api, &(struct kula_api_fields){.url = "https://a/"}, on_answer, desk);
        wait_for_answer(desk);
        assert_int_equal(desk->answer->outcome, cases[i].outcome);
        assert_int_equal(desk->answer->perhaps, cases[i].outcome == KULA_AWAY);
        assert_int_equal(scripted_requests(desk->server) - before, cases[i].creations);
        before += cases[i].creations;
    }
}

static void test_the_end_answers_what_is_asked_and_what_waits_for_its_next_try(void **state) {
    static const struct scripted_answer answers[] = {{NO("503")}, {""}};
    struct desk *desk = *state;
    scripted_script(desk->server, answers, 2);
    kula_api_list(desk->api, 1, on_answer, desk);
    wait_for_requests(desk, 1);
    kula_api_enable(desk->api, "wh_1", on_answer, desk);
    wait_for_requests(desk, 2);
    assert_int_equal(desk->answers, 0);
    kula_api_destroy(desk->api);
    desk->api = NULL;
    assert_int_equal(desk->answers, 2);
    assert_int_equal(desk->answer->outcome, KULA_STOPPED);
}

static void on_answer_destroy(void *arg, struct kula_answer **answer) {
    struct desk *desk = arg;
    on_answer(desk, answer);
    kula_api_destroy(desk->api);
    desk->api = NULL;
}

static void test_an_answer_may_destroy_the_api(void **state) {
    static const struct scripted_answer answer = {OK("[]", "2")};
    struct desk *desk = *state;
    scripted_script(desk->server, &answer, 1);
    kula_api_list(desk->api, 1, on_answer_destroy, desk);
    wait_for_answer(desk);
    assert_int_equal(desk->answer->outcome, KULA_DONE);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)
    const struct CMUnitTest tests[] = {
        TEST(test_a_request_carries_the_token_and_nothing_needless),
        TEST(test_the_rate_limit_is_remembered_from_the_last_answer_that_told_it),
        TEST(test_when_the_limit_begins_anew_is_believed_for_an_hour_and_no_more),
        TEST(test_only_what_can_get_better_and_is_safe_is_tried_again),
        TEST(test_the_end_answers_what_is_asked_and_what_waits_for_its_next_try),
        TEST(test_an_answer_may_destroy_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
