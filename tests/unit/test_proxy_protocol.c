/* What a proxy says of the peer, in all its cuts. */
#include "net/proxy_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* After those, which it needs. */
#include <cmocka.h>

#include "net/address.h"

#define V2           "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(bytes) (bytes), sizeof(bytes) - 1

static const struct {
    const char *bytes;
    size_t size;
    const char *peer; /* NULL: broken; "": nobody is told */
} cases[] = {
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 4567 8443\r\n"), "192.0.2.7:4567"},
    {BYTES("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), "255.255.255.255:65535"},
    {BYTES("PROXY TCP6 2001:db8::7 ::1 4567 8443\r\n"), "[2001:db8::7]:4567"},
    {BYTES("PROXY UNKNOWN\r\n"), ""},
    {BYTES("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), ""},
    {BYTES(V2 "\x21\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\x11\xd7\x20\xfb"), "192.0.2.7:4567"},
    {BYTES(V2 "\x21\x12\0\x0c\xc0\0\2\7\xc0\0\2\1\x11\xd7\x20\xfb"), ""}, /* UDP */
    {BYTES(V2 "\x21\x11\0\x0f\xc0\0\2\7\xc0\0\2\1\x11\xd7\x20\xfb\4\0\0"), "192.0.2.7:4567"},
    {BYTES(V2 "\x21\x21\0\x24\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7"
              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\x11\xd7\x20\xfb"),
     "[2001:db8::7]:4567"},
    {BYTES(V2 "\x21\x11\0\4\xc0\0\2\7"), ""}, /* too short for what it says it is */
    {BYTES(V2 "\x20\0\0\0"), ""},
    {BYTES(V2 "\x20\x11\0\x0c\xc0\0\2\7\xc0\0\2\1\x11\xd7\x20\xfb"), ""},
    {BYTES("GET / HTTP/1.1\r\n"), NULL},
    {BYTES("\x16\x03\x01"), NULL},
    {BYTES("PROXY \r\n"), NULL},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 4567 8443\n"), NULL},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 4567\r\n"), NULL},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 4567 8443 \r\n"), NULL},
    {BYTES("PROXY TCP4 192.0.2.7 192.0.2.1 65536 8443\r\n"), NULL},
    {BYTES("PROXY TCP4 192.0.2.777 192.0.2.1 4567 8443\r\n"), NULL},
    {BYTES("PROXY TCP4 ::1 ::1 4567 8443\r\n"), NULL},
    {BYTES("PROXY TCP5 192.0.2.7 192.0.2.1 4567 8443\r\n"), NULL},
    {BYTES("PROXY TCP4 192.0.2.7\0 192.0.2.1 4567 8443\r\n"), NULL},
    {BYTES("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
           "xxxxxxxxxxxxxxxxxxxxxxxx"),
     NULL},
    {BYTES("\r\n\r\n\0\r\nQUIX"), NULL},
    {BYTES(V2 "\x11\x11\0\x0c"), NULL},
    {BYTES(V2 "\x22\x11\0\x0c"), NULL},
    {BYTES(V2 "\x21\x11\xff\xff"), NULL},
};

/* Feeds it in pieces; what comes behind is the client's. */
static enum proxy_protocol_verdict feed(struct proxy_protocol *proxy, struct text input,
                                        size_t size) {
    enum proxy_protocol_verdict verdict = PROXY_PROTOCOL_MORE;
    while (input.size && verdict == PROXY_PROTOCOL_MORE) {
        struct text piece = text_slice(input.data, size < input.size ? size : input.size);
        size_t given = piece.size;
        verdict = proxy_protocol_feed(proxy, &piece);
        input = text_slice(input.data + given - piece.size, input.size - given + piece.size);
    }
    if (verdict == PROXY_PROTOCOL_WHOLE)
        assert_int_equal(input.size, 3);
    return verdict;
}

static void assert_case(size_t i, size_t size) {
    struct proxy_protocol proxy = {0};
    struct string input = {0};
    string_add(&input, text_slice(cases[i].bytes, cases[i].size));
    if (cases[i].peer)
        string_add_of(&input, "GET");
    enum proxy_protocol_verdict verdict = feed(&proxy, string_text(&input), size);
    enum proxy_protocol_verdict expected =
        cases[i].peer ? PROXY_PROTOCOL_WHOLE : PROXY_PROTOCOL_BROKEN;
    if (verdict != expected)
        fail_msg("case %zu is %d", i, (int)verdict);
    if (cases[i].peer) {
        char peer[ADDRESS_BYTES];
        address_format((struct sockaddr *)&proxy.source, peer);
        assert_string_equal(peer, *cases[i].peer ? cases[i].peer : "unknown");
    }
    string_finish(&input);
}

static void test_what_a_proxy_says_is_the_same_however_it_is_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t size = 1; size <= cases[i].size + 3; size++)
            assert_case(i, size);
}

static void test_a_long_header_is_passed_over(void **state) {
    (void)state;
    struct string input = {0};
    string_add(&input,
               text_slice(BYTES(V2 "\x21\x11\x0f\xf0\xc0\0\2\7\xc0\0\2\1\x11\xd7\x20\xfb")));
    while (input.size < PROXY_PROTOCOL_MOST)
        string_add_char(&input, 'x');
    string_add_of(&input, "GET");
    struct proxy_protocol proxy = {0};
    assert_int_equal(feed(&proxy, string_text(&input), 100), PROXY_PROTOCOL_WHOLE);
    assert_int_equal(proxy.source.ss_family, AF_INET);
    string_finish(&input);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_proxy_says_is_the_same_however_it_is_cut),
        cmocka_unit_test(test_a_long_header_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
