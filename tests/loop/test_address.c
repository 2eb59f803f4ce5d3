/* Addresses as people write them. */
#include "net/address.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

/* Bound to a free port; its address without that. The caller closes it. */
static int listen_at(const char *address, const char *bound) {
    struct string why = {0}, shown = {0};
    int fd = address_listen(text_of(address), &why);
    if (fd < 0)
        fail_msg("%s", why.data);
    address_format_bound(fd, &shown);
    assert_true(text_starts(string_text(&shown), bound));
    assert_true(atoi(strrchr(shown.data, ':') + 1) > 0);
    string_finish(&shown);
    return fd;
}

static void test_each_kind_of_address_is_listened_on(void **state) {
    (void)state;
    close(listen_at("127.0.0.1:0", "127.0.0.1:"));
    close(listen_at("0.0.0.0:0", "0.0.0.0:"));
    close(listen_at("[::1]:0", "[::1]:"));
    close(listen_at("localhost:0", ""));
}

static void test_what_is_bound_to_all_of_ipv6_takes_ipv4_too(void **state) {
    (void)state;
    int server = listen_at("[::]:0", "[::]:");
    struct sockaddr_in6 bound;
    socklen_t size = sizeof bound;
    getsockname(server, (struct sockaddr *)&bound, &size);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = bound.sin6_port,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof to), 0);
    struct sockaddr_storage from = {0};
    size = sizeof from;
    int accepted = accept(server, (struct sockaddr *)&from, &size);
    char text[ADDRESS_BYTES];
    address_format((struct sockaddr *)&from, text);
    assert_true(text_starts(text_of(text), "127.0.0.1:"));
    close(accepted);
    close(client);
    close(server);
}

static void test_what_is_no_address_is_told(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "127.0.0.1",
                                      ":80",
                                      "127.0.0.1:",
                                      "1.2.3.4:x",
                                      "1.2.3.4:65536",
                                      "1.2.3.4:-1",
                                      "::1:80",
                                      "[::1]",
                                      "[::1]80",
                                      "[]:80",
                                      "[::1:80",
                                      "no such.invalid:80"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct string why = {0};
        assert_int_equal(address_listen(text_of(bad[i]), &why), -1);
        assert_non_null(strstr(why.data, bad[i]));
        string_finish(&why);
    }
}

static void test_an_address_in_use_is_told(void **state) {
    (void)state;
    struct string address = {0}, why = {0};
    int fd = listen_at("127.0.0.1:0", "127.0.0.1:");
    address_format_bound(fd, &address);
    assert_int_equal(address_listen(string_text(&address), &why), -1);
    assert_non_null(strstr(why.data, address.data));
    assert_non_null(strstr(why.data, "in use"));
    string_finish(&address);
    string_finish(&why);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_address_is_listened_on),
        cmocka_unit_test(test_what_is_bound_to_all_of_ipv6_takes_ipv4_too),
        cmocka_unit_test(test_what_is_no_address_is_told),
        cmocka_unit_test(test_an_address_in_use_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
