#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "forward/pace.h"

/* A story is a run of attempts that start one after the other has ended: a letter is an event that
 * failed, "." one that went well; upper case and "!" are the same of probes; "+" and "-" are a take
 * that says open or closed. */
static enum moves_breaker tell(struct pace *pace, char what) {
    unsigned round = pace_start(pace);
    char id[2] = {what >= 'A' && what <= 'Z' ? (char)(what + 32) : what, '\0'};
    switch (what) {
    case '.':
    case '!':
        return pace_well(pace, what == '!');
    case '+':
    case '-':
        pace_told(pace, what == '+', 0);
        return MOVES_BREAKER_AS_IS;
    default:
        return pace_failed(pace, round, text_of(id), id[0] != what);
    }
}

static void test_a_story_of_attempts_moves_breaker_and_window(void **state) {
    static const struct {
        const char *story;
        int64_t concurrency;
        enum moves_breaker last; /* what the last attempt did */
        bool open;
        size_t slots;
    } rows[] = {
        {"", 8, MOVES_BREAKER_AS_IS, false, 8},
        {".", 8, MOVES_BREAKER_AS_IS, false, 8},
        {"a", 8, MOVES_BREAKER_AS_IS, false, 4},
        {"ab", 8, MOVES_BREAKER_AS_IS, false, 2},
        {"abbb", 8, MOVES_BREAKER_AS_IS, false, 2}, /* the least while it is closed */
        {"a", 3, MOVES_BREAKER_AS_IS, false, 2},
        {"a", 1, MOVES_BREAKER_AS_IS, false, 1},
        {"aaaaaaaaaaaaaaaaaaaa", 8, MOVES_BREAKER_AS_IS, false,
         2},                                                    /* one bad event, however often */
        {"abababababababab", 8, MOVES_BREAKER_AS_IS, false, 2}, /* two of them */
        {"abca", 8, MOVES_BREAKER_AS_IS, false, 2},             /* three, but four failures */
        {"abcab", 8, MOVES_BREAKER_OPENS, true, 1},
        {"abcde", 8, MOVES_BREAKER_OPENS, true, 1},
        {"aaabc", 8, MOVES_BREAKER_OPENS, true, 1},
        {"aaaabc", 8, MOVES_BREAKER_OPENS, true, 1},
        {"abcd.e", 8, MOVES_BREAKER_AS_IS, false, 2}, /* not in a row */
        {"abcd.abcd", 8, MOVES_BREAKER_AS_IS, false, 2},
        {"abcded", 8, MOVES_BREAKER_AS_IS, true, 1}, /* stragglers neither open it again */
        {"abcde.", 8, MOVES_BREAKER_AS_IS, true, 1}, /* nor close it */
        {"abcdeF", 8, MOVES_BREAKER_STAYS, true, 1},
        {"abcdeFG", 8, MOVES_BREAKER_STAYS, true, 1},
        {"abcde!", 8, MOVES_BREAKER_CLOSES, false, 2},
        {"abcdeF!", 8, MOVES_BREAKER_CLOSES, false, 2},
        {"abcdeF!abcd", 8, MOVES_BREAKER_AS_IS, false, 2}, /* the row begins anew */
        {"abcdeF!abcde", 8, MOVES_BREAKER_OPENS, true, 1},
        {"+", 8, MOVES_BREAKER_AS_IS, true, 1}, /* another forwarder opened it, or one before us */
        {"+abcde", 8, MOVES_BREAKER_AS_IS, true, 1},  /* and keeps it */
        {"+-", 8, MOVES_BREAKER_AS_IS, false, 1},     /* it closed it too */
        {"+-a", 8, MOVES_BREAKER_AS_IS, false, 1},    /* never less than one */
        {"+-.", 8, MOVES_BREAKER_AS_IS, false, 2},    /* 1 + 1/1 */
        {"+-...", 8, MOVES_BREAKER_AS_IS, false, 2},  /* + 1/2 + 1/2.5 */
        {"+-....", 8, MOVES_BREAKER_AS_IS, false, 3}, /* and so on: by one a windowful */
        {"+-.......................................", 8, MOVES_BREAKER_AS_IS, false, 8},
        {"abcd+", 8, MOVES_BREAKER_AS_IS, true, 1},
        {"abcd+-e", 8, MOVES_BREAKER_AS_IS, false,
         1}, /* what failed before it opened is forgotten */
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pace pace;
        enum moves_breaker last = MOVES_BREAKER_AS_IS;
        pace_init(&pace, rows[i].concurrency, 0, 0);
        for (const char *what = rows[i].story; *what; what++)
            last = tell(&pace, *what);
        if (last != rows[i].last || pace.open != rows[i].open ||
            pace_slots(&pace, 0, 0, 0) != rows[i].slots)
            fail_msg("%s: did %d, open %d, %zu slots", rows[i].story, last, pace.open,
                     pace_slots(&pace, 0, 0, 0));
    }
}

static void test_attempts_that_started_together_halve_the_window_once(void **state) {
    (void)state;
    struct pace pace;
    pace_init(&pace, 16, 0, 0);
    unsigned before = pace_start(&pace);
    for (int i = 0; i < 4; i++)
        pace_failed(&pace, before, text_of("a"), false);
    assert_int_equal(pace_slots(&pace, 0, 0, 0), 8);
    pace_failed(&pace, pace_start(&pace), text_of("a"), false);
    assert_int_equal(pace_slots(&pace, 0, 0, 0), 4);
}

static void test_what_is_in_flight_takes_slots_and_retries_leave_one_free(void **state) {
    static const struct {
        int64_t concurrency;
        size_t in_flight, retries, slots, retry_slots;
    } rows[] = {
        {8, 0, 0, 8, 7}, {8, 3, 0, 5, 5}, {8, 7, 7, 1, 0}, {8, 6, 6, 2, 1},
        {8, 8, 8, 0, 0}, {8, 9, 9, 0, 0}, {2, 0, 0, 2, 1}, {2, 1, 1, 1, 0},
        {2, 1, 0, 1, 1}, {1, 0, 0, 1, 1}, {1, 1, 1, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pace pace;
        pace_init(&pace, rows[i].concurrency, 0, 0);
        size_t slots = pace_slots(&pace, rows[i].in_flight, rows[i].retries, 0);
        assert_int_equal(slots, rows[i].slots);
        assert_int_equal(pace_retry_slots(&pace, slots, rows[i].retries), rows[i].retry_slots);
    }
}

static void test_a_call_fills_half_the_window_at_most_and_always_something(void **state) {
    static const struct {
        int64_t concurrency;
        size_t slots, at_once;
    } rows[] = {{16, 16, 8}, {16, 8, 8}, {16, 3, 3}, {7, 7, 4}, {2, 2, 1}, {1, 1, 1}, {1, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pace pace;
        pace_init(&pace, rows[i].concurrency, 0, 0);
        assert_int_equal(pace_at_once(&pace, rows[i].slots), rows[i].at_once);
    }
}

/* Starts all that may start, each over at once; says how many those were. */
static int64_t start_all(struct pace *pace, int64_t now_ms) {
    int64_t started = 0;
    while (pace_slots(pace, 0, 0, now_ms)) {
        pace_start(pace);
        started++;
    }
    return started;
}

static void test_a_new_event_has_a_slot_when_the_window_shrinks_below_the_retries(void **state) {
    (void)state;
    struct pace pace;
    pace_init(&pace, 4, 0, 0);
    tell(&pace, 'a');
    tell(&pace, 'a');
    size_t slots = pace_slots(&pace, 3, 3, 0);
    assert_int_equal(slots, 1);
    assert_int_equal(pace_retry_slots(&pace, slots, 3), 0);
    assert_int_equal(pace_slots(&pace, 4, 3, 0), 0);
}

static void test_a_rate_holds_over_any_second_and_says_when_to_come_back(void **state) {
    static const int64_t rates[] = {1, 2, 7, 10, 50, 999, 100000};
    (void)state;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        struct pace pace;
        int64_t now_ms = 1000, started = 0, looks = 0;
        pace_init(&pace, 1000, rates[i], now_ms);
        while (now_ms < 11000) {
            started += start_all(&pace, now_ms);
            int64_t wait_ms = pace_wait_ms(&pace, now_ms);
            assert_true(wait_ms >= 1 && wait_ms <= 1001);
            now_ms += wait_ms;
            looks++;
        }
        /* Ten seconds, and what was saved up before. */
        int64_t saved = rates[i] < 10 ? 1 : rates[i] / 10;
        assert_in_range(started, rates[i] * 10 * 9 / 10, rates[i] * 10 + saved + 1);
        assert_true(looks <= 10001);
    }
}

static void test_a_pause_saves_up_a_tenth_of_a_second_and_no_more(void **state) {
    (void)state;
    struct pace pace;
    pace_init(&pace, 1000, 100, 0);
    start_all(&pace, 0);
    assert_int_equal(start_all(&pace, 3600000), 10);
    assert_int_equal(pace_wait_ms(&pace, 3600000), 11);
}

static void test_without_a_rate_there_is_nothing_to_wait_for(void **state) {
    (void)state;
    struct pace pace;
    pace_init(&pace, 2, 0, 0);
    pace_start(&pace);
    assert_int_equal(pace_wait_ms(&pace, 0), 0);
    assert_int_equal(pace_slots(&pace, 2, 0, 0), 0);
}

static void test_other_limits_widen_a_full_window_and_leave_a_narrow_one(void **state) {
    static const struct {
        const char *story;
        int64_t was, is;
        size_t slots;
    } rows[] = {{"", 8, 20, 20}, {"", 8, 3, 3},   {"a", 8, 20, 4},
                {"a", 8, 3, 3},  {"ab", 8, 3, 2}, {"abcab", 8, 20, 1}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct pace pace;
        pace_init(&pace, rows[i].was, 0, 0);
        for (const char *what = rows[i].story; *what; what++)
            tell(&pace, *what);
        pace_limit(&pace, rows[i].is, 0, 0);
        assert_int_equal(pace_room(&pace, 0, 0), rows[i].slots);
    }
}

static void test_another_rate_brings_no_burst(void **state) {
    (void)state;
    struct pace pace;
    pace_init(&pace, 1000, 0, 0);
    pace_limit(&pace, 1000, 100, 5000);
    assert_in_range(start_all(&pace, 5000), 0, 1);
    assert_int_equal(start_all(&pace, 5050), 5);
    pace_limit(&pace, 1000, 0, 5050);
    assert_int_equal(pace_slots(&pace, 0, 0, 5050), 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_story_of_attempts_moves_breaker_and_window),
        cmocka_unit_test(test_attempts_that_started_together_halve_the_window_once),
        cmocka_unit_test(test_what_is_in_flight_takes_slots_and_retries_leave_one_free),
        cmocka_unit_test(test_a_call_fills_half_the_window_at_most_and_always_something),
        cmocka_unit_test(test_a_new_event_has_a_slot_when_the_window_shrinks_below_the_retries),
        cmocka_unit_test(test_a_rate_holds_over_any_second_and_says_when_to_come_back),
        cmocka_unit_test(test_a_pause_saves_up_a_tenth_of_a_second_and_no_more),
        cmocka_unit_test(test_without_a_rate_there_is_nothing_to_wait_for),
        cmocka_unit_test(test_other_limits_widen_a_full_window_and_leave_a_narrow_one),
        cmocka_unit_test(test_another_rate_brings_no_burst),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
