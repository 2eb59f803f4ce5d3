/* Texts, strings and UTF-8: views that never run over, numbers that never wrap. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/text.h"
#include "base/utf8.h"

enum { ROWS_OF_LONG = 1000 };

static void test_an_empty_text_is_equal_to_no_text(void **state) {
    (void)state;
    assert_true(text_equal(text_of(NULL), text_of("")));
    assert_true(text_is((struct text){0}, ""));
    assert_false(text_equal(text_of(""), text_of("a")));
    assert_int_equal(text_of(NULL).size, 0);
}

static void test_texts_are_equal_byte_for_byte(void **state) {
    (void)state;
    assert_true(text_equal(text_slice("a\0b", 3), text_slice("a\0b", 3)));
    assert_false(text_equal(text_slice("a\0b", 3), text_slice("a\0c", 3)));
    assert_false(text_is(text_slice("ab", 1), "ab"));
    assert_true(text_is(text_slice("ab", 1), "a"));
}

static void test_only_nocase_takes_capitals_for_small_letters(void **state) {
    (void)state;
    assert_true(text_is_nocase(text_of("X-Kula-Event"), "x-kula-event"));
    assert_false(text_is_nocase(text_of("X-Kula-Event"), "x-kula-event-id"));
    assert_false(text_is(text_of("POST"), "post"));
    assert_true(text_is_nocase((struct text){0}, ""));
}

static void test_a_text_starts_with_what_stands_first(void **state) {
    (void)state;
    assert_true(text_starts(text_of("unix:/a"), "unix:"));
    assert_true(text_starts(text_of("unix:"), "unix:"));
    assert_true(text_starts((struct text){0}, ""));
    assert_false(text_starts(text_of("unix"), "unix:"));
}

static void test_trim_takes_blanks_and_tabs_and_nothing_else(void **state) {
    (void)state;
    assert_true(text_is(text_trim(text_of(" \t a b\t ")), "a b"));
    assert_true(text_is(text_trim(text_of(" \t ")), ""));
    assert_true(text_is(text_trim(text_of("\na\r")), "\na\r"));
    assert_true(text_is(text_trim((struct text){0}), ""));
}

static void test_cut_gives_piece_after_piece(void **state) {
    (void)state;
    static const struct {
        const char *whole, *head, *rest;
    } cases[] = {
        {"a.b.c", "a", "b.c"}, {"a", "a", ""}, {"a.", "a", ""}, {".a", "", "a"}, {"", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text rest = text_of(cases[i].whole);
        struct text head = text_cut(&rest, '.');
        assert_true(text_is(head, cases[i].head));
        assert_true(text_is(rest, cases[i].rest));
    }
}

static void test_a_copy_ends_with_nul(void **state) {
    (void)state;
    char *copy = text_copy(text_slice("abc", 2));
    char *empty = text_copy((struct text){0});
    assert_string_equal(copy, "ab");
    assert_string_equal(empty, "");
    free(copy);
    free(empty);
}

static void test_a_number_is_digits_that_fit_and_nothing_else(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t most;
        bool good;
        uint64_t number;
    } cases[] = {
        {"0", 0, true, 0},
        {"007", 10, true, 7},
        {"65535", 65535, true, 65535},
        {"65536", 65535, false, 0},
        {"7", 5, false, 0},
        {"10", 9, false, 0},
        {"18446744073709551615", UINT64_MAX, true, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, false, 0},
        {"99999999999999999999999", UINT64_MAX, false, 0},
        {"", 9, false, 0},
        {"+1", 9, false, 0},
        {"-1", 9, false, 0},
        {" 1", 9, false, 0},
        {"1 ", 9, false, 0},
        {"1e3", 9999, false, 0},
        {"0x1", 9, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t number = 0;
        if (text_to_uint(text_of(cases[i].text), cases[i].most, &number) != cases[i].good)
            fail_msg("\"%s\"", cases[i].text);
        assert_true(number == cases[i].number);
    }
}

static void test_a_number_is_shown_as_printf_shows_it(void **state) {
    (void)state;
    static const int64_t numbers[] = {0, 7, 10, -1, 1790000000123, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char digits[TEXT_DIGITS];
        struct string expected = {0};
        string_addf(&expected, "%" PRId64, numbers[i]);
        struct text shown = text_of_int(numbers[i], digits);
        assert_true(text_equal(shown, string_text(&expected)));
        assert_int_equal(shown.data[shown.size], '\0');
        string_finish(&expected);
    }
}

static void test_a_string_grows_and_stays_terminated(void **state) {
    (void)state;
    struct string s = {0};
    for (int i = 0; i < ROWS_OF_LONG; i++)
        string_addf(&s, "%03d,", i);
    assert_int_equal(s.size, 4 * ROWS_OF_LONG);
    assert_int_equal(strlen(s.data), s.size);
    assert_true(text_starts(string_text(&s), "000,001,"));
    string_clear(&s);
    assert_string_equal(s.data, "");
    string_add(&s, text_slice("a\0b", 3));
    string_add_char(&s, 'c');
    string_add_of(&s, NULL);
    assert_true(text_equal(string_text(&s), text_slice("a\0bc", 4)));
    string_finish(&s);
    assert_null(s.data);
    string_wipe(&s); /* of nothing */
    string_add_of(&s, "secret");
    string_wipe(&s);
    assert_null(s.data);
}

static void test_utf8_is_taken_as_the_standard_has_it(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size; /* 0: none */
        uint32_t character;
    } cases[] = {
        {"a", 1, 'a'},
        {"\xc3\xa9!", 2, 0xe9},
        {"\xe6\x97\xa5", 3, 0x65e5},
        {"\xf0\x9f\x98\x80", 4, 0x1f600},
        {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
        {"\xef\xbf\xbf", 3, 0xffff},
        {"\xc0\x80", 0, 0},         /* overlong */
        {"\xc1\xbf", 0, 0},         /* overlong */
        {"\xe0\x9f\xbf", 0, 0},     /* overlong */
        {"\xf0\x8f\xbf\xbf", 0, 0}, /* overlong */
        {"\xed\xa0\x80", 0, 0},     /* surrogate */
        {"\xf4\x90\x80\x80", 0, 0}, /* too large */
        {"\xf5\x80\x80\x80", 0, 0},
        {"\xff", 0, 0},
        {"\x80", 0, 0}, /* nothing before it */
        {"\xc3", 0, 0}, /* cut off */
        {"\xe6\x97", 0, 0},
        {"\xe6\x97!", 0, 0},
        {"\xf0\x9f\x98", 0, 0},
        {"", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t character = 0;
        if (utf8_read(text_of(cases[i].bytes), &character) != cases[i].size)
            fail_msg("case %zu", i);
        assert_int_equal(character, cases[i].character);
    }
}

static void test_one_bad_byte_anywhere_spoils_a_text(void **state) {
    (void)state;
    char bytes[41] = "0123456789012345678901234567890123456789";
    assert_true(utf8_valid(text_of(bytes)));
    assert_true(utf8_valid((struct text){0}));
    assert_true(utf8_valid(text_of("M\xc3\xbcller \xe6\x97\xa5\xe6\x9c\xac and plain behind it")));
    for (size_t i = 0; i < 40; i++) {
        char kept = bytes[i];
        bytes[i] = '\x80';
        assert_false(utf8_valid(text_of(bytes)));
        bytes[i] = kept;
    }
}

static void test_what_steers_a_terminal_is_known(void **state) {
    (void)state;
    static const uint32_t steering[] = {0, 0x1b, '\n', 0x7f, 0x85, 0x9b, 0x2028, 0x202e, 0x2066};
    static const uint32_t shown[] = {' ', 'a', '~', 0xa0, 0xe9, 0x65e5, 0x1f600};
    for (size_t i = 0; i < sizeof steering / sizeof steering[0]; i++)
        assert_true(utf8_steers(steering[i]));
    for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
        assert_false(utf8_steers(shown[i]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_text_is_equal_to_no_text),
        cmocka_unit_test(test_texts_are_equal_byte_for_byte),
        cmocka_unit_test(test_only_nocase_takes_capitals_for_small_letters),
        cmocka_unit_test(test_a_text_starts_with_what_stands_first),
        cmocka_unit_test(test_trim_takes_blanks_and_tabs_and_nothing_else),
        cmocka_unit_test(test_cut_gives_piece_after_piece),
        cmocka_unit_test(test_a_copy_ends_with_nul),
        cmocka_unit_test(test_a_number_is_digits_that_fit_and_nothing_else),
        cmocka_unit_test(test_a_number_is_shown_as_printf_shows_it),
        cmocka_unit_test(test_a_string_grows_and_stays_terminated),
        cmocka_unit_test(test_utf8_is_taken_as_the_standard_has_it),
        cmocka_unit_test(test_one_bad_byte_anywhere_spoils_a_text),
        cmocka_unit_test(test_what_steers_a_terminal_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
