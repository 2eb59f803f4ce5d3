/* How a watcher shares the account's rate limit, and how often it enables what Kula disables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "watch/patience.h"

enum { EVERY_MS = 30000, MINUTE_MS = 60000, HOUR_MS = 3600000 };

static void test_the_nearer_the_limit_the_longer_between_two_looks(void **state) {
    static const struct {
        int64_t ours, reset_in_s;
        size_t requests;
        int64_t wait_ms;
    } cases[] = {
        {-1, 3600, 1, EVERY_MS},  /* Kula does not tell */
        {250, 3600, 1, EVERY_MS}, /* it would be one in 14 s */
        {250, 3600, 3, 43200},    /* three webhooks share it */
        {25, 3600, 1, 144000},
        {25, 600, 1, EVERY_MS}, /* the hour is nearly over */
        {1, 3600, 1, 3600000},
        {0, 1800, 1, 1800000}, /* nothing is left for us before the limit starts anew */
        {0, 10, 1, EVERY_MS},
        {0, -5, 1, EVERY_MS},           /* it has started anew */
        {0, 1736937000000, 1, HOUR_MS}, /* in milliseconds, or by another clock: within the hour */
        {25, INT64_MAX / 1000, 1, 144000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct patience_share share = {cases[i].ours, 1000 + cases[i].reset_in_s};
        assert_int_equal(patience_look_ms(EVERY_MS, share, cases[i].requests, 1000),
                         cases[i].wait_ms);
    }
    assert_int_equal(patience_look_ms(EVERY_MS, (struct patience_share){5, -1}, 1, 1000), EVERY_MS);
}

static void test_the_first_is_enabled_at_once_and_each_next_later(void **state) {
    struct patience patience = {0};
    int64_t now_ms = HOUR_MS, wait_ms = MINUTE_MS;
    (void)state;
    assert_int_equal(patience_enable_ms(&patience, now_ms), 0);
    for (int i = 1; i < PATIENCE_ENABLES_MOST; i++) {
        patience_note_enabled(&patience, now_ms);
        assert_int_equal(patience_enable_ms(&patience, now_ms), wait_ms);
        assert_int_equal(patience_enable_ms(&patience, now_ms + wait_ms - 1), 1);
        now_ms += wait_ms;
        assert_int_equal(patience_enable_ms(&patience, now_ms), 0);
        wait_ms = wait_ms * 2 < HOUR_MS ? wait_ms * 2 : HOUR_MS;
    }
}

static void test_so_many_in_a_day_and_no_more(void **state) {
    struct patience patience = {0};
    (void)state;
    for (int i = 0; i < PATIENCE_ENABLES_MOST; i++)
        patience_note_enabled(&patience, i * (int64_t)HOUR_MS);
    assert_int_equal(patience_enable_ms(&patience, 11 * (int64_t)HOUR_MS), 13 * HOUR_MS);
    assert_int_equal(patience_enable_ms(&patience, PATIENCE_DAY_MS), 0);
    patience_note_enabled(&patience, PATIENCE_DAY_MS);
    assert_int_equal(patience_enable_ms(&patience, PATIENCE_DAY_MS), HOUR_MS);
}

static void test_a_day_without_trouble_forgets(void **state) {
    struct patience patience = {0};
    (void)state;
    for (int i = 0; i < 5; i++)
        patience_note_enabled(&patience, i);
    assert_int_equal(patience_enable_ms(&patience, PATIENCE_DAY_MS + 10), 0);
    patience_note_enabled(&patience, PATIENCE_DAY_MS + 10);
    assert_int_equal(patience_enable_ms(&patience, PATIENCE_DAY_MS + 10), MINUTE_MS);
}

static void test_each_next_test_is_asked_for_later_and_within_an_hour(void **state) {
    (void)state;
    for (size_t untold = 1; untold <= 7; untold++)
        assert_int_equal(patience_test_ms(EVERY_MS, untold), (int64_t)EVERY_MS << (untold - 1));
    assert_int_equal(patience_test_ms(EVERY_MS, 8), HOUR_MS);
    assert_int_equal(patience_test_ms(EVERY_MS, SIZE_MAX), HOUR_MS);
    assert_int_equal(patience_test_ms(HOUR_MS, 2), HOUR_MS);
}

static void test_what_is_recalled_counts_once_and_in_its_place(void **state) {
    static const int64_t ago_ms[] = {MINUTE_MS, 2 * HOUR_MS, 3 * HOUR_MS};
    struct patience patience = {0};
    int64_t now_ms = 0; /* long before: a clock that began with the machine */
    (void)state;
    patience_recall(&patience, ago_ms, 3, now_ms);
    patience_recall(&patience, ago_ms, 3, now_ms + 2000);
    assert_int_equal(patience.count, 3);
    assert_int_equal(patience.enabled_ms[0], -3 * HOUR_MS);
    assert_int_equal(patience.enabled_ms[2], -MINUTE_MS);
    assert_int_equal(patience_enable_ms(&patience, now_ms), 3 * MINUTE_MS);
    patience_note_enabled(&patience, now_ms + HOUR_MS);
    patience_recall(&patience, (const int64_t[]){0, 30 * (int64_t)MINUTE_MS}, 2, now_ms + HOUR_MS);
    assert_int_equal(patience.count, 5);
    assert_int_equal(patience.enabled_ms[3], 30 * MINUTE_MS);
}

static void test_the_limit_of_a_day_holds_with_what_is_recalled(void **state) {
    int64_t ago_ms[PATIENCE_ENABLES_MOST + 2];
    struct patience patience = {0};
    (void)state;
    for (int i = 0; i < PATIENCE_ENABLES_MOST + 2; i++)
        ago_ms[i] = (i + 2) * (int64_t)HOUR_MS; /* newest first */
    patience_recall(&patience, ago_ms, PATIENCE_ENABLES_MOST + 2, 0);
    assert_int_equal(patience.count, PATIENCE_ENABLES_MOST);
    assert_int_equal(patience_enable_ms(&patience, 0), 13 * HOUR_MS);
    /* From tomorrow, by a clock that was wrong: it counts as now, and not for longer. */
    struct patience other = {0};
    patience_recall(&other, (const int64_t[]){-1000 * (int64_t)HOUR_MS}, 1, 0);
    assert_int_equal(patience_enable_ms(&other, 0), MINUTE_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_nearer_the_limit_the_longer_between_two_looks),
        cmocka_unit_test(test_the_first_is_enabled_at_once_and_each_next_later),
        cmocka_unit_test(test_so_many_in_a_day_and_no_more),
        cmocka_unit_test(test_a_day_without_trouble_forgets),
        cmocka_unit_test(test_each_next_test_is_asked_for_later_and_within_an_hour),
        cmocka_unit_test(test_what_is_recalled_counts_once_and_in_its_place),
        cmocka_unit_test(test_the_limit_of_a_day_holds_with_what_is_recalled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
