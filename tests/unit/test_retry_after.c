/* Retry-After: seconds, dates in three spellings, and what is neither. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/retry_after.h"

struct row {
    const char *value;
    int64_t wait_s;
};

enum { YEAR_S = 365 * 24 * 3600 };

static void check(const struct row *rows, size_t count, int64_t now_ms) {
    for (size_t i = 0; i < count; i++) {
        int64_t wait_ms = retry_after_ms(text_of(rows[i].value), now_ms);
        if (wait_ms != rows[i].wait_s * 1000)
            fail_msg("\"%s\" is %lld ms", rows[i].value, (long long)wait_ms);
    }
}
#define CHECK(rows, now_ms) check(rows, sizeof(rows) / sizeof *(rows), now_ms)

static void test_seconds_are_taken_as_they_are(void **state) {
    static const struct row rows[] = {
        {"0", 0},
        {"1", 1},
        {"120", 120},
        {" 120\t", 120},
        {"00120", 120},
        {"31536000", YEAR_S},
        {"31536001", YEAR_S},
        {"99999999999999999999999999", YEAR_S},
    };
    (void)state;
    CHECK(rows, 0);
}

static void test_a_date_is_taken_in_each_of_its_spellings(void **state) {
    /* RFC 9110's own three, seen ten seconds before. */
    static const struct row rows[] = {
        {"Sun, 06 Nov 1994 08:49:37 GMT", 10},   {"Sunday, 06-Nov-94 08:49:37 GMT", 10},
        {"Sun Nov  6 08:49:37 1994", 10},        {" Sun, 06 Nov 1994 08:49:37 GMT ", 10},
        {"Sun, 06 Nov 1994 08:49:27 GMT", 0},    {"Sun, 06 Nov 1994 09:49:27 GMT", 3600},
        {"Sun Nov 13 08:49:27 1994", 7 * 86400}, {"Sat, 05 Nov 1994 08:49:37 GMT", 0},
        {"Thu, 01 Jan 1970 00:00:00 GMT", 0},    {"Fri, 31 Dec 9999 23:59:59 GMT", YEAR_S},
    };
    (void)state;
    CHECK(rows, 784111767999);
}

static void test_two_digits_of_a_year_are_never_more_than_fifty_years_ahead(void **state) {
    static const int64_t end_of_1999_ms = 946684799000, in_2026_ms = 1790000000000;
    static const struct row then[] = {{"Saturday, 01-Jan-00 00:00:00 GMT", 1},
                                      {"Friday, 01-Jan-49 00:00:00 GMT", YEAR_S},
                                      {"Saturday, 01-Jan-50 00:00:00 GMT", 0}};
    static const struct row now[] = {{"Monday, 21-Sep-26 14:13:30 GMT", 10},
                                     {"Tuesday, 01-Jan-69 00:00:00 GMT", YEAR_S},
                                     {"Friday, 01-Jan-77 00:00:00 GMT", 0},
                                     {"Sunday, 06-Nov-94 08:49:37 GMT", 0}};
    (void)state;
    CHECK(then, end_of_1999_ms);
    CHECK(now, in_2026_ms);
}

static void test_what_means_nothing_asks_for_nothing(void **state) {
    static const struct row rows[] = {
        {NULL, 0},
        {"", 0},
        {"  ", 0},
        {"soon", 0},
        {"-5", 0},
        {"1.5", 0},
        {"120 s", 0},
        {"1e3", 0},
        {"+7", 0},
        {"Sun, 06 Nov 1994 08:49:37 CET", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT and more", 0},
        {"Sun, 06 Nov 1994 25:49:37 GMT", 0},
        {"Sun, 66 Nov 1994 08:49:37 GMT", 0},
        {"Sun, 06 Nov 1994", 0},
        {"1994-11-06T08:49:37Z", 0},
        {"Sun, 06 Nov 1994 08:49:37 GMT                                              x", 0},
    };
    (void)state;
    CHECK(rows, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds_are_taken_as_they_are),
        cmocka_unit_test(test_a_date_is_taken_in_each_of_its_spellings),
        cmocka_unit_test(test_two_digits_of_a_year_are_never_more_than_fifty_years_ahead),
        cmocka_unit_test(test_what_means_nothing_asks_for_nothing),
    };
    return cmocka_run_group_tests_name("retry_after", tests, NULL, NULL);
}
