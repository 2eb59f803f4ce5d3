/* HMAC-SHA256 against RFC 4231, in pieces and again. */
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hmac.h"

struct vector {
    const char *key;
    size_t key_size;
    const char *data;
    const char *hex;
};

/* RFC 4231, test cases 1, 2, 3, 6 and 7. */
static char key_20[20], data_50[51], key_131[131];
static const struct vector vectors[] = {
    {key_20, 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"Jefe", 4, "what do ya want for nothing?",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {"\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa", 20,
     data_50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {key_131, 131, "Test Using Larger Than Block-Size Key - Hash Key First",
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {key_131, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. "
     "The key needs to be hashed before being used by the HMAC algorithm.",
     "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};
enum { VECTORS = sizeof vectors / sizeof vectors[0] };

static int fill(void **state) {
    (void)state;
    memset(key_20, 0x0b, sizeof key_20);
    memset(key_131, 0xaa, sizeof key_131);
    memset(data_50, 0xdd, sizeof data_50 - 1);
    return 0;
}

static struct hmac *make(const struct vector *vector) {
    unsigned char key[131];
    memcpy(key, vector->key, vector->key_size);
    struct hmac *hmac = hmac_create(&(struct secret){key, vector->key_size});
    memset(key, 0, sizeof key); /* what it needs of the key is its own */
    return hmac;
}

static void assert_result(struct hmac *hmac, const char *expected) {
    unsigned char digest[HMAC_BYTES];
    char hex[HMAC_HEX + 1];
    hmac_result(hmac, digest);
    hmac_format(digest, hex);
    assert_string_equal(hex, expected);
}

static void test_the_rfcs_vectors_come_out(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        struct hmac *hmac = make(&vectors[i]);
        hmac_feed(hmac, text_of(vectors[i].data));
        assert_result(hmac, vectors[i].hex);
        hmac_destroy(hmac);
    }
}

static void test_pieces_make_the_same_as_the_whole(void **state) {
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        struct hmac *hmac = make(&vectors[i]);
        hmac_feed(hmac, (struct text){0});
        for (const char *at = vectors[i].data; *at; at++)
            hmac_feed(hmac, text_slice(at, 1));
        assert_result(hmac, vectors[i].hex);
        hmac_destroy(hmac);
    }
}

static void test_a_restart_keeps_the_key_and_forgets_the_rest(void **state) {
    (void)state;
    struct hmac *hmac = make(&vectors[1]);
    hmac_feed(hmac, text_of("half of something"));
    for (int i = 0; i < 3; i++) {
        hmac_restart(hmac);
        hmac_feed(hmac, text_of(vectors[1].data));
        assert_result(hmac, vectors[1].hex);
    }
    hmac_destroy(hmac);
    hmac_destroy(NULL);
}

static void test_equal_means_all_of_it(void **state) {
    (void)state;
    unsigned char a[HMAC_BYTES] = {0}, b[HMAC_BYTES] = {0};
    assert_true(hmac_equal(a, b));
    for (size_t i = 0; i < HMAC_BYTES; i++) {
        b[i] = 0x80;
        assert_false(hmac_equal(a, b));
        b[i] = 0;
    }
}

static void test_hex_is_64_digits_of_either_case(void **state) {
    (void)state;
    static const struct {
        const char *hex;
        bool good;
    } cases[] = {
        {"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", true},
        {"00112233445566778899AABBCCDDEEFF00112233445566778899aabbccddeeff", true},
        {"00112233445566778899aabbccddeeff00112233445566778899aabbccddeef", false},
        {"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff0", false},
        {"00112233445566778899aabbccddeeff00112233445566778899aabbccddeefg", false},
        {" 0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false},
        {"0x112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char digest[HMAC_BYTES];
        char hex[HMAC_HEX + 1];
        if (hmac_parse(text_of(cases[i].hex), digest) != cases[i].good)
            fail_msg("\"%s\"", cases[i].hex);
        if (!cases[i].good)
            continue;
        hmac_format(digest, hex);
        assert_string_equal(hex, cases[0].hex);
    }
}

/* Computed by: printf 'kula-relay mark' | openssl dgst -sha256 -hmac KEY -r | cut -c1-8 */
static void test_a_mark_tells_secrets_apart(void **state) {
    (void)state;
    static char key[] = "whsec_test_0123456789abcdef", other[] = "whsec_test_0123456789abcdeg";
    char mark[HMAC_MARK + 1];
    hmac_mark(&(struct secret){(unsigned char *)key, sizeof key - 1}, mark);
    assert_string_equal(mark, "44b939ab");
    hmac_mark(&(struct secret){(unsigned char *)other, sizeof other - 1}, mark);
    assert_string_equal(mark, "9634feef");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_rfcs_vectors_come_out),
        cmocka_unit_test(test_pieces_make_the_same_as_the_whole),
        cmocka_unit_test(test_a_restart_keeps_the_key_and_forgets_the_rest),
        cmocka_unit_test(test_equal_means_all_of_it),
        cmocka_unit_test(test_a_mark_tells_secrets_apart),
        cmocka_unit_test(test_hex_is_64_digits_of_either_case),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
