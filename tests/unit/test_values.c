/* Durations and sizes: one number, one unit, and back again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/values.h"

struct row {
    const char *text;
    int64_t value; /* -1: refused */
};

static void check(const struct row *rows, size_t count, bool (*parse)(struct text, int64_t *)) {
    for (size_t i = 0; i < count; i++) {
        int64_t value = -1;
        bool good = parse(text_of(rows[i].text), &value);
        if (good != (rows[i].value >= 0) || (good && value != rows[i].value))
            fail_msg("\"%s\"", rows[i].text);
    }
}

static void test_a_duration_is_one_whole_number_and_one_unit(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"250ms", 250},
        {"5s", 5000},
        {"3m", 180000},
        {"72h", 259200000},
        {"7d", 604800000},
        {"0s", 0},
        {"9223372036854775807ms", INT64_MAX},
        {"9223372036854775808ms", -1},
        {"9223372036854775807s", -1},
        {"106751991168d", -1},
        {"5", -1},
        {"s", -1},
        {"", -1},
        {"5 s", -1},
        {" 5s", -1},
        {"5s ", -1},
        {"-5s", -1},
        {"+5s", -1},
        {"1.5h", -1},
        {"1h30m", -1},
        {"5S", -1},
        {"5sec", -1},
        {"5w", -1},
        {"1KiB", -1},
    };
    check(rows, sizeof rows / sizeof rows[0], values_parse_duration);
}

static void test_a_size_is_one_whole_number_and_one_unit(void **state) {
    (void)state;
    static const struct row rows[] = {
        {"512B", 512},
        {"64KiB", 65536},
        {"8MiB", 8388608},
        {"1GiB", 1073741824},
        {"0B", 0},
        {"8589934591GiB", INT64_C(8589934591) << 30},
        {"8589934592GiB", -1},
        {"8", -1},
        {"8MB", -1},
        {"8M", -1},
        {"8kib", -1},
        {"8Mib", -1},
        {"1.5GiB", -1},
        {"-1B", -1},
        {"5s", -1},
        {"", -1},
    };
    check(rows, sizeof rows / sizeof rows[0], values_parse_size);
}

static void test_a_value_is_spelled_as_short_as_it_is_exact(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        const char *duration, *size;
    } cases[] = {
        {0, "0s", "0B"},
        {1, "1ms", "1B"},
        {1000, "1s", "1000B"},
        {1024, "1024ms", "1KiB"},
        {1500, "1500ms", "1500B"},
        {90000, "90s", "90000B"},
        {3600000, "1h", "3600000B"},
        {86400000, "1d", "84375KiB"},
        {8388608, "8388608ms", "8MiB"},
        {INT64_MAX, "9223372036854775807ms", "9223372036854775807B"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct string s = {0};
        int64_t again = -1;
        values_format_duration(cases[i].value, &s);
        assert_string_equal(s.data, cases[i].duration);
        assert_true(values_parse_duration(string_text(&s), &again) && again == cases[i].value);
        string_clear(&s);
        values_format_size(cases[i].value, &s);
        assert_string_equal(s.data, cases[i].size);
        assert_true(values_parse_size(string_text(&s), &again) && again == cases[i].value);
        string_finish(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_duration_is_one_whole_number_and_one_unit),
        cmocka_unit_test(test_a_size_is_one_whole_number_and_one_unit),
        cmocka_unit_test(test_a_value_is_spelled_as_short_as_it_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
