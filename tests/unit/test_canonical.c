/* The second reading: Kula's vectors, JavaScript's ways with numbers, keys and strings, and what
 * has no such reading. What node itself makes of thousands is in test_canonical_node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/memory.h"
#include "kula/canonical.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { T = 1736937000, TOLERANCE = 300 };

#define V1_A "b65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa56"
#define V1_B "0fd03026c856fc93b2f72814bc5450b2b8002ccdb1ad9f21d63592260119874d"
#define V1_C "5ffdcb23dca0acd0f591472f562bc90f9dc7f10eb72cbceabc0d9180a2fedd01"
#define V1_D "29cb0627e98ca2f96b7113e66c328baf3fd558debb81b6adf2629efa92f02e3a"
#define V1_E "aa438d7ad62d5ee6e48a179fc4093dcbbeb336b6b796f163888a38086c0b1f81"

static const char body_a[] =
    "{\"event\":\"ping\",\"event_id\":\"evt_test_abc123\",\"created_at\":\"2025-01-15T10:30:00Z\","
    "\"account_id\":12345,\"data\":{\"message\":\"Webhook test\"}}";
static const char body_b[] =
    "{\"event\":\"job.updated\",\"event_id\":\"evt_b\",\"created_at\":\"2025-01-15T10:30:00Z\","
    "\"account_id\":12345,\"data\":{\"description\":"
    "\"\\u003cp\\u003eR\\u0026D\\u003c/p\\u003e\",\"salary\":120000.0}}";
static const char body_c[] =
    "{\"event\":\"job.updated\",\"event_id\":\"evt_b\",\"created_at\":\"2025-01-15T10:30:00Z\","
    "\"account_id\":12345,\"data\":{\"description\":\"<p>R&D</p>\",\"salary\":120000}}";
static const char body_e[] = "{\n"
                             "  \"event\": \"ping\",\n"
                             "  \"event_id\": \"evt_test_abc123\",\n"
                             "  \"created_at\": \"2025-01-15T10:30:00Z\",\n"
                             "  \"account_id\": 12345,\n"
                             "  \"data\": {\n"
                             "    \"message\": \"Webhook test\"\n"
                             "  }\n"
                             "}";

static void test_kulas_vectors_over_the_second_reading(void **state) {
    static const struct {
        const char *body, *header;
        enum signature_verdict verdict;
        int64_t now_s;
    } cases[] = {
        {body_a, "t=1736937000,v1=" V1_A, SIGNATURE_GOOD, T},
        {body_b, "t=1736937000,v1=" V1_C, SIGNATURE_GOOD, T},
        {body_c, "t=1736937000,v1=" V1_C, SIGNATURE_GOOD, T},
        {body_e, "t=1736937000,v1=" V1_A, SIGNATURE_GOOD, T},
        {body_b, "t=1736937000,v1=" V1_C, SIGNATURE_STALE, T + TOLERANCE + 1},
        {body_b, "t=1736937000,v1=" V1_B, SIGNATURE_UNMATCHED, T}, /* over the raw bytes */
        {body_e, "t=1736937000,v1=" V1_E, SIGNATURE_UNMATCHED, T},
        {"", "t=1736937000,v1=" V1_D, SIGNATURE_UNMATCHED, T}, /* no JSON */
    };
    unsigned char bytes[] = "whsec_test_0123456789abcdef";
    struct hmac *key = hmac_create(&(struct secret){bytes, sizeof bytes - 1});
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct signature signature;
        size_t matched = 99;
        assert_int_equal(signature_parse(text_of(cases[i].header), &signature), SIGNATURE_GOOD);
        if (canonical_check(&signature, &key, 1, text_of(cases[i].body), cases[i].now_s, TOLERANCE,
                            &matched) != cases[i].verdict)
            fail_msg("case %zu", i);
        assert_int_equal(matched, cases[i].verdict == SIGNATURE_UNMATCHED ? 99 : 0);
    }
    hmac_destroy(key);
}

struct reading {
    const char *json, *canonical;
};

static void assert_read(const struct reading *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        struct string out = {0};
        if (!canonical_format(text_of(cases[i].json), &out))
            fail_msg("%s has no reading", cases[i].json);
        if (!text_is(string_text(&out), cases[i].canonical))
            fail_msg("%s became %s", cases[i].json, out.data);
        string_finish(&out);
    }
}

static void test_numbers_are_written_as_javascript_does(void **state) {
    static const struct reading cases[] = {
        {"0", "0"},
        {"-0", "0"},
        {"-0.0e5", "0"},
        {"120000.0", "120000"},
        {"1.50", "1.5"},
        {"-12e-1", "-1.2"},
        {"12345678901234567890", "12345678901234567000"},
        {"9007199254740993", "9007199254740992"},
        {"100000000000000000000", "100000000000000000000"},
        {"1e20", "100000000000000000000"},
        {"1e21", "1e+21"},
        {"123456789012345678901", "123456789012345680000"},
        {"1234567890123456789012", "1.2345678901234568e+21"},
        {"0.000001", "0.000001"},
        {"0.0000001", "1e-7"},
        {"0.00000123", "0.00000123"},
        {"1.5E+300", "1.5e+300"},
        {"0.1", "0.1"},
        {"0.30000000000000004", "0.30000000000000004"},
        {"0.1000000000000000055511151231257827", "0.1"},
        {"1e999", "null"},
        {"-1e999", "null"},
        {"1e-999", "0"},
        {"-1e-999", "0"},
        {"1.7976931348623157e308", "1.7976931348623157e+308"},
        {"1.7976931348623159e308", "null"},
        {"5e-324", "5e-324"},
        {"2e-324", "0"},
        {"2.2250738585072014e-308", "2.2250738585072014e-308"},
        {"5.684341886080801486968994140625e-14", "5.684341886080802e-14"}, /* 2 to the -44 */
        {"1e99999999999999999999", "null"},
        {"0e99999999999999999999", "0"},
    };
    (void)state;
    assert_read(cases, COUNT(cases));
}

static void test_zeros_and_exponent_make_up_for_each_other(void **state) {
    static const struct {
        const char *exponent, *canonical;
    } cases[] = {{"e200000", "0.1"}, {"e200001", "1"}, {"e2000000", "null"}, {"", "0"}};
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct string json = {0}, out = {0};
        string_add_of(&json, "0.");
        for (size_t zeros = 0; zeros < 200000; zeros++)
            string_add_char(&json, '0');
        string_add_char(&json, '1');
        string_add_of(&json, cases[i].exponent);
        assert_true(canonical_format(string_text(&json), &out));
        assert_string_equal(out.data, cases[i].canonical);
        string_finish(&json);
        string_finish(&out);
    }
}

static void test_keys_stand_in_javascripts_order(void **state) {
    static const struct reading cases[] = {
        {"{\"b\":1,\"a\":2,\"10\":3,\"9\":4}", "{\"9\":4,\"10\":3,\"b\":1,\"a\":2}"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"},
        {"{\"a\":1,\"\\u0061\":2}", "{\"a\":2}"},
        {"{\"1\":1,\"0\":2,\"1\":{\"x\":[]}}", "{\"0\":2,\"1\":{\"x\":[]}}"},
        {"{\"4294967295\":1,\"4294967294\":2,\"01\":3,\"-1\":4,\"\":5}",
         "{\"4294967294\":2,\"4294967295\":1,\"01\":3,\"-1\":4,\"\":5}"},
        {"{\"a\":1,\"__proto__\":{\"1\":2},\"__proto__\":3}", "{\"a\":1,\"__proto__\":3}"},
        {"[{\"2\":[{\"1\":0,\"0\":1}],\"1\":{}}, {}]", "[{\"1\":{},\"2\":[{\"0\":1,\"1\":0}]},{}]"},
        {" {\t\"a\" : [ 1 ,\r\n2 ] } ", "{\"a\":[1,2]}"},
        {"null", "null"},
        {"[true,false]", "[true,false]"},
    };
    (void)state;
    assert_read(cases, COUNT(cases));
}

static void test_strings_are_written_as_javascript_does(void **state) {
    static const struct reading cases[] = {
        {"\"\\u003cp\\u003e \\/ \\u0026\"", "\"<p> / &\""},
        {"\"\\u0008\\u0009\\u000a\\u000c\\u000d\\u0000\\u001F\\u007f\"",
         "\"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f\""},
        {"\"\\\"\\\\\"", "\"\\\"\\\\\""},
        {"\"\\u2028\\u2029\\u00e9\"", "\"\xe2\x80\xa8\xe2\x80\xa9\xc3\xa9\""},
        {"\"\\ud83d\\uDE00\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\\uD83D \\uDE00\"", "\"\\ud83d \\ude00\""},
        {"\"\xed\x9f\xbf\xee\x80\x80\"", "\"\xed\x9f\xbf\xee\x80\x80\""}, /* beside the halves */
    };
    (void)state;
    assert_read(cases, COUNT(cases));
}

static bool has_reading(struct text json) {
    struct string out = {0};
    bool read = canonical_format(json, &out);
    string_finish(&out);
    return read;
}

static void test_what_has_no_second_reading(void **state) {
    static const char *const cases[] = {
        "", " ", "{", "[1,]", "nul", "{} {}", "\"\xff\"", "\xef\xbb\xbf{}", "\f{}", "a=b",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        if (has_reading(text_of(cases[i])))
            fail_msg("%s", cases[i]);
}

/* `piece` again and again, within brackets, up to a size. */
static bool repeated_has_reading(const char *piece, size_t most) {
    struct string json = {0};
    string_add_char(&json, '[');
    while (json.size + strlen(piece) + 3 <= most) {
        string_add_of(&json, piece);
        string_add_char(&json, ',');
    }
    string_add_char(&json, '0');
    while (json.size < most - 1)
        string_add_char(&json, ' ');
    string_add_char(&json, ']');
    bool read = has_reading(string_text(&json));
    string_finish(&json);
    return read;
}

static void test_a_second_reading_is_bounded(void **state) {
    (void)state;
    assert_true(repeated_has_reading("1", CANONICAL_MOST));
    assert_false(repeated_has_reading("1", CANONICAL_MOST + 1));
    assert_true(repeated_has_reading("0.12345678901234567", 90000)); /* 4,700 of them */
    assert_false(repeated_has_reading("4.23456789012345e-310", CANONICAL_MOST));
}

static void test_no_document_is_too_deep_to_be_put_in_order(void **state) {
    enum { DEPTH = 512 };
    struct string json = {0}, expected = {0}, out = {0};
    (void)state;
    for (size_t i = 0; i < DEPTH; i++) {
        string_add_of(&json, "{\"a\":");
        string_add_of(&expected, "{\"1\":0,\"a\":");
    }
    string_add_of(&json, "0");
    string_add_of(&expected, "0");
    for (size_t i = 0; i < DEPTH; i++) {
        string_add_of(&json, ",\"1\":0}");
        string_add_of(&expected, "}");
    }
    assert_true(canonical_format(string_text(&json), &out));
    assert_true(text_equal(string_text(&out), string_text(&expected)));
    string_add_char(&json, ']');
    json.data[json.size - 1] = '}';
    assert_false(has_reading(string_text(&json)));
    string_finish(&json);
    string_finish(&expected);
    string_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kulas_vectors_over_the_second_reading),
        cmocka_unit_test(test_numbers_are_written_as_javascript_does),
        cmocka_unit_test(test_zeros_and_exponent_make_up_for_each_other),
        cmocka_unit_test(test_keys_stand_in_javascripts_order),
        cmocka_unit_test(test_strings_are_written_as_javascript_does),
        cmocka_unit_test(test_what_has_no_second_reading),
        cmocka_unit_test(test_a_second_reading_is_bounded),
        cmocka_unit_test(test_no_document_is_too_deep_to_be_put_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
