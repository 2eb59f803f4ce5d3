#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

enum { DRAWS = 1000 };

static int compare(const void *a, const void *b) {
    const uint64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void test_no_bits_are_handed_out_twice(void **state) {
    static uint64_t drawn[DRAWS];
    char hex[65];
    (void)state;
    for (size_t i = 0; i < DRAWS; i++) {
        drawn[i] = random_bits();
        random_hex(hex, i % 65); /* so that what is drawn lies across the pool's end now and then */
    }
    qsort(drawn, DRAWS, sizeof *drawn, compare);
    for (size_t i = 1; i < DRAWS; i++)
        assert_true(drawn[i] != drawn[i - 1]);
}

static void test_digits_are_hex_as_many_as_asked_for_and_all_sixteen_of_them(void **state) {
    char hex[65], all[17] = "";
    size_t different = 0;
    (void)state;
    for (size_t digits = 0; digits <= 64; digits++) {
        random_hex(hex, digits);
        assert_int_equal(strlen(hex), digits);
        assert_int_equal(strspn(hex, "0123456789abcdef"), digits);
        for (const char *digit = hex; *digit; digit++)
            if (!strchr(all, *digit))
                all[different++] = *digit;
    }
    assert_int_equal(different, 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_bits_are_handed_out_twice),
        cmocka_unit_test(test_digits_are_hex_as_many_as_asked_for_and_all_sixteen_of_them),
    };
    return cmocka_run_group_tests_name("random", tests, NULL, NULL);
}
