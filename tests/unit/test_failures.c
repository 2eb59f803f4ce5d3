/* Failures are counted for a day, by quarters of an hour, and then no longer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "serve/failures.h"

enum { DAY_MS = 24 * 3600 * 1000 };

static void test_each_is_counted_for_a_day_and_at_most_a_quarter_more(void **state) {
    static const struct {
        int64_t at_ms[4];
        int count;
        int64_t now_ms, sum;
    } cases[] = {
        {{0}, 0, 0, 0},
        {{0, 1, 2, 3}, 4, 3, 4},
        {{0, FAILURES_PART_MS, 2 * FAILURES_PART_MS}, 3, DAY_MS, 3},
        {{0, FAILURES_PART_MS}, 2, DAY_MS + FAILURES_PART_MS, 1},
        {{FAILURES_PART_MS - 1}, 1, DAY_MS + FAILURES_PART_MS - 1, 1},
        {{FAILURES_PART_MS - 1}, 1, DAY_MS + FAILURES_PART_MS, 0},
        {{5, DAY_MS * (int64_t)40}, 2, DAY_MS * (int64_t)40, 1},
        {{0, FAILURES_PART_MS,
          FAILURES_PARTS * (int64_t)FAILURES_PART_MS}, /* one place, two parts */
         3,
         FAILURES_PARTS * (int64_t)FAILURES_PART_MS,
         2},
        {{7}, 1, DAY_MS * (int64_t)400, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct failures failures = {0};
        for (int k = 0; k < cases[i].count; k++)
            failures_note(&failures, cases[i].at_ms[k]);
        assert_int_equal(failures_sum(&failures, cases[i].now_ms), cases[i].sum);
    }
}

static void test_each_part_is_told_by_its_number(void **state) {
    struct failures failures = {0};
    (void)state;
    failures_note(&failures, 1);
    failures_note(&failures, FAILURES_PART_MS);
    failures_note(&failures, FAILURES_PART_MS + 1);
    assert_int_equal(failures_of(&failures, 0, FAILURES_PART_MS), 1);
    assert_int_equal(failures_of(&failures, 1, FAILURES_PART_MS), 2);
    assert_int_equal(failures_of(&failures, 2, FAILURES_PART_MS), 0);
    assert_int_equal(failures_of(&failures, -1, FAILURES_PART_MS), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_counted_for_a_day_and_at_most_a_quarter_more),
        cmocka_unit_test(test_each_part_is_told_by_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
