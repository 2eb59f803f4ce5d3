/* Signatures: Kula's vectors (computed by another tool), the header's many
 * spellings, and how far t may be from now. */
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kula/signature.h"

enum { T = 1736937000, TOLERANCE = 300 };

/* Each is 64 digits. */
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

static struct hmac *key_of(const char *secret) {
    unsigned char key[64];
    size_t size = strlen(secret);
    memcpy(key, secret, size);
    return hmac_create(&(struct secret){key, size});
}

static struct hmac *keys[3]; /* only the middle one is Kula's */

static int make_keys(void **state) {
    (void)state;
    keys[0] = key_of("whsec_other");
    keys[1] = key_of("whsec_test_0123456789abcdef");
    keys[2] = key_of("whsec_older");
    return 0;
}

static int destroy_keys(void **state) {
    (void)state;
    for (size_t i = 0; i < 3; i++)
        hmac_destroy(keys[i]);
    return 0;
}

/* What serve does: parse, and check only what is well-formed. */
static enum signature_verdict judge(const char *header, struct text body, int64_t now_s) {
    struct signature signature;
    size_t matched = 99;
    enum signature_verdict verdict = signature_parse(text_of(header), &signature);
    if (verdict != SIGNATURE_GOOD)
        return verdict;
    verdict = signature_check(&signature, keys, 3, body, now_s, TOLERANCE, &matched);
    if (verdict != SIGNATURE_UNMATCHED)
        assert_int_equal(matched, 1);
    return verdict;
}

static void test_kulas_vectors_are_good_over_the_raw_bytes(void **state) {
    (void)state;
    static const struct {
        const char *body;
        size_t size;
        const char *header;
        enum signature_verdict verdict;
    } cases[] = {
        {body_a, 134, "t=1736937000,v1=" V1_A, SIGNATURE_GOOD},
        {body_b, 176, "t=1736937000,v1=" V1_B, SIGNATURE_GOOD},
        {body_c, 149, "t=1736937000,v1=" V1_C, SIGNATURE_GOOD},
        {"", 0, "t=1736937000,v1=" V1_D, SIGNATURE_GOOD},
        {body_e, 164, "t=1736937000,v1=" V1_E, SIGNATURE_GOOD},
        /* Signed over what JavaScript would make of the body: not the raw reading. */
        {body_b, 176, "t=1736937000,v1=" V1_C, SIGNATURE_UNMATCHED},
        {body_e, 164, "t=1736937000,v1=" V1_A, SIGNATURE_UNMATCHED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(strlen(cases[i].body), cases[i].size);
        if (judge(cases[i].header, text_of(cases[i].body), T) != cases[i].verdict)
            fail_msg("case %zu", i);
    }
}

static void test_one_changed_bit_of_the_body_is_unmatched(void **state) {
    (void)state;
    char body[sizeof body_a];
    memcpy(body, body_a, sizeof body);
    struct text changed = text_slice(body, sizeof body - 1);
    for (size_t i = 0; i < changed.size; i++) {
        body[i] ^= 1;
        assert_int_equal(judge("t=1736937000,v1=" V1_A, changed, T), SIGNATURE_UNMATCHED);
        body[i] ^= 1;
    }
    changed.size--;
    assert_int_equal(judge("t=1736937000,v1=" V1_A, changed, T), SIGNATURE_UNMATCHED);
}

static void test_the_mac_covers_the_digits_as_sent(void **state) {
    (void)state;
    struct text body = text_of(body_a);
    assert_int_equal(judge("t=01736937000,v1=" V1_A, body, T), SIGNATURE_UNMATCHED);
    assert_int_equal(judge("t=1736937001,v1=" V1_A, body, T), SIGNATURE_UNMATCHED);
}

#define V1_NONE "0000000000000000000000000000000000000000000000000000000000000000"
#define SEVEN_NONE                                                                                 \
    "v1=" V1_NONE ",v1=" V1_NONE ",v1=" V1_NONE ",v1=" V1_NONE ",v1=" V1_NONE ",v1=" V1_NONE       \
    ",v1=" V1_NONE

static void test_a_header_is_read_strictly_but_in_any_order(void **state) {
    (void)state;
    static const struct {
        const char *header;
        enum signature_verdict verdict;
    } cases[] = {
        {"t=1736937000,v1=" V1_A, SIGNATURE_GOOD},
        {"v1=" V1_A ",t=1736937000", SIGNATURE_GOOD},
        {" t=1736937000 ,\tv1=" V1_A " ", SIGNATURE_GOOD},
        {"t=1736937000,v0=abc,v1=" V1_A ",v2=x=y,x=", SIGNATURE_GOOD},
        {"t=1736937000,v1=" V1_NONE ",v1=" V1_A, SIGNATURE_GOOD},
        {"t=1736937000,v1=" V1_A ",v1=" V1_NONE, SIGNATURE_GOOD},
        {"t=1736937000," SEVEN_NONE ",v1=" V1_A, SIGNATURE_GOOD},
        {"t=1736937000,v1=B65129C1CC468B2F1D051469267116FF06CAA6B0E5F96A86BDC71ADBE87DFA56",
         SIGNATURE_GOOD},
        {"t=1736937000,v1=" V1_A ",", SIGNATURE_GOOD},
        {",t=1736937000,, ,v1=" V1_A, SIGNATURE_GOOD},

        {"t=1736937000,v1=" V1_NONE, SIGNATURE_UNMATCHED},
        {"t=1736937000," SEVEN_NONE ",v1=" V1_NONE, SIGNATURE_UNMATCHED},
        {"t=999999999999999,v1=" V1_A, SIGNATURE_UNMATCHED},
        {"t=0,v1=" V1_A, SIGNATURE_UNMATCHED},

        {"t=1736937000," SEVEN_NONE ",v1=" V1_NONE ",v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000,t=1736937000,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000,v1=" V1_A ",t=1", SIGNATURE_MALFORMED},
        {"t=,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=,t=1736937000,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=+1736937000,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=-1736937000,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000abc,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000.5,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t= 1736937000,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=NaN,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1000000000000000,v1=" V1_A, SIGNATURE_MALFORMED}, /* 16 digits */
        {"t=0000001736937000,v1=" V1_A, SIGNATURE_MALFORMED}, /* 16 digits */
        {"v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000", SIGNATURE_MALFORMED},
        {"t=1736937000,v0=" V1_A, SIGNATURE_MALFORMED},
        {"T=1736937000,V1=" V1_A, SIGNATURE_MALFORMED},
        {"t =1736937000,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000,v1=", SIGNATURE_MALFORMED},
        {"t=1736937000,v1=" V1_A "0", SIGNATURE_MALFORMED}, /* 65 */
        {"t=1736937000,v1=65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa56",
         SIGNATURE_MALFORMED}, /* 63 */
        {"t=1736937000,v1=g65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa5",
         SIGNATURE_MALFORMED},
        {"t=1736937000,v1=short,v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000 v1=" V1_A, SIGNATURE_MALFORMED}, /* no comma */
        {"t=1736937000;v1=" V1_A, SIGNATURE_MALFORMED},
        {"t=1736937000,v1=" V1_A ",nothing", SIGNATURE_MALFORMED},
        {V1_A, SIGNATURE_MALFORMED},
        {"sha256=" V1_A, SIGNATURE_MALFORMED},
        {",", SIGNATURE_MALFORMED},
        {"=", SIGNATURE_MALFORMED},

        {"", SIGNATURE_MISSING},
        {" \t", SIGNATURE_MISSING},
        {NULL, SIGNATURE_MISSING},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum signature_verdict verdict = judge(cases[i].header, text_of(body_a), T);
        if (verdict != cases[i].verdict)
            fail_msg("\"%s\" is %s", cases[i].header, signature_verdict_name(verdict));
    }
}

static void test_what_was_expected_is_told_with_its_place(void **state) {
    (void)state;
    static const struct {
        const char *header, *expected; /* NULL: nothing */
        size_t at;
    } cases[] = {
        {"t=1736937000,v1=" V1_A, NULL, 0},
        {"nonsense", "name=value", 0},
        {"t=1736937000, nonsense", "name=value", 14},
        {"t=1736937000 v1=" V1_A, "Unix seconds in 1 to 15 digits", 2},
        {" t=", "Unix seconds in 1 to 15 digits", 3},
        {"t=1,t=1,v1=" V1_A, "no second t", 6},
        {"t=1736937000,v1=abc", "64 hexadecimal digits", 16},
        {"t=1," SEVEN_NONE ",v1=" V1_NONE ",v1=" V1_A, "no more than 8 v1", 551},
        {"v1=" V1_A, "t=, with Unix seconds", 67},
        {"t=1,v1=" V1_A ",t2=3", NULL, 0},
        {"t=1,", "v1=, with 64 hexadecimal digits", 4},
        {",", "t=, with Unix seconds", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t at = 0;
        const char *expected = signature_expected(text_of(cases[i].header), &at);
        if (!cases[i].expected) {
            assert_null(expected);
            continue;
        }
        assert_non_null(expected);
        assert_string_equal(expected, cases[i].expected);
        if (at != cases[i].at)
            fail_msg("\"%s\" at %zu", cases[i].header, at);
    }
}

static void test_t_may_be_just_the_tolerance_away(void **state) {
    (void)state;
    static const struct {
        int64_t now_s;
        enum signature_verdict verdict;
    } cases[] = {
        {T, SIGNATURE_GOOD},        {T + 300, SIGNATURE_GOOD},  {T - 300, SIGNATURE_GOOD},
        {T + 301, SIGNATURE_STALE}, {T - 301, SIGNATURE_STALE}, {0, SIGNATURE_STALE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (judge("t=1736937000,v1=" V1_A, text_of(body_a), cases[i].now_s) != cases[i].verdict)
            fail_msg("now %lld", (long long)cases[i].now_s);
    /* What is not authentic is never called stale. */
    assert_int_equal(judge("t=1736937000,v1=" V1_NONE, text_of(body_a), 0), SIGNATURE_UNMATCHED);
}

static void test_a_tolerance_of_0_is_off(void **state) {
    (void)state;
    struct signature signature = {.t_s = T};
    assert_true(signature_fresh(&signature, T + 1000000, 0));
    assert_true(signature_fresh(&signature, 0, 0));
    assert_true(signature_fresh(&signature, T + 1, 1));
    assert_false(signature_fresh(&signature, T + 2, 1));
}

static void test_whichever_secret_made_it_is_told(void **state) {
    (void)state;
    struct signature signature;
    size_t matched;
    struct hmac *const two[] = {keys[1], keys[0], keys[1]};
    struct text body = text_of(body_a);
    signature_parse(text_of("t=1736937000,v1=" V1_A), &signature);
    assert_int_equal(signature_check(&signature, two, 3, body, T, 300, &matched), SIGNATURE_GOOD);
    assert_int_equal(matched, 0);
    assert_int_equal(signature_check(&signature, two + 1, 2, body, T + 999, 300, &matched),
                     SIGNATURE_STALE);
    assert_int_equal(matched, 1);
    assert_int_equal(signature_check(&signature, two + 1, 1, body, T, 300, &matched),
                     SIGNATURE_UNMATCHED);
    assert_int_equal(signature_check(&signature, two, 0, body, T, 300, &matched),
                     SIGNATURE_UNMATCHED);
}

static void test_a_header_of_junk_is_survived(void **state) {
    (void)state;
    char junk[512];
    uint32_t number = 1;
    struct signature signature;
    for (int round = 0; round < 2000; round++) {
        static const char letters[] = "tv1=,,== 0123456789abcdef\t\x80;";
        for (size_t i = 0; i < sizeof junk; i++) {
            number = number * 1664525 + 1013904223; /* the same in each run */
            junk[i] = letters[(number >> 16) % (sizeof letters - 1)];
        }
        assert_int_not_equal(signature_parse(text_slice(junk, number % sizeof junk), &signature),
                             SIGNATURE_GOOD);
    }
}

static void test_verdicts_have_names(void **state) {
    (void)state;
    assert_string_equal(signature_verdict_name(SIGNATURE_GOOD), "good");
    assert_string_equal(signature_verdict_name(SIGNATURE_STALE), "stale");
    assert_string_equal(signature_verdict_name(SIGNATURE_UNMATCHED), "unmatched");
    assert_string_equal(signature_verdict_name(SIGNATURE_MALFORMED), "malformed");
    assert_string_equal(signature_verdict_name(SIGNATURE_MISSING), "missing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kulas_vectors_are_good_over_the_raw_bytes),
        cmocka_unit_test(test_one_changed_bit_of_the_body_is_unmatched),
        cmocka_unit_test(test_the_mac_covers_the_digits_as_sent),
        cmocka_unit_test(test_a_header_is_read_strictly_but_in_any_order),
        cmocka_unit_test(test_what_was_expected_is_told_with_its_place),
        cmocka_unit_test(test_t_may_be_just_the_tolerance_away),
        cmocka_unit_test(test_a_tolerance_of_0_is_off),
        cmocka_unit_test(test_whichever_secret_made_it_is_told),
        cmocka_unit_test(test_a_header_of_junk_is_survived),
        cmocka_unit_test(test_verdicts_have_names),
    };
    return cmocka_run_group_tests(tests, make_keys, destroy_keys);
}
