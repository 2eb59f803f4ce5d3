/* JSON as a tree: what is asked of it, and what is not there. */
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json_tree.h"

static const char answer[] =
    "{\"data\":[{\"id\":17,\"on\":true,\"name\":\"a\\u0000b\",\"none\":null},"
    "\"x\",-1.5e3],\"data2\":{},\"twice\":1,\"twice\":2}";

static void test_what_is_there_is_found(void **state) {
    (void)state;
    struct json_tree *tree = json_tree_read(text_of(answer));
    const struct json_tree *data = json_tree_get(tree, "data"), *first = json_tree_at(data, 0);
    int64_t number = 0;
    assert_int_equal(json_tree_kind(tree), JSON_OBJECT);
    assert_int_equal(json_tree_count(tree), 4);
    assert_int_equal(json_tree_count(data), 3);
    assert_true(text_is(json_tree_key(first, 1), "on"));
    assert_true(json_tree_number(json_tree_get(first, "id"), &number));
    assert_int_equal(number, 17);
    assert_true(text_is(json_tree_text(json_tree_get(first, "id")), "17"));
    assert_true(json_tree_true(json_tree_get(first, "on")));
    assert_int_equal(json_tree_text(json_tree_get(first, "name")).size, 3);
    assert_true(text_is(json_tree_text(json_tree_at(data, 1)), "x"));
    assert_true(text_is(json_tree_text(json_tree_get(tree, "twice")), "2"));
    json_tree_destroy(tree);
}

static void test_what_is_not_there_is_nothing_and_can_be_asked_again(void **state) {
    (void)state;
    struct json_tree *tree = json_tree_read(text_of(answer));
    const struct json_tree *none = json_tree_get(json_tree_get(tree, "nowhere"), "deeper");
    int64_t number;
    assert_null(none);
    assert_null(json_tree_at(none, 0));
    assert_null(json_tree_at(json_tree_get(tree, "data"), 3));
    assert_null(json_tree_get(json_tree_get(tree, "data"), "id"));
    assert_int_equal(json_tree_kind(none), JSON_NULL);
    assert_int_equal(json_tree_count(none), 0);
    assert_int_equal(json_tree_text(none).size, 0);
    assert_int_equal(json_tree_key(json_tree_get(tree, "data"), 0).size, 0);
    assert_false(json_tree_true(none));
    assert_false(json_tree_number(none, &number));
    assert_false(json_tree_number(json_tree_at(json_tree_get(tree, "data"), 2), &number));
    assert_int_equal(
        json_tree_kind(json_tree_get(json_tree_at(json_tree_get(tree, "data"), 0), "none")),
        JSON_NULL);
    json_tree_destroy(tree);
}

static void test_what_was_read_is_written_again(void **state) {
    (void)state;
    struct json_writer *writer = json_writer_create();
    struct json_tree *tree = json_tree_read(text_of(answer));
    json_tree_write(tree, writer);
    assert_true(text_is(json_writer_text(writer), answer));
    json_tree_destroy(tree);
    json_writer_destroy(writer);
}

static void test_what_is_malformed_makes_no_tree(void **state) {
    static const char *const cases[] = {"", "{", "[1,", "{\"a\":", "{\"a\"", "<html>", "[1] 2"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (json_tree_read(text_of(cases[i])))
            fail_msg("%s", cases[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_there_is_found),
        cmocka_unit_test(test_what_is_not_there_is_nothing_and_can_be_asked_again),
        cmocka_unit_test(test_what_was_read_is_written_again),
        cmocka_unit_test(test_what_is_malformed_makes_no_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
