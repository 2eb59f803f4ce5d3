/* Base64: RFC 4648's vectors both ways, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/base64.h"

static const struct {
    const char *bytes, *base64;
} vectors[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xfb\xff\xbf\xff", "+/+//w=="},
};

static void test_the_vectors_of_its_rfc_hold_both_ways(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        struct text bytes = text_of(vectors[i].bytes), base64 = text_of(vectors[i].base64);
        struct string made = {0};
        unsigned char back[16];
        size_t size;
        base64_encode((const unsigned char *)bytes.data, bytes.size, &made);
        assert_true(text_equal(string_text(&made), base64));
        assert_true(BASE64_ROOM(base64.size) <= sizeof back);
        assert_true(base64_decode(base64, back, &size));
        assert_true(text_equal(text_slice((const char *)back, size), bytes));
        string_finish(&made);
    }
}

static void test_every_byte_comes_back(void **state) {
    unsigned char bytes[256], back[BASE64_ROOM(344) + 1];
    struct string made = {0};
    size_t size;
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    base64_encode(bytes, sizeof bytes, &made);
    assert_true(base64_decode(string_text(&made), back, &size));
    assert_int_equal(size, sizeof bytes);
    assert_memory_equal(back, bytes, size);
    string_finish(&made);
}

static void test_what_is_no_base64_is_refused(void **state) {
    static const char *const wrong[] = {"Z",     "Zg",       "Zg=",  "Zm9vYg",   "Zm9v\n",
                                        "Zm 9v", "Zg==Zm9v", "Z===", "====",     "=Zg=",
                                        "Zg=v",  "Zm9-",     "Zm9_", "Zm9v====", "\xc3\xa9Zm"};
    unsigned char bytes[16];
    size_t size;
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (base64_decode(text_of(wrong[i]), bytes, &size))
            fail_msg("%s", wrong[i]);
    assert_false(base64_decode(text_slice("Zm9\0", 4), bytes, &size));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_vectors_of_its_rfc_hold_both_ways),
        cmocka_unit_test(test_every_byte_comes_back),
        cmocka_unit_test(test_what_is_no_base64_is_refused),
    };
    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
