/* What is put on a terminal cannot steer it; addresses become URLs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/target.h"
#include "cli/view.h"

static void test_nothing_shown_can_steer_a_terminal(void **state) {
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"evt_1", "evt_1"},
        {"Dóra 見本", "Dóra 見本"},
        {"a\033[2Jb", "a\\u001b[2Jb"},
        {"a\nb\tc", "a\\u000ab\\u0009c"},
        {"a\xc2\x9b"
         "b",
         "a\\u009bb"},
        {"a\xff"
         "b\xc3",
         "a\\xffb\\xc3"},
        {"\xe2\x80\xae", "\\u202e"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct string out = {0};
        view_clean(text_of(cases[i].text), &out);
        assert_string_equal(out.data, cases[i].shown);
        string_finish(&out);
    }
}

static void test_times_are_utc(void **state) {
    char out[VIEW_TIME];
    (void)state;
    view_time(1736937000999, out);
    assert_string_equal(out, "2025-01-15 10:30:00Z");
}

static void test_sizes_and_ages_are_short(void **state) {
    static const struct {
        void (*show)(int64_t, struct string *);
        int64_t value;
        const char *shown;
    } cases[] = {
        {view_size, 0, "0 B"},
        {view_size, 10239, "10239 B"},
        {view_size, 10240, "10 KiB"},
        {view_size, 64 << 20, "64 MiB"},
        {view_size, (int64_t)1 << 40, "1024 GiB"},
        {view_size, (int64_t)20 << 40, "20480 GiB"},
        {view_age, -5, "0 s"}, /* a clock that was set back */
        {view_age, 999, "0 s"},
        {view_age, 119999, "119 s"},
        {view_age, 120000, "2 min"},
        {view_age, 7200000, "2 h"},
        {view_age, 172799999, "47 h"},
        {view_age, 172800000, "2 d"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct string out = {0};
        cases[i].show(cases[i].value, &out);
        assert_string_equal(out.data, cases[i].shown);
        string_finish(&out);
    }
}

static void test_a_listener_is_reached_from_this_machine(void **state) {
    static char certificate[] = "tls.crt";
    static const struct {
        const char *address;
        char *certificate;
        const char *url;
    } cases[] = {
        {"127.0.0.1:8443", certificate, "https://localhost:8443/webhooks/kula"},
        {"0.0.0.0:8443", certificate, "https://localhost:8443/webhooks/kula"},
        {"[::]:8080", NULL, "http://localhost:8080/webhooks/kula"},
        {"hooks.example.com:443", certificate, "https://hooks.example.com:443/webhooks/kula"},
        {"[2001:db8::1]:443", certificate, "https://[2001:db8::1]:443/webhooks/kula"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct string url = {0};
        char address[64];
        snprintf(address, sizeof address, "%s", cases[i].address);
        target_format_url(&(struct config_listener){address, cases[i].certificate, NULL},
                          "/webhooks/kula", &url);
        assert_string_equal(url.data, cases[i].url);
        string_finish(&url);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_shown_can_steer_a_terminal),
        cmocka_unit_test(test_times_are_utc),
        cmocka_unit_test(test_sizes_and_ages_are_short),
        cmocka_unit_test(test_a_listener_is_reached_from_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
