/* Which addresses nobody means when he names a service, and which name no place. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

#include "net/address.h"

static bool is_guarded(const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return address_is_guarded((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return address_is_guarded((const struct sockaddr *)&v6);
}

static void test_link_local_and_metadata_addresses_are_guarded_and_no_others(void **state) {
    static const char *const guarded[] = {
        "169.254.0.0",
        "169.254.169.254",
        "169.254.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fe80::1",
        "febf:ffff::1",
        "fd00:ec2::254",
        "fd00:ec2:0:1::",
        "fd20:ce::254",
        "fd00:42::42",
        "::ffff:169.254.1.1",
        "::ffff:100.100.100.200",
        "64:ff9b::169.254.169.254",
    };
    static const char *const open[] = {
        "169.253.255.255",
        "169.255.0.0",
        "127.0.0.1",
        "10.0.0.1",
        "0.0.0.0",
        "192.168.0.1",
        "100.100.100.201",
        "168.63.129.17",
        "::1",
        "::",
        "fe7f::1",
        "fec0::1",
        "fd00:ec1::1",
        "fd20:ce::253",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9c::169.254.169.254",
    };
    (void)state;
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        if (!is_guarded(guarded[i]))
            fail_msg("%s is open", guarded[i]);
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (is_guarded(open[i]))
            fail_msg("%s is guarded", open[i]);
}

static void test_a_unix_socket_is_not_guarded(void **state) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)state;
    memset(address.sun_path, 0xfe, sizeof address.sun_path);
    assert_false(address_is_guarded((const struct sockaddr *)&address));
}

static void test_port_0_is_anywhere(void **state) {
    static const struct {
        const char *address;
        bool anywhere;
    } cases[] = {
        {"127.0.0.1:0", true},     {"[::1]:0", true},     {"localhost:00", true},
        {"127.0.0.1:9464", false}, {"[::]:10", false},    {"127.0.0.1", false},
        {"::1:0", false},          {"127.0.0.1:", false}, {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(address_is_anywhere(text_of(cases[i].address)), cases[i].anywhere);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_local_and_metadata_addresses_are_guarded_and_no_others),
        cmocka_unit_test(test_a_unix_socket_is_not_guarded),
        cmocka_unit_test(test_port_0_is_anywhere),
    };
    return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
