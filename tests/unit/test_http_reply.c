/* What is taken for an answer: by its size, its status and how it says where it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/http_reply.h"

static void test_an_answer_is_one_or_has_a_problem_with_a_name(void **state) {
    static const struct {
        int status;
        bool whole;
        struct http_reply_framing framing;
        const char *problem; /* part of it; NULL: none */
    } rows[] = {
        {200, true, {"5", false}, NULL},
        {200, true, {NULL, true}, NULL},
        {500, true, {NULL, false}, NULL},
        {100, false, {NULL, false}, NULL},
        {101, false, {NULL, false}, "leaves HTTP"},
        {204, true, {NULL, false}, NULL},
        {204, true, {"0", false}, NULL},
        {204, true, {"00", false}, NULL},
        {204, true, {"1", false}, "204 with a body"},
        {204, true, {"10", false}, "204 with a body"},
        {204, true, {NULL, true}, "204 with a body"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_reply reply = {0};
        assert_true(http_reply_add_head(&reply, 20));
        assert_int_equal(http_reply_end_head(&reply, rows[i].status, rows[i].framing),
                         !rows[i].problem);
        assert_int_equal(reply.head_whole, rows[i].whole);
        if (rows[i].problem)
            assert_non_null(strstr(reply.problem, rows[i].problem));
        else
            assert_null(reply.problem);
    }
}

static void test_headers_of_64_kib_are_taken_and_a_byte_more_is_too_long(void **state) {
    struct http_reply reply = {0};
    (void)state;
    assert_true(http_reply_add_head(&reply, HTTP_REPLY_MOST_HEAD - 2));
    assert_true(http_reply_add_head(&reply, 2));
    assert_false(http_reply_add_head(&reply, 1));
    /* Whatever comes then, that stays the reason. */
    assert_false(http_reply_end_head(&reply, 101, (struct http_reply_framing){0}));
    assert_non_null(strstr(reply.problem, "longer than 64 KiB"));
}

static void test_of_a_body_the_beginning_is_kept_and_all_of_it_counted(void **state) {
    static const char piece[1000] = "beginning";
    struct http_reply reply = {.keep_bytes = 9};
    (void)state;
    for (size_t i = 0; i < HTTP_REPLY_MOST_BODY / sizeof piece; i++)
        assert_true(http_reply_add_body(&reply, text_slice(piece, sizeof piece)));
    assert_false(http_reply_add_body(&reply, text_slice(piece, sizeof piece)));
    assert_non_null(strstr(reply.problem, "longer than 1 MiB"));
    assert_string_equal(reply.body.data, "beginning");
    assert_int_equal(reply.body.size, 9);
    http_reply_finish(&reply);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer_is_one_or_has_a_problem_with_a_name),
        cmocka_unit_test(test_headers_of_64_kib_are_taken_and_a_byte_more_is_too_long),
        cmocka_unit_test(test_of_a_body_the_beginning_is_kept_and_all_of_it_counted),
    };
    return cmocka_run_group_tests_name("http_reply", tests, NULL, NULL);
}
