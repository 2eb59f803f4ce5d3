/* JSON: what is taken, what is refused, and that what was read can be written. */
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "base/memory.h"

/* A reader that writes down all it is told, as JSON again. */
static bool echo_null(void *arg) {
    json_null(arg);
    return true;
}
static bool echo_bool(void *arg, bool value) {
    json_bool(arg, value);
    return true;
}
static bool echo_number(void *arg, struct text digits) {
    json_digits(arg, digits);
    return true;
}
static bool echo_string(void *arg, struct text decoded) {
    json_string(arg, decoded);
    return true;
}
static bool echo_key(void *arg, struct text decoded) {
    json_key_text(arg, decoded);
    return true;
}
static bool echo_open(void *arg, char bracket) {
    json_open(arg, bracket);
    return true;
}
static bool echo_close(void *arg, char bracket) {
    json_close(arg, bracket);
    return true;
}
static const struct json_reader echo = {echo_null, echo_bool, echo_number, echo_string,
                                        echo_key,  echo_open, echo_close};
static const struct json_reader nothing;

static void test_what_is_read_is_written_again(void **state) {
    (void)state;
    static const struct {
        const char *in, *out; /* NULL: the same */
    } cases[] = {
        {"{}", NULL},
        {"[]", NULL},
        {"[[],{},[{}]]", NULL},
        {"{\"a\":[1,2,{\"b\":null}],\"c\":true,\"d\":false,\"e\":\"\"}", NULL},
        {" \t\r\n{ \"a\" : 1 , \"b\" : [ ] } \n", "{\"a\":1,\"b\":[]}"},
        {"12345678901234567890", NULL},
        {"[0,-0,0.0,-1.50,1e5,1E+400,120000.0]", NULL},
        {"\"\\u003cp\\u003eR\\u0026D\"", "\"<p>R&D\""},
        {"\"\\u00e9\\ud83d\\ude00\\/\"", "\"\xc3\xa9\xf0\x9f\x98\x80/\""},
        {"\"\\b\\f\\n\\r\\t\\\"\\\\\"", "\"\\u0008\\u000c\\n\\u000d\\u0009\\\"\\\\\""},
        {"\"a\\u0000b\"", NULL},
        {"{\"\\u0000\":1,\"\":2,\"a\":3,\"a\":4}", NULL},
        {"\"M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac\"", NULL},
        {"null", NULL},
        {"true", NULL},
        {"1", NULL},
    };
    struct json_writer *writer = json_writer_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *expected = cases[i].out ? cases[i].out : cases[i].in;
        json_writer_restart(writer);
        if (json_read(text_of(cases[i].in), &echo, writer) != JSON_WHOLE)
            fail_msg("%s", cases[i].in);
        if (!text_is(json_writer_text(writer), expected))
            fail_msg("%s became %s", cases[i].in, json_writer_text(writer).data);
    }
    json_writer_destroy(writer);
}

static void test_half_a_pair_of_surrogates_becomes_one_replacement(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\"cut \\ud83d\"", "\"cut \xef\xbf\xbd\""},
        {"\"\\ud83dab\"", "\"\xef\xbf\xbd"
                          "ab\""},
        {"\"\\ud83d\\u0041\"", "\"\xef\xbf\xbd"
                               "A\""},
        {"\"\\ude00\\ud83d\"", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
        {"\"\\ud83d\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\""},
        {"\"\\uD83D\\n\"", "\"\xef\xbf\xbd\\n\""},
        {"\"\\\\ud83d\"", "\"\\\\ud83d\""}, /* an escaped backslash, and plain letters */
    };
    struct json_writer *writer = json_writer_create();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_writer_restart(writer);
        assert_int_equal(json_read(text_of(cases[i].in), &echo, writer), JSON_WHOLE);
        if (!text_is(json_writer_text(writer), cases[i].out))
            fail_msg("%s became %s", cases[i].in, json_writer_text(writer).data);
    }
    json_writer_destroy(writer);
}

static bool take_string(void *arg, struct text decoded) {
    string_add(arg, decoded);
    return true;
}

static void test_half_a_pair_is_kept_for_who_wants_it(void **state) {
    (void)state;
    static const struct json_reader keeping = {.on_string = take_string, .keeps_halves = true};
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"\"cut \\ud83d\"", "cut \xed\xa0\xbd"},
        {"\"\\uDE00\\uD83D\"", "\xed\xb8\x80\xed\xa0\xbd"},
        {"\"\\ud83d\\ud83d\\ude00\\n\"", "\xed\xa0\xbd\xf0\x9f\x98\x80\n"},
        {"\"\\ud800\\udbff\\udc00\\udfff\"", "\xed\xa0\x80\xf4\x8f\xb0\x80\xed\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct string got = {0};
        assert_int_equal(json_read(text_of(cases[i].in), &keeping, &got), JSON_WHOLE);
        if (!text_is(string_text(&got), cases[i].out))
            fail_msg("%s", cases[i].in);
        string_finish(&got);
    }
    assert_int_equal(json_read(text_of("\\ud800"), &keeping, NULL), JSON_MALFORMED);
}

static void test_what_is_not_json_is_refused(void **state) {
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "{",
        "[",
        "}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\" 1}",
        "{a:1}",
        "{1:2}",
        "{'a':1}",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\ud83d",
        "\"\\",
        "\"a\nb\"",
        "\"\x01\"",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "0x1",
        "NaN",
        "Infinity",
        "nul",
        "nulll",
        "True",
        "{} {}",
        "{} \"",
        "{}\"a",
        "1 \"\\",
        "{}x",
        "1 1",
        "[]]",
        "{}//c",
        "/*c*/{}",
        "\v{}",
        "[1,\f2]",
        "\xef\xbb\xbf{}",
        "\"\xff\"",
        "\"\xc0\x80\"",
        "\"\xed\xa0\x80\"",
        "\"\xc3",
        "\xc3\xa9",
        "<html>",
        "a=b&c=d",
        "\\u0041",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (json_read(text_of(cases[i]), &nothing, NULL) != JSON_MALFORMED)
            fail_msg("case %zu: %s", i, cases[i]);
    assert_int_equal(json_read(text_slice("{}\0", 3), &nothing, NULL), JSON_MALFORMED);
    assert_int_equal(json_read(text_slice("\"a\0\"", 4), &nothing, NULL), JSON_MALFORMED);
    assert_int_equal(json_read((struct text){0}, &nothing, NULL), JSON_MALFORMED);
}

static enum json_end read_nested(size_t depth, struct json_writer *writer) {
    struct string s = {0};
    for (size_t i = 0; i < depth; i++)
        string_add_of(&s, i % 2 ? "[" : "{\"a\":");
    string_add_of(&s, "1");
    for (size_t i = depth; i-- > 0;)
        string_add_char(&s, i % 2 ? ']' : '}');
    enum json_end end = json_read(string_text(&s), &echo, writer);
    if (end == JSON_WHOLE)
        assert_true(text_equal(json_writer_text(writer), string_text(&s)));
    string_finish(&s);
    return end;
}

static void test_512_deep_is_read_and_written_and_513_is_refused(void **state) {
    (void)state;
    struct json_writer *writer = json_writer_create();
    assert_int_equal(read_nested(512, writer), JSON_WHOLE);
    json_writer_restart(writer);
    assert_int_equal(read_nested(513, writer), JSON_MALFORMED);
    json_writer_destroy(writer);
}

static void test_a_million_brackets_do_no_harm(void **state) {
    (void)state;
    enum { MANY = 1000000 };
    char *brackets = memory_new(MANY);
    memset(brackets, '[', MANY);
    assert_int_equal(json_read(text_slice(brackets, MANY), &nothing, NULL), JSON_MALFORMED);
    free(brackets);
}

static bool stop_at_b(void *arg, struct text key) {
    (*(int *)arg)++;
    return !text_is(key, "b");
}

static void test_a_callback_can_stop_the_walk(void **state) {
    (void)state;
    static const struct json_reader reader = {.on_key = stop_at_b};
    int keys = 0;
    struct text json = text_of("{\"a\":1,\"b\":2,\"c\":3}");
    assert_int_equal(json_read(json, &reader, &keys), JSON_STOPPED);
    assert_int_equal(keys, 2);
}

static void test_what_was_written_is_what_was_meant(void **state) {
    (void)state;
    struct json_writer *writer = json_writer_create();
    json_open(writer, '{');
    json_key(writer, "text");
    json_string(writer, text_of("a\"\\\n\x1b\x7f\xff\xc2\x85\xe2\x80\xa8/"));
    json_key(writer, "least");
    json_number(writer, INT64_MIN);
    json_key_text(writer, text_slice("listing", 4));
    json_open(writer, '[');
    json_bool(writer, true);
    json_null(writer);
    json_digits(writer, text_of("12345678901234567890"));
    json_open(writer, '{');
    json_close(writer, '}');
    json_close(writer, ']');
    json_key(writer, "empty");
    json_string(writer, (struct text){0});
    json_close(writer, '}');
    assert_string_equal(json_writer_text(writer).data,
                        "{\"text\":\"a\\\"\\\\\\n\\u001b\\u007f\xef\xbf\xbd\\u0085\\u2028/\","
                        "\"least\":-9223372036854775808,"
                        "\"list\":[true,null,12345678901234567890,{}],\"empty\":\"\"}");
    assert_int_equal(json_read(json_writer_text(writer), &nothing, NULL), JSON_WHOLE);
    json_writer_restart(writer);
    json_number(writer, 7);
    assert_string_equal(json_writer_text(writer).data, "7");
    json_writer_destroy(writer);
    json_writer_destroy(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_read_is_written_again),
        cmocka_unit_test(test_half_a_pair_of_surrogates_becomes_one_replacement),
        cmocka_unit_test(test_half_a_pair_is_kept_for_who_wants_it),
        cmocka_unit_test(test_what_is_not_json_is_refused),
        cmocka_unit_test(test_512_deep_is_read_and_written_and_513_is_refused),
        cmocka_unit_test(test_a_million_brackets_do_no_harm),
        cmocka_unit_test(test_a_callback_can_stop_the_walk),
        cmocka_unit_test(test_what_was_written_is_what_was_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
