/* Stamps: what we sign is what Kula would have signed. */
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kula/signature.h"
#include "kula/stamp.h"

static struct hmac *make_key(void) {
    unsigned char key[] = "whsec_test_0123456789abcdef";
    return hmac_create(&(struct secret){key, sizeof key - 1});
}

static void test_a_stamp_is_kulas_own_header(void **state) {
    (void)state;
    static const char body[] = "{\"event\":\"ping\",\"event_id\":\"evt_test_abc123\","
                               "\"created_at\":\"2025-01-15T10:30:00Z\",\"account_id\":12345,"
                               "\"data\":{\"message\":\"Webhook test\"}}";
    struct hmac *key = make_key();
    char stamp[STAMP_SIZE];
    for (int again = 0; again < 2; again++) {
        stamp_format(key, 1736937000, text_of(body), stamp);
        assert_string_equal(stamp, "t=1736937000,v1=b65129c1cc468b2f1d051469267116ff"
                                   "06caa6b0e5f96a86bdc71adbe87dfa56");
    }
    stamp_format(key, 1736937000, (struct text){0}, stamp);
    assert_string_equal(stamp, "t=1736937000,v1=29cb0627e98ca2f96b7113e66c328baf"
                               "3fd558debb81b6adf2629efa92f02e3a");
    hmac_destroy(key);
}

static void test_a_stamp_passes_our_own_check(void **state) {
    (void)state;
    static const int64_t times[] = {0, 1, 1736937000, 999999999999999};
    struct hmac *key = make_key();
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        char stamp[STAMP_SIZE];
        struct signature signature;
        size_t matched;
        stamp_format(key, times[i], text_slice("\0\xff", 2), stamp);
        assert_int_equal(signature_parse(text_of(stamp), &signature), SIGNATURE_GOOD);
        assert_int_equal(
            signature_check(&signature, &key, 1, text_slice("\0\xff", 2), times[i], 300, &matched),
            SIGNATURE_GOOD);
    }
    hmac_destroy(key);
}

static void test_the_longest_stamp_fits(void **state) {
    (void)state;
    struct hmac *key = make_key();
    char stamp[STAMP_SIZE];
    stamp_format(key, INT64_MIN, text_of("x"), stamp);
    assert_int_equal(strlen(stamp), strlen("t=-9223372036854775808,v1=") + HMAC_HEX);
    hmac_destroy(key);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stamp_is_kulas_own_header),
        cmocka_unit_test(test_a_stamp_passes_our_own_check),
        cmocka_unit_test(test_the_longest_stamp_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
