/* Secret files: their bytes as they are, but for one newline at the end. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/secret.h"

static char folder[] = "/tmp/kula-relay-secret-XXXXXX";
static char path[64];

static int make_folder(void **state) {
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/secret", folder);
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void put(const char *data, size_t size) {
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(file >= 0);
    assert_int_equal(write(file, data, size), size);
    close(file);
}

static void test_one_newline_is_dropped_and_nothing_else(void **state) {
    (void)state;
    static const struct {
        const char *content, *secret;
    } cases[] = {
        {"whsec_a", "whsec_a"},       {"whsec_a\n", "whsec_a"},
        {"whsec_a\r\n", "whsec_a"},   {"whsec_a\n\n", "whsec_a\n"},
        {" whsec_a \n", " whsec_a "}, {"whsec_a\r", "whsec_a\r"},
        {"\nwhsec_a\n", "\nwhsec_a"}, {"\xef\xbb\xbf\xff\n", "\xef\xbb\xbf\xff"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct secret secret;
        struct string why = {0};
        put(cases[i].content, strlen(cases[i].content));
        assert_true(secret_read(path, &secret, &why));
        assert_int_equal(secret.size, strlen(cases[i].secret));
        assert_memory_equal(secret.data, cases[i].secret, secret.size);
        assert_int_equal(why.size, 0);
        secret_finish(&secret);
        assert_null(secret.data);
    }
}

static void test_a_secret_may_hold_nul(void **state) {
    (void)state;
    struct secret secret;
    struct string why = {0};
    put("a\0b\n", 4);
    assert_true(secret_read(path, &secret, &why));
    assert_int_equal(secret.size, 3);
    assert_memory_equal(secret.data, "a\0b", 3);
    secret_finish(&secret);
}

static void assert_refused(const char *file, const char *word) {
    struct secret secret;
    struct string why = {0};
    assert_false(secret_read(file, &secret, &why));
    assert_null(secret.data);
    assert_non_null(strstr(why.data, file));
    if (!strstr(why.data, word))
        fail_msg("\"%s\" is not in: %s", word, why.data);
    string_finish(&why);
}

static void test_a_refusal_says_which_file_and_what_to_do(void **state) {
    (void)state;
    put("", 0);
    assert_refused(path, "is empty");
    put("\r\n", 2);
    assert_refused(path, "is empty");
    assert_refused("/nowhere/secret", "create it");
    assert_refused(folder, "directory");
    if (geteuid() != 0) { /* root reads everything */
        chmod(path, 0);
        assert_refused(path, "let this program's user, whose id is ");
        chmod(path, 0600);
    }
}

static void test_a_secret_has_at_most_64_kib(void **state) {
    (void)state;
    enum { MOST = 64 * 1024 };
    struct secret secret;
    struct string why = {0};
    char *data = memory_new(MOST + 3);
    memset(data, 'x', MOST + 3);
    put(data, MOST + 1);
    assert_refused(path, "64 KiB");
    put(data, MOST + 3);
    assert_refused(path, "64 KiB");
    memcpy(data + MOST, "\r\n", 2);
    put(data, MOST + 2);
    assert_true(secret_read(path, &secret, &why));
    assert_int_equal(secret.size, MOST);
    secret_finish(&secret);
    put(data, MOST + 3);
    assert_refused(path, "64 KiB");
    free(data);
}

static void test_a_refusal_never_tells_the_content(void **state) {
    (void)state;
    enum { LONG = 70000 };
    struct secret secret;
    struct string why = {0};
    char *data = memory_new(LONG);
    memset(data, '$', LONG);
    put(data, LONG);
    assert_false(secret_read(path, &secret, &why));
    assert_null(strchr(why.data, '$'));
    string_finish(&why);
    free(data);
}

static bool decode(const char *text, struct secret *secret, struct string *why) {
    *secret = (struct secret){(unsigned char *)text_copy(text_of(text)), strlen(text)};
    return secret_decode(secret, why);
}

static void test_a_webhook_secret_becomes_its_key(void **state) {
    static const char *const cases[] = {"whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u",
                                        "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u"};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct secret secret;
        struct string why = {0};
        assert_true(decode(cases[i], &secret, &why));
        assert_int_equal(secret.size, 24);
        assert_memory_equal(secret.data, "0123456789abcdefghijklmn", 24);
        secret_finish(&secret);
    }
}

#define SIXTEEN  "MDEyMzQ1Njc4OTAx"
#define TOO_LONG "whsec_" SIXTEEN SIXTEEN SIXTEEN SIXTEEN SIXTEEN "MDEyMzQ=" /* 65 bytes */

static void test_what_is_no_webhook_secret_is_refused(void **state) {
    static const char *const cases[] = {
        "",
        "whsec_",
        "whsec_not base64 at all, is it?",
        "WHSEC_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u",
        "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u\n",
        "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG0=", /* 23 bytes */
        TOO_LONG,
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct secret secret;
        struct string why = {0};
        assert_false(decode(cases[i], &secret, &why));
        assert_non_null(strstr(why.data, "openssl rand -base64 32"));
        assert_null(strstr(why.data, "MDEy"));
        string_finish(&why);
        secret_finish(&secret);
    }
}

static void test_what_is_no_text_is_told_without_its_bytes(void **state) {
    static const struct {
        const char *bytes;
        bool is_text;
    } cases[] = {
        {"whsec_a", true},       {"Schl\xc3\xbcssel", true},  {"\x01\t\x7f", true},
        {"Schl\xfcssel", false}, {"\xff\xfe\x80\x41", false}, {"cut\xe2\x82", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text bytes = text_of(cases[i].bytes);
        struct secret secret = {(unsigned char *)text_copy(bytes), bytes.size};
        struct string why = {0};
        assert_int_equal(secret_is_text(&secret, &why), cases[i].is_text);
        assert_int_equal(why.size == 0, cases[i].is_text);
        if (why.size) {
            assert_non_null(strstr(why.data, "openssl rand -hex 32"));
            assert_null(strstr(why.data, cases[i].bytes));
        }
        string_finish(&why);
        secret_finish(&secret);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_newline_is_dropped_and_nothing_else),
        cmocka_unit_test(test_a_secret_may_hold_nul),
        cmocka_unit_test(test_a_refusal_says_which_file_and_what_to_do),
        cmocka_unit_test(test_a_secret_has_at_most_64_kib),
        cmocka_unit_test(test_a_refusal_never_tells_the_content),
        cmocka_unit_test(test_a_webhook_secret_becomes_its_key),
        cmocka_unit_test(test_what_is_no_webhook_secret_is_refused),
        cmocka_unit_test(test_what_is_no_text_is_told_without_its_bytes),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
