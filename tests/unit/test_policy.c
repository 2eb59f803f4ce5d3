/* What an endpoint's configuration makes of authentic deliveries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kula/policy.h"

static void test_a_stale_one_is_let_in_where_a_replay_would_be_noticed(void **state) {
    static const struct {
        int64_t apart_ms;
        enum config_stale stale;
        bool taken;
    } cases[] = {
        {999, CONFIG_STALE_ACCEPT, true},
        {1000, CONFIG_STALE_ACCEPT, false},
        {1, CONFIG_STALE_RETRY, false},
        {1, CONFIG_STALE_REJECT, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config_endpoint endpoint = {.stale = cases[i].stale};
        assert_int_equal(policy_takes_stale(&endpoint, cases[i].apart_ms, 1000), cases[i].taken);
    }
}

static void test_without_a_list_every_account_is_taken(void **state) {
    char number[] = "12345", word[] = "acme";
    char *accounts[] = {number, word};
    struct config_endpoint all = {0};
    struct config_endpoint listed = {.accounts = accounts, .account_count = 2};
    (void)state;
    assert_true(policy_takes_account(&all, text_of("1")));
    assert_true(policy_takes_account(&all, text_of("")));
    assert_true(policy_takes_account(&listed, text_of("12345")));
    assert_true(policy_takes_account(&listed, text_of("acme")));
    assert_false(policy_takes_account(&listed, text_of("1234")));
    assert_false(policy_takes_account(&listed, text_of("")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stale_one_is_let_in_where_a_replay_would_be_noticed),
        cmocka_unit_test(test_without_a_list_every_account_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
