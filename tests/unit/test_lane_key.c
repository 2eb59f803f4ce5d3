#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "forward/lane_key.h"

static void test_the_key_is_what_stands_at_the_path(void **state) {
    static const struct {
        const char *order_by, *body, *key; /* NULL: none */
    } rows[] = {
        {"data.candidate_id", "{\"data\":{\"candidate_id\":\"c1\"}}", "c1"},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":17}}", "17"},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":12345678901234567890123}}",
         "12345678901234567890123"},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":1.50}}", "1.50"},
        {"data.candidate_id", "{\"x\":[{\"data\":1}],\"data\":{\"y\":{},\"candidate_id\":\"c\"}}",
         "c"},
        {"data.job.id", "{\"data\":{\"id\":1,\"job\":{\"id\":2},\"x\":{\"id\":3}}}", "2"},
        /* None. */
        {"data.candidate_id", "{\"data\":{}}", NULL},
        {"data.candidate_id", "{\"candidate_id\":\"c1\"}", NULL},
        {"data.candidate_id", "{\"x\":{\"candidate_id\":\"c1\"}}", NULL},
        {"data.candidate_id", "{\"data\":{\"x\":{\"candidate_id\":\"c1\"}}}", NULL},
        {"data.candidate_id", "{\"x\":{\"data\":{\"candidate_id\":\"c1\"}}}", NULL},
        {"data.candidate_id", "{\"data\":[{\"candidate_id\":\"c1\"}]}", NULL},
        {"data.candidate_id", "[{\"data\":{\"candidate_id\":\"c1\"}}]", NULL},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":null}}", NULL},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":true}}", NULL},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":[\"c1\"]}}", NULL},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":{\"x\":\"c1\"}}}", NULL},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":\"\"}}", NULL},
        {"data.candidate_id", "{\"data\":\"candidate_id\"}", NULL},
        {"data.candidate_id", "{\"data\":{\"candidate_id\":\"c1\"}", NULL}, /* no JSON */
        {"data.candidate_id", "", NULL},
        /* Twice: the last counts. */
        {"data.id", "{\"data\":{\"id\":1,\"id\":2}}", "2"},
        {"data.id", "{\"data\":{\"id\":1},\"data\":{\"id\":2}}", "2"},
        {"data.id", "{\"data\":{\"id\":1},\"data\":{\"x\":2}}", NULL},
        {"data.id", "{\"data\":{\"id\":1},\"data\":7}", NULL},
        /* From the entry, not from the body. */
        {"account", "{\"account_id\":1}", "a7"},
    };
    struct string key = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ledger_event event = {.body = text_of(rows[i].body), .account = text_of("a7")};
        bool found = lane_key(rows[i].order_by, &event, &key);
        if (found != (rows[i].key != NULL) || (found && !text_is(string_text(&key), rows[i].key)))
            fail_msg("%s in %s gave \"%.*s\"", rows[i].order_by, rows[i].body,
                     TEXT_ARG(string_text(&key)));
    }
    string_finish(&key);
}

static void test_without_an_account_there_is_no_key(void **state) {
    struct string key = {0};
    (void)state;
    assert_false(lane_key("account", &(struct ledger_event){0}, &key));
    string_finish(&key);
}

static void test_of_a_long_key_the_beginning_counts(void **state) {
    char long_key[400];
    struct string key = {0};
    (void)state;
    memset(long_key, 'k', sizeof long_key);
    assert_true(lane_key(
        "account", &(struct ledger_event){.account = text_slice(long_key, sizeof long_key)}, &key));
    assert_int_equal(key.size, LANE_KEY_MOST);
    string_finish(&key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_key_is_what_stands_at_the_path),
        cmocka_unit_test(test_without_an_account_there_is_no_key),
        cmocka_unit_test(test_of_a_long_key_the_beginning_counts),
    };
    return cmocka_run_group_tests_name("lane_key", tests, NULL, NULL);
}
