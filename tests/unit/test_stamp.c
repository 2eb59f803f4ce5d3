/* Stamps: what we sign is what Kula would have signed, and what Standard Webhooks says. */
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "kula/signature.h"
#include "kula/stamp.h"

#define PING                                                                                       \
    "{\"event\":\"ping\",\"event_id\":\"evt_test_abc123\",\"created_at\":\"2025-01-15T10:30:"      \
    "00Z\","                                                                                       \
    "\"account_id\":12345,\"data\":{\"message\":\"Webhook test\"}}"
#define PING_V1 "b65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa56"

enum { T_S = 1736937000 };

static struct hmac *make_key(const char *text) {
    struct secret secret = {(unsigned char *)text_copy(text_of(text)), strlen(text)};
    struct hmac *key = hmac_create(&secret);
    secret_finish(&secret);
    return key;
}

static struct hmac *make_kula_key(void) {
    return make_key("whsec_test_0123456789abcdef");
}

static void assert_kula(struct hmac *key, const char *body, const char *stamp) {
    struct string made = {0};
    stamp_kula((struct stamp_keys){&key, 1}, T_S, text_of(body), &made);
    assert_string_equal(made.data, stamp);
    string_finish(&made);
}

static void test_a_stamp_is_kulas_own_header(void **state) {
    struct hmac *key = make_kula_key();
    (void)state;
    for (int again = 0; again < 2; again++)
        assert_kula(key, PING, "t=1736937000,v1=" PING_V1);
    assert_kula(key, NULL,
                "t=1736937000,v1=29cb0627e98ca2f96b7113e66c328baf3fd558debb81b6adf2629efa92f02e3a");
    hmac_destroy(key);
}

static void test_a_stamp_passes_our_own_check(void **state) {
    static const int64_t times[] = {0, 1, T_S, 999999999999999};
    const struct text body = text_slice("\0\xff", 2);
    struct hmac *key = make_kula_key();
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct string stamp = {0};
        struct signature signature;
        size_t matched;
        stamp_kula((struct stamp_keys){&key, 1}, times[i], body, &stamp);
        assert_int_equal(signature_parse(string_text(&stamp), &signature), SIGNATURE_GOOD);
        assert_int_equal(signature_check(&signature, &key, 1, body, times[i], 300, &matched),
                         SIGNATURE_GOOD);
        string_finish(&stamp);
    }
    hmac_destroy(key);
}

static void test_with_two_keys_either_of_them_finds_its_own(void **state) {
    struct hmac *keys[] = {make_key("the new one"), make_kula_key()};
    struct string stamp = {0};
    struct signature signature;
    size_t matched;
    (void)state;
    stamp_kula((struct stamp_keys){keys, 2}, T_S, text_of(PING), &stamp);
    assert_non_null(strstr(stamp.data, ",v1=" PING_V1));
    assert_int_equal(signature_parse(string_text(&stamp), &signature), SIGNATURE_GOOD);
    assert_int_equal(signature.count, 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            signature_check(&signature, &keys[i], 1, text_of(PING), T_S, 300, &matched),
            SIGNATURE_GOOD);
    string_finish(&stamp);
    hmac_destroy(keys[0]);
    hmac_destroy(keys[1]);
}

/* The vector that the reference libraries of Standard Webhooks share. */
#define STANDARD_ID     "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define STANDARD_BODY   "{\"test\": 2432232314}"
#define STANDARD_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define STANDARD_STAMP  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct hmac *make_standard_key(const char *text) {
    struct secret secret = {(unsigned char *)text_copy(text_of(text)), strlen(text)};
    struct string why = {0};
    assert_true(secret_decode(&secret, &why));
    struct hmac *key = hmac_create(&secret);
    secret_finish(&secret);
    return key;
}

static void assert_standard(struct hmac *const *keys, size_t count, const char *stamp) {
    struct string made = {0};
    stamp_standard((struct stamp_keys){keys, count}, text_of(STANDARD_ID), 1614265330,
                   text_of(STANDARD_BODY), &made);
    assert_string_equal(made.data, stamp);
    string_finish(&made);
}

static void test_a_standard_stamp_is_that_of_the_reference_libraries(void **state) {
    struct hmac *key = make_standard_key(STANDARD_SECRET);
    (void)state;
    for (int again = 0; again < 2; again++)
        assert_standard(&key, 1, STANDARD_STAMP);
    hmac_destroy(key);
}

static void test_with_two_keys_a_standard_stamp_is_two_with_a_blank_between(void **state) {
    struct hmac *keys[] = {make_standard_key(STANDARD_SECRET),
                           make_standard_key("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz")};
    struct string both = {0};
    (void)state;
    stamp_standard((struct stamp_keys){&keys[1], 1}, text_of(STANDARD_ID), 1614265330,
                   text_of(STANDARD_BODY), &both);
    assert_string_not_equal(both.data, STANDARD_STAMP);
    struct string expected = {0};
    string_addf(&expected, "%s %s", STANDARD_STAMP, both.data);
    assert_standard(keys, 2, expected.data);
    string_finish(&expected);
    string_finish(&both);
    hmac_destroy(keys[0]);
    hmac_destroy(keys[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stamp_is_kulas_own_header),
        cmocka_unit_test(test_a_stamp_passes_our_own_check),
        cmocka_unit_test(test_with_two_keys_either_of_them_finds_its_own),
        cmocka_unit_test(test_a_standard_stamp_is_that_of_the_reference_libraries),
        cmocka_unit_test(test_with_two_keys_a_standard_stamp_is_two_with_a_blank_between),
    };
    return cmocka_run_group_tests_name("stamp", tests, NULL, NULL);
}
