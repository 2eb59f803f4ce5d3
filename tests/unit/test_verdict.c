#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/config.h"
#include "forward/backoff.h"
#include "forward/verdict.h"

enum { FIRST_MS = 1000, MOST_MS = 900000, GIVE_UP_MS = 3600000, NOW_MS = 10000000 };

static const struct config_service service = {
    .retry_first_ms = FIRST_MS, .retry_most_ms = MOST_MS, .retry_give_up_ms = GIVE_UP_MS};

static void test_a_status_decides_what_follows(void **state) {
    static const struct {
        int status;
        enum moves_verdict move;
    } rows[] = {
        {200, MOVES_DONE},  {201, MOVES_DONE},  {202, MOVES_DONE},  {204, MOVES_DONE},
        {299, MOVES_DONE},  {100, MOVES_DEFER}, {300, MOVES_DEFER}, {301, MOVES_DEFER},
        {302, MOVES_DEFER}, {304, MOVES_DEFER}, {308, MOVES_DEFER}, {400, MOVES_BURY},
        {401, MOVES_DEFER}, {402, MOVES_BURY},  {403, MOVES_DEFER}, {404, MOVES_DEFER},
        {405, MOVES_DEFER}, {406, MOVES_BURY},  {408, MOVES_DEFER}, {409, MOVES_DEFER},
        {410, MOVES_BURY},  {411, MOVES_BURY},  {413, MOVES_BURY},  {415, MOVES_BURY},
        {422, MOVES_BURY},  {425, MOVES_DEFER}, {429, MOVES_DEFER}, {451, MOVES_BURY},
        {499, MOVES_BURY},  {500, MOVES_DEFER}, {502, MOVES_DEFER}, {503, MOVES_DEFER},
        {504, MOVES_DEFER}, {599, MOVES_DEFER}, {999, MOVES_DEFER},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_result result = {.outcome = HTTP_ANSWERED, .status = rows[i].status};
        struct verdict verdict = verdict_of(&service, &(struct verdict_case){.result = &result});
        if (verdict.move != rows[i].move)
            fail_msg("status %d", rows[i].status);
    }
}

static void test_no_other_status_is_a_yes_or_the_end(void **state) {
    unsigned done = 0, bury = 0;
    (void)state;
    for (int status = -1; status <= 1000; status++) {
        struct http_result result = {.outcome = HTTP_ANSWERED, .status = status};
        struct verdict verdict = verdict_of(&service, &(struct verdict_case){.result = &result});
        done += verdict.move == MOVES_DONE;
        bury += verdict.move == MOVES_BURY;
        assert_true(*verdict.reason);
    }
    assert_int_equal(done, 100);
    assert_int_equal(bury, 100 - 8);
}

static void test_a_redirect_is_told_as_one(void **state) {
    struct http_result result = {.outcome = HTTP_ANSWERED, .status = 307};
    struct verdict verdict = verdict_of(&service, &(struct verdict_case){.result = &result});
    (void)state;
    assert_string_equal(verdict.reason, "answered with a redirect, and none is followed");
}

static void test_a_network_error_is_tried_again_with_its_words(void **state) {
    (void)state;
    struct http_result result = {.outcome = HTTP_FAILED, .error = "connection refused"};
    struct verdict verdict = verdict_of(&service, &(struct verdict_case){.result = &result});
    assert_int_equal(verdict.move, MOVES_DEFER);
    assert_string_equal(verdict.reason, "connection refused");
}

static void test_an_event_is_given_up_by_time_since_its_first_attempt(void **state) {
    (void)state;
    struct http_result result = {.outcome = HTTP_ANSWERED, .status = 500};
    struct verdict_case this = {.result = &result, .failed = 9, .now_ms = NOW_MS};
    this.first_ms = NOW_MS - GIVE_UP_MS + 1;
    assert_int_equal(verdict_of(&service, &this).move, MOVES_DEFER);
    this.first_ms = NOW_MS - GIVE_UP_MS;
    assert_int_equal(verdict_of(&service, &this).move, MOVES_BURY);
    result.status = 200;
    assert_int_equal(verdict_of(&service, &this).move, MOVES_DONE);
}

static void test_the_bound_of_a_backoff_doubles_up_to_the_most(void **state) {
    static const struct {
        unsigned failed;
        int64_t bound_ms;
    } rows[] = {{1, 1000},    {2, 2000},    {3, 4000},     {9, 256000},
                {10, 512000}, {11, 900000}, {100, 900000}, {4000000000u, 900000}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t span = rows[i].bound_ms - FIRST_MS / 10;
        assert_int_equal(backoff_ms(FIRST_MS, MOST_MS, rows[i].failed, 0), FIRST_MS / 10);
        assert_int_equal(backoff_ms(FIRST_MS, MOST_MS, rows[i].failed, (uint64_t)span),
                         rows[i].bound_ms);
    }
}

static void test_a_backoff_holds_for_any_random_bits_and_odd_settings(void **state) {
    (void)state;
    for (uint64_t random = 1; random; random <<= 1) {
        int64_t delay = backoff_ms(FIRST_MS, MOST_MS, 5, random - 1);
        assert_in_range(delay, FIRST_MS / 10, 16 * FIRST_MS);
    }
    assert_int_equal(backoff_ms(1, 1, 50, UINT64_MAX), 1 * (int64_t)(UINT64_MAX % 2));
    assert_in_range(backoff_ms(5000, 100, 1, UINT64_MAX), 100, 100);
}

static void test_a_pause_is_asked_for_by_429_and_503_and_holds_for_an_hour_at_most(void **state) {
    static const struct {
        int status;
        int64_t retry_after_ms, hold_ms;
    } rows[] = {{503, 2000, 2000}, {429, 2000, 2000}, {429, 3600000, 3600000},
                {503, 0, 0},       {500, 2000, 0},    {429, 3600001, 3600000},
                {401, 2000, 0},    {302, 2000, 0},    {429, INT64_MAX, 3600000}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_result result = {.outcome = HTTP_ANSWERED,
                                     .status = rows[i].status,
                                     .retry_after_ms = rows[i].retry_after_ms};
        struct verdict verdict = verdict_of(&service, &(struct verdict_case){.result = &result});
        assert_int_equal(verdict.move, MOVES_DEFER);
        assert_int_equal(verdict.hold_ms, rows[i].hold_ms);
        assert_true(verdict.delay_ms >= verdict.hold_ms);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_status_decides_what_follows),
        cmocka_unit_test(test_no_other_status_is_a_yes_or_the_end),
        cmocka_unit_test(test_a_redirect_is_told_as_one),
        cmocka_unit_test(test_a_network_error_is_tried_again_with_its_words),
        cmocka_unit_test(test_an_event_is_given_up_by_time_since_its_first_attempt),
        cmocka_unit_test(test_a_pause_is_asked_for_by_429_and_503_and_holds_for_an_hour_at_most),
        cmocka_unit_test(test_the_bound_of_a_backoff_doubles_up_to_the_most),
        cmocka_unit_test(test_a_backoff_holds_for_any_random_bits_and_odd_settings),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
