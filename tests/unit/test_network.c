/* Addresses, networks, and the client that a proxy forwards for. */
#include "base/network.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* After those, which it needs. */
#include <cmocka.h>

#include "net/http_forwarded.h"

static void test_a_network_holds_its_addresses_and_no_other(void **state) {
    (void)state;
    static const struct {
        const char *network;
        const char *ip;
        bool holds;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3", "10.1.2.3", true},
        {"10.1.2.3", "10.1.2.2", false},
        {"10.1.2.3/32", "10.1.2.3", true},
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "203.0.113.9", true},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::1", false},
        {"::1", "::1", true},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct network network;
        struct ip ip;
        assert_true(network_parse(text_of(cases[i].network), &network));
        assert_true(ip_parse(text_of(cases[i].ip), &ip));
        if (network_holds(&network, &ip) != cases[i].holds)
            fail_msg("%s in %s", cases[i].ip, cases[i].network);
    }
}

static void test_what_is_no_network_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",           "10.0.0",      "10.0.0.0/", "10.0.0.0/33",    "10.0.0.0/x",
        "10.0.0.1/8", "10.0.0.0/-1", "localhost", "2001:db8::/129", "2001:db8::1/32",
        "::/",        "[::1]",       "/8",        "10.0.0.0/8/8",   "10.0.0.0:80",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct network network;
        if (network_parse(text_of(bad[i]), &network))
            fail_msg("%s", bad[i]);
    }
}

static void test_an_address_may_have_its_port(void **state) {
    (void)state;
    static const struct {
        const char *text;
        const char *ip; /* NULL: none */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1"},
        {"192.0.2.1:80", "192.0.2.1"},
        {"[::1]", "::1"},
        {"[::1]:80", "::1"},
        {"::1", "::1"},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:65536", NULL},
        {"[::1", NULL},
        {"[::1]x", NULL},
        {"[::1]:", NULL},
        {"[192.0.2.1]", NULL},
        {"unknown", NULL},
        {"", NULL},
        {"_hidden", NULL},
        {"192.0.2.1:80:80", NULL},
        {":80", NULL},
        {"[]", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ip ip, expected;
        bool parsed = ip_parse_with_port(text_of(cases[i].text), &ip);
        if (parsed != (cases[i].ip != NULL))
            fail_msg("%s", cases[i].text);
        if (parsed && ip_parse(text_of(cases[i].ip), &expected))
            assert_memory_equal(&ip, &expected, sizeof ip);
    }
}

static void test_the_client_is_the_last_that_is_no_proxy_of_ours(void **state) {
    (void)state;
    static const struct {
        const char *list;
        const char *client;
    } cases[] = {
        {"", ""},
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.66, 192.0.2.7", "192.0.2.7"},
        {"192.0.2.7,10.0.0.1, 10.0.0.2", "192.0.2.7"},
        {"192.0.2.66, [2001:db8::7]:80 ,10.0.0.1", "[2001:db8::7]:80"},
        {"10.0.0.2, 10.0.0.1", "10.0.0.2"},
        {"192.0.2.7, unknown", ""},
        {"unknown, 10.0.0.1", "10.0.0.1"},
        {"192.0.2.7,", ""},
        {"\x1b[2J", ""},
    };
    struct network ours;
    assert_true(network_parse(text_of("10.0.0.0/8"), &ours));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text client = http_forwarded_client(text_of(cases[i].list), &ours, 1);
        if (!text_is(client, cases[i].client))
            fail_msg("%s: %.*s", cases[i].list, TEXT_ARG(client));
    }
    assert_true(http_forwarded_trusts(text_of("10.1.1.1:80"), &ours, 1));
    assert_false(http_forwarded_trusts(text_of("192.0.2.7:80"), &ours, 1));
    assert_false(http_forwarded_trusts(text_of("unknown"), &ours, 1));
    assert_false(http_forwarded_trusts(text_of("10.1.1.1:80"), NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_network_holds_its_addresses_and_no_other),
        cmocka_unit_test(test_what_is_no_network_is_refused),
        cmocka_unit_test(test_an_address_may_have_its_port),
        cmocka_unit_test(test_the_client_is_the_last_that_is_no_proxy_of_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
