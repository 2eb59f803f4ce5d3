/* Addresses as people write them. */
#include "net/address.h"

#include <netinet/in.h>
#include <poll.h>
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
    assert_non_null(strstr(why.data, "in use; another program has it; `ss -ltnp` shows which"));
    string_finish(&address);
    string_finish(&why);
    close(fd);
}

static void test_two_may_listen_beside_each_other(void **state) {
    (void)state;
    struct string address = {0}, why = {0};
    int first = address_listen_beside(text_of("127.0.0.1:0"), &why);
    address_format_bound(first, &address);
    int second = address_listen_beside(string_text(&address), &why);
    assert_true(first >= 0 && second >= 0);
    assert_int_equal(address_listen(string_text(&address), &why), -1); /* but none for itself */
    string_finish(&address);
    string_finish(&why);
    close(first);
    close(second);
}

static int connect_to(int listener) {
    struct sockaddr_in to;
    socklen_t size = sizeof to;
    getsockname(listener, (struct sockaddr *)&to, &size);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&to, size), -1);
    return client;
}

static int accept_all(int listener) {
    int count = 0;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; count++)
        close(fd);
    return count;
}

static void test_who_comes_to_one_that_hides_gets_to_the_other_and_nobody_is_reset(void **state) {
    (void)state;
    enum { EARLY = 16, LATE = 16 };
    int clients[EARLY + LATE];
    struct string address = {0}, why = {0};
    int hiding = address_listen_beside(text_of("127.0.0.1:0"), &why);
    address_format_bound(hiding, &address);
    for (int i = 0; i < EARLY; i++)
        clients[i] = connect_to(hiding);
    int staying = address_listen_beside(string_text(&address), &why);
    address_hide(hiding);
    for (int i = EARLY; i < EARLY + LATE; i++)
        clients[i] = connect_to(hiding);
    assert_int_equal(accept_all(hiding), EARLY);
    close(hiding);
    for (int i = 0; i < EARLY + LATE; i++) {
        struct pollfd done = {clients[i], POLLOUT, 0};
        int error = 0;
        socklen_t size = sizeof error;
        assert_int_equal(poll(&done, 1, 10000), 1);
        getsockopt(clients[i], SOL_SOCKET, SO_ERROR, &error, &size);
        assert_int_equal(error, 0);
        close(clients[i]);
    }
    assert_int_equal(accept_all(staying), LATE);
    close(staying);
    string_finish(&address);
    string_finish(&why);
}

static void test_where_a_socket_is_bound_is_known_by_each_way_to_write_it(void **state) {
    (void)state;
    struct string why = {0}, address = {0}, by_name = {0};
    int fd = address_listen(text_of("127.0.0.1:0"), &why);
    address_format_bound(fd, &address);
    string_addf(&by_name, "localhost%s", strchr(address.data, ':'));
    assert_true(address_is_bound(string_text(&address), fd));
    assert_true(address_is_bound(string_text(&by_name), fd));
    static const char *const others[] = {"127.0.0.1:1", "nonsense", ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(address_is_bound(text_of(others[i]), fd));
    close(fd);
    string_finish(&why);
    string_finish(&address);
    string_finish(&by_name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_kind_of_address_is_listened_on),
        cmocka_unit_test(test_what_is_bound_to_all_of_ipv6_takes_ipv4_too),
        cmocka_unit_test(test_what_is_no_address_is_told),
        cmocka_unit_test(test_an_address_in_use_is_told),
        cmocka_unit_test(test_two_may_listen_beside_each_other),
        cmocka_unit_test(test_who_comes_to_one_that_hides_gets_to_the_other_and_nobody_is_reset),
        cmocka_unit_test(test_where_a_socket_is_bound_is_known_by_each_way_to_write_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
