/* Lines that strangers cause are written up to a limit, and the others counted. */
#include "base/log_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* After those, which it needs. */
#include <cmocka.h>

static const struct metric_family left_out = {
    .name = "left_out_total", .kind = METRIC_COUNTER, .help = "Left out."};

static unsigned allowed(struct log_limit *limit, unsigned lines, int64_t now_ms) {
    unsigned count = 0;
    for (unsigned i = 0; i < lines; i++)
        count += log_limit_allows(limit, now_ms);
    return count;
}

static void test_a_burst_is_written_and_then_so_many_a_second(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    struct metric *series = metrics_series(metrics, &left_out, NULL, NULL);
    struct log_limit limit = {.about = "tests", .left_out_total = series};
    assert_int_equal(allowed(&limit, 100, 5000), LOG_LIMIT_BURST);
    assert_int_equal(allowed(&limit, 100, 5001), 0);
    assert_int_equal(allowed(&limit, 100, 6000), LOG_LIMIT_A_SECOND);
    assert_int_equal(allowed(&limit, 1, 6000 + 1000 / LOG_LIMIT_A_SECOND), 1);
    assert_int_equal(allowed(&limit, 100, 60000), LOG_LIMIT_BURST);
    assert_int_equal(limit.left_out, 4 * 100 - 2 * LOG_LIMIT_BURST - LOG_LIMIT_A_SECOND);
    assert_int_equal(metric_value(series), (int64_t)limit.left_out);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_is_written_and_then_so_many_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
