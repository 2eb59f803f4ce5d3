/* Series and their exposition. */
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/metrics.h"

static const struct metric_family taken = {
    "kula_relay_taken_total", METRIC_COUNTER, "Events taken.", {"service"}};
static const struct metric_family owed = {
    "kula_relay_owed", METRIC_GAUGE, "A \\ and\na line.", {NULL}};
static const struct metric_family attempts = {
    "kula_relay_attempts_total", METRIC_COUNTER, "Attempts.", {"service", "outcome"}};
static const struct metric_family took = {
    "kula_relay_attempt_seconds", METRIC_HISTOGRAM, "How long attempts took.", {"service"}};

static void assert_holds(const struct metrics *metrics, const char *expected) {
    struct string s = {0};
    metrics_format(metrics, &s);
    if (!s.data || !strstr(s.data, expected))
        fail_msg("not found:\n%s\nin:\n%s", expected, s.data ? s.data : "");
    string_finish(&s);
}

static void test_same_values_same_series(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    struct metric *a = metrics_series(metrics, &attempts, "crm", "delivered");
    struct metric *b = metrics_series(metrics, &attempts, "crm", "again");
    struct metric *c = metrics_series(metrics, &attempts, "erp", "delivered");
    assert_ptr_not_equal(a, b);
    assert_ptr_not_equal(a, c);
    assert_ptr_equal(metrics_series(metrics, &attempts, "crm", "delivered"), a);
    assert_ptr_equal(metrics_series(metrics, &attempts, "erp", "delivered"), c);
    metric_add(a, 2);
    metric_add(a, 1);
    assert_int_equal(metric_value(a), 3);
    assert_int_equal(metric_value(b), 0);
    metrics_destroy(metrics);
    metrics_destroy(NULL);
}

static void test_the_exposition_is_one_group_a_family(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    struct string s = {0};
    metric_add(metrics_series(metrics, &attempts, "crm", "delivered"), 5);
    metric_set(metrics_series(metrics, &owed, NULL, NULL), -2);
    metric_add(metrics_series(metrics, &attempts, "crm", "never"), 1);
    metrics_series(metrics, &taken, "a\"b\\c\nd", NULL);
    metrics_format(metrics, &s);
    assert_string_equal(s.data,
                        "# HELP kula_relay_attempts_total Attempts.\n"
                        "# TYPE kula_relay_attempts_total counter\n"
                        "kula_relay_attempts_total{service=\"crm\",outcome=\"delivered\"} 5\n"
                        "kula_relay_attempts_total{service=\"crm\",outcome=\"never\"} 1\n"
                        "# HELP kula_relay_owed A \\\\ and\\na line.\n"
                        "# TYPE kula_relay_owed gauge\n"
                        "kula_relay_owed -2\n"
                        "# HELP kula_relay_taken_total Events taken.\n"
                        "# TYPE kula_relay_taken_total counter\n"
                        "kula_relay_taken_total{service=\"a\\\"b\\\\c\\nd\"} 0\n");
    string_finish(&s);
    metrics_destroy(metrics);
}

static void test_nothing_used_nothing_shown(void **state) {
    (void)state;
    struct metrics *metrics = metrics_create();
    struct string s = {0};
    metrics_format(metrics, &s);
    assert_int_equal(s.size, 0);
    metrics_destroy(metrics);
}

static void test_buckets_pile_up_to_the_count(void **state) {
    (void)state;
    static const int64_t observed[] = {0, 1, 2, 10, 11, 999, 1000, 1001, 30000, 90000, -5};
    struct metrics *metrics = metrics_create();
    struct metric *metric = metrics_series(metrics, &took, "crm", NULL);
    for (size_t i = 0; i < sizeof observed / sizeof observed[0]; i++)
        metric_observe_ms(metric, observed[i]);
    assert_int_equal(metric_value(metric), 11);
    assert_holds(metrics, "# TYPE kula_relay_attempt_seconds histogram\n"
                          "kula_relay_attempt_seconds_bucket{service=\"crm\",le=\"0.001\"} 3\n"
                          "kula_relay_attempt_seconds_bucket{service=\"crm\",le=\"0.002\"} 4\n");
    assert_holds(metrics, "{service=\"crm\",le=\"0.01\"} 5\n");
    assert_holds(metrics, "{service=\"crm\",le=\"1\"} 8\n");
    assert_holds(metrics, "{service=\"crm\",le=\"2.5\"} 9\n");
    assert_holds(metrics, "{service=\"crm\",le=\"30\"} 10\n"
                          "kula_relay_attempt_seconds_bucket{service=\"crm\",le=\"+Inf\"} 11\n"
                          "kula_relay_attempt_seconds_sum{service=\"crm\"} 123.024\n"
                          "kula_relay_attempt_seconds_count{service=\"crm\"} 11\n");
    metrics_destroy(metrics);
}

static void test_a_histogram_without_labels_has_only_its_bounds(void **state) {
    (void)state;
    static const struct metric_family append = {
        "kula_relay_append_seconds", METRIC_HISTOGRAM, "From whole request to stored.", {NULL}};
    struct metrics *metrics = metrics_create();
    metric_observe_ms(metrics_series(metrics, &append, NULL, NULL), 3);
    assert_holds(metrics, "kula_relay_append_seconds_bucket{le=\"0.002\"} 0\n"
                          "kula_relay_append_seconds_bucket{le=\"0.005\"} 1\n");
    assert_holds(metrics, "kula_relay_append_seconds_sum 0.003\n"
                          "kula_relay_append_seconds_count 1\n");
    metrics_destroy(metrics);
}

static void test_time_is_counted_in_milliseconds_and_told_in_seconds(void **state) {
    (void)state;
    static const struct metric_family busy = {
        "kula_relay_busy_seconds_total", METRIC_COUNTER_MS, "Time.", {NULL}};
    struct metrics *metrics = metrics_create();
    metric_add(metrics_series(metrics, &busy, NULL, NULL), 1999);
    metric_add(metrics_series(metrics, &busy, NULL, NULL), 3);
    assert_int_equal(metric_value(metrics_series(metrics, &busy, NULL, NULL)), 2002);
    assert_holds(metrics, "# TYPE kula_relay_busy_seconds_total counter\n"
                          "kula_relay_busy_seconds_total 2.002\n");
    metrics_destroy(metrics);
}

static void test_a_forgotten_label_value_takes_all_its_series_along(void **state) {
    (void)state;
    static const struct metric_family starts = {
        "kula_relay_starts_total", METRIC_COUNTER, "Starts.", {NULL}};
    struct metrics *metrics = metrics_create();
    metric_add(metrics_series(metrics, &attempts, "crm", "again"), 2);
    metric_add(metrics_series(metrics, &attempts, "search", "crm"), 3);
    metric_add(metrics_series(metrics, &attempts, "crm", "never"), 4);
    metric_observe_ms(metrics_series(metrics, &took, "crm", NULL), 5);
    metric_add(metrics_series(metrics, &starts, NULL, NULL), 1);
    metrics_forget(metrics, "service", "crm");
    struct string s = {0};
    metrics_format(metrics, &s);
    assert_null(strstr(s.data, "service=\"crm\""));
    assert_non_null(strstr(s.data, "{service=\"search\",outcome=\"crm\"} 3\n"));
    assert_non_null(strstr(s.data, "kula_relay_starts_total 1\n"));
    assert_int_equal(metric_value(metrics_series(metrics, &attempts, "crm", "again")), 0);
    string_finish(&s);
    metrics_destroy(metrics);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_values_same_series),
        cmocka_unit_test(test_the_exposition_is_one_group_a_family),
        cmocka_unit_test(test_nothing_used_nothing_shown),
        cmocka_unit_test(test_buckets_pile_up_to_the_count),
        cmocka_unit_test(test_a_histogram_without_labels_has_only_its_bounds),
        cmocka_unit_test(test_time_is_counted_in_milliseconds_and_told_in_seconds),
        cmocka_unit_test(test_a_forgotten_label_value_takes_all_its_series_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
