/* What is found to be wrong with a delivery that was signed right and came otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cli/diagnosis.h"
#include "kula/stamp.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { T = 1736937000 };

struct telling {
    const char *signed_body, *body;      /* what was signed, and what has come */
    const char *signing_secret, *secret; /* who signed has that one, and we this */
    const char *words;                   /* with blanks between; empty: nothing fits */
    const char *other_time;              /* X-Kula-Timestamp; NULL: not known */
};

static void tell(const struct telling *one, int64_t signed_at_s, struct string *words) {
    struct string stamp = {0}, header = {0};
    struct diagnosis found[DIAGNOSIS_MOST];
    struct signature signature;
    unsigned char bytes[64];
    size_t size = strlen(one->signing_secret);
    memcpy(bytes, one->signing_secret, size);
    struct hmac *key = hmac_create(&(struct secret){bytes, size});
    stamp_kula((struct stamp_keys){&key, 1}, signed_at_s, text_of(one->signed_body), &stamp);
    hmac_destroy(key);
    string_addf(&header, "t=%d%s", T, strchr(stamp.data, ','));
    assert_int_equal(signature_parse(string_text(&header), &signature), SIGNATURE_GOOD);
    size_t count = diagnosis_make(&(struct diagnosis_case){.signature = &signature,
                                                           .secret = text_of(one->secret),
                                                           .body = text_of(one->body),
                                                           .other_time = text_of(one->other_time)},
                                  found);
    for (size_t i = 0; i < count; i++)
        string_addf(words, "%s%s", i ? " " : "", found[i].word);
    string_add_of(words, "");
    string_finish(&stamp);
    string_finish(&header);
}

static void assert_told(const struct telling *cases, size_t count, int64_t signed_at_s) {
    for (size_t i = 0; i < count; i++) {
        struct string words = {0};
        tell(&cases[i], signed_at_s, &words);
        if (strcmp(words.data, cases[i].words) != 0)
            fail_msg("case %zu is \"%s\" and not \"%s\"", i, words.data, cases[i].words);
        string_finish(&words);
    }
}

static void test_a_body_that_was_changed_on_the_way(void **state) {
    static const struct telling cases[] = {
        {"{}", "{}\n", "s", "s", "newline_added"},
        {"{}", "{}\r\n", "s", "s", "newline_added"},
        {"{}\n", "{}", "s", "s", "newline_lost"},
        {"{}\r\n", "{}", "s", "s", "newline_lost"},
        {"{\n}", "{\r\n}", "s", "s", "line_ends_changed"},
        {"{\r\n}\r\n", "{\n}\n", "s", "s", "line_ends_changed"},
        {"{}", "\xef\xbb\xbf{}", "s", "s", "bom_added"},
        {"\xef\xbb\xbf{}", "{}", "s", "s", "bom_lost"},
        {"no json", "  no json\n\n", "s", "s", "blanks_added"},
        {"{\"a\":\"<\",\"b\":1}", "{ \"a\": \"\\u003c\", \"b\": 1.0 }", "s", "s", "body_reencoded"},
        {"", "{}", "s", "s", "empty_signed"},
        {"{\"a\":1}", "{\"a\":2}", "s", "s", ""},
        {"{}", "", "s", "s", ""},
    };
    (void)state;
    assert_told(cases, COUNT(cases), T);
}

static void test_a_secret_that_was_written_down_differently(void **state) {
    static const struct telling cases[] = {
        {"{}", "{}", "secret\n", "secret", "secret_newline"},
        {"{}", "{}", "secret\r\n", "secret", "secret_newline"},
        {"{}", "{}", "secret", " secret\n", "secret_blanks"},
        {"{}", "{}", "c2VjcmV0", "whsec_c2VjcmV0", "secret_prefix"},
        {"{}", "{}", "whsec_secret", "secret", "secret_prefix"},
        {"{}", "{}", "secret", "whsec_c2VjcmV0", "secret_decoded"},
        {"{}", "{}", "secret", "c2VjcmV0", "secret_decoded"},
        {"{}", "{}", "another", "secret", ""},
        {"{}", "{}", "x", "whsec_", ""}, /* nothing is left of it */
    };
    (void)state;
    assert_told(cases, COUNT(cases), T);
}

static void test_the_time_of_the_other_header(void **state) {
    static const struct telling cases[] = {
        {"{}", "{}", "s", "s", "other_time", "1736937060"},
        {"{}", "{}", "s", "s", "", "1736937061"},
        {"{}", "{}", "s", "s", "", NULL},
    };
    (void)state;
    assert_told(cases, COUNT(cases), T + 60);
}

static void test_several_things_at_once_and_no_more_than_it_takes(void **state) {
    static const struct telling cases[] = {
        {"{}", "{}\n", "secret\n", "secret", "newline_added secret_newline other_time",
         "1736937060"},
        {"{}", "{}", "secret\n", "secret", "secret_newline other_time", "1736937060"},
        {"{}", "{} ", "s", "s", "blanks_added other_time", "1736937060"},
    };
    (void)state;
    assert_told(cases, COUNT(cases), T + 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_that_was_changed_on_the_way),
        cmocka_unit_test(test_a_secret_that_was_written_down_differently),
        cmocka_unit_test(test_the_time_of_the_other_header),
        cmocka_unit_test(test_several_things_at_once_and_no_more_than_it_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
