/* How much room is left for what no secret matches: in Redis, on the disk, and while nobody knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "serve/unmatched.h"

static void test_all_places_count_together(void **state) {
    static const struct {
        struct ledger_pen ledger, left_behind;
        int64_t bytes;
        bool known, fits;
    } cases[] = {
        {{0, 0}, {0, 0}, 100, true, true},    {{0, 0}, {0, 0}, 101, true, false}, /* the disk */
        {{9, 0}, {0, 0}, 1, true, true},      {{10, 0}, {0, 0}, 1, true, false},
        {{0, 0}, {9, 0}, 1, true, true},      {{1, 0}, {9, 0}, 1, true, false},
        {{0, 990}, {0, 0}, 10, true, true},   {{0, 990}, {0, 0}, 11, true, false},
        {{0, 0}, {1, 90}, 10, true, true},    {{0, 0}, {1, 90}, 11, true, false},
        {{50, 5000}, {0, 0}, 0, true, false}, {{0, 0}, {0, 0}, 1, false, false},
        {{0, 0}, {5000, 0}, 1, true, false},  {{0, 0}, {0, 5000}, 1, true, false},
        {{5, 950}, {1, 40}, 10, true, true},  {{5, 951}, {1, 40}, 10, true, false},
    };
    struct unmatched unmatched = {.most = {10, 1000}, .spool_bytes = 100};
    (void)state;
    unmatched_init(&unmatched);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct unmatched_elsewhere elsewhere = {cases[i].known, cases[i].ledger,
                                                cases[i].left_behind};
        assert_int_equal(unmatched_fits(&unmatched, &elsewhere, cases[i].bytes), cases[i].fits);
    }
    unmatched_finish(&unmatched);
}

static void test_what_is_on_its_way_counts_until_the_ledger_has_it(void **state) {
    struct unmatched unmatched = {.most = {3, 1000}, .spool_bytes = 100};
    const struct unmatched_elsewhere elsewhere = {.ledger_known = true};
    (void)state;
    unmatched_init(&unmatched);
    unmatched_put(&unmatched, 5, 40);
    unmatched_put(&unmatched, 9, 50);
    assert_true(unmatched_fits(&unmatched, &elsewhere, 10));
    assert_false(unmatched_fits(&unmatched, &elsewhere, 11));
    unmatched_drained(&unmatched, 4);
    assert_false(unmatched_fits(&unmatched, &elsewhere, 11));
    unmatched_drained(&unmatched, 8);
    assert_true(unmatched_fits(&unmatched, &elsewhere, 50));
    unmatched_put(&unmatched, 10, 1);
    unmatched_put(&unmatched, 11, 1);
    assert_false(unmatched_fits(&unmatched, &elsewhere, 1)); /* three of them */
    unmatched_drained(&unmatched, 11);
    assert_true(unmatched_fits(&unmatched, &elsewhere, 100));
    unmatched_put(&unmatched, 12, 1);
    unmatched_finish(&unmatched);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_places_count_together),
        cmocka_unit_test(test_what_is_on_its_way_counts_until_the_ledger_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
