/* The proof of a delivery, with its body in pieces. */
#include "serve/proof.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "kula/stamp.h"
#include "net/address.h"

enum { T_S = 1700000000, BODY = 50000, PIECE = 7001, TICK_MS = 2, PATIENCE_MS = 60000 };

static struct loop *loop;
static struct loop_timer *tick; /* so that a turn of the loop is never long */
static struct http_server *server;
static struct sockaddr_in address;
static struct proof_list proofs;
static const struct endpoint *at_head;
static const struct endpoints *whose;
static enum signature_verdict verdict;
static struct proof_finding found;
static bool judged;

static bool on_head(void *arg, const struct http_head *head, struct http_answer *refusal) {
    (void)arg;
    (void)refusal;
    proof_begin(&proofs, head->exchange, at_head);
    return true;
}

static void on_body(void *arg, struct http_exchange *exchange, struct text piece) {
    (void)arg;
    proof_feed(exchange, piece);
}

static void on_request(void *arg, struct http_exchange *exchange) {
    (void)arg;
    assert_ptr_equal(proof_endpoint(exchange), at_head);
    assert_true(proof_any_of(&proofs, whose));
    verdict = proof_end(exchange, (int64_t)(T_S - 2) * 1000, &found);
    assert_int_equal(found.ahead_ms, verdict == SIGNATURE_MISSING ? 0 : 2000);
    judged = true;
    http_exchange_answer(&exchange, &(struct http_answer){.status = 200});
}

static void on_fault(void *arg, const struct http_exchange *exchange, enum http_fault fault,
                     struct text peer, struct http_answer *answer) {
    (void)exchange;
    (void)arg;
    (void)fault;
    (void)peer;
    answer->status = 400;
}

static void on_tick(void *arg) {
    (void)arg;
    loop_timer_set(tick, TICK_MS);
}

static int set_up(void **state) {
    static const struct http_handler handler = {
        .on_head = on_head, .on_body = on_body, .on_request = on_request, .on_fault = on_fault};
    struct string why = {0};
    socklen_t size = sizeof address;
    (void)state;
    loop = loop_create();
    tick = loop_timer_create(loop, on_tick, NULL);
    loop_timer_set(tick, TICK_MS);
    server = http_server_create(loop, &handler, &(struct http_limits){.body_bytes = BODY});
    int descriptor = address_listen(text_of("127.0.0.1:0"), &why);
    assert_true(descriptor >= 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&address, &size), 0);
    http_server_listen(server, descriptor, NULL);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    http_server_destroy(server);
    loop_timer_destroy(tick);
    loop_destroy(loop);
    return 0;
}

/* Endpoints of one, with these secrets. */
static struct endpoints *endpoints_with(const char *const *secrets, size_t count) {
    static char name[] = "kula", path[] = "/";
    static struct secret copies[2];
    static struct config_endpoint one = {.name = name, .path = path, .tolerance_ms = 300000};
    static struct config config = {.endpoints = &one, .endpoint_count = 1};
    static unsigned char bytes[2][16];
    for (size_t i = 0; i < count; i++) {
        copies[i] = (struct secret){bytes[i], strlen(secrets[i])};
        memcpy(bytes[i], secrets[i], copies[i].size);
    }
    one.secrets = copies;
    one.secret_file_count = count;
    return endpoints_create(&config);
}

/* In pieces, each of which the server sees alone. */
static void deliver(struct text message) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    judged = false;
    while (!judged && clock_steady_ms() < until_ms) {
        size_t size = message.size < PIECE ? message.size : PIECE;
        ssize_t sent = send(fd, message.data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent > 0)
            message = text_slice(message.data + sent, message.size - (size_t)sent);
        loop_turn(loop);
    }
    assert_true(judged);
    close(fd);
}

/* Sends a long body signed with `secret` (NULL: not at all), and has it judged. */
static void send_signed(const char *secret) {
    struct string body = {0}, request = {0};
    struct string stamp = {0};
    while (body.size < BODY)
        string_add_char(&body, 'x');
    string_addf(&request, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n", BODY);
    if (secret) {
        unsigned char bytes[16];
        memcpy(bytes, secret, strlen(secret));
        struct hmac *key = hmac_create(&(struct secret){bytes, strlen(secret)});
        stamp_kula((struct stamp_keys){&key, 1}, T_S, string_text(&body), &stamp);
        string_addf(&request, "%s: %s\r\n", proof_header, stamp.data);
        string_finish(&stamp);
        hmac_destroy(key);
    }
    string_add_of(&request, "\r\n");
    string_add(&request, string_text(&body));
    deliver(string_text(&request));
    string_finish(&body);
    string_finish(&request);
}

static void test_each_secret_proves_and_no_other(void **state) {
    static const char *const secrets[] = {"new", "old"};
    (void)state;
    struct endpoints *endpoints = endpoints_with(secrets, 2);
    whose = endpoints;
    at_head = endpoints_find(endpoints, text_of("/"));
    send_signed("new");
    assert_int_equal(verdict, SIGNATURE_GOOD);
    assert_int_equal(found.matched, 0);
    send_signed("old");
    assert_int_equal(verdict, SIGNATURE_GOOD);
    assert_int_equal(found.matched, 1);
    send_signed("another");
    assert_int_equal(verdict, SIGNATURE_UNMATCHED);
    send_signed(NULL);
    assert_int_equal(verdict, SIGNATURE_MISSING);
    endpoints_destroy(endpoints);
}

/* Until then the endpoint has to stay. */
static void test_a_proof_ends_with_its_exchange(void **state) {
    static const char *const secrets[] = {"new"};
    (void)state;
    struct endpoints *endpoints = endpoints_with(secrets, 1);
    whose = endpoints;
    at_head = endpoints_find(endpoints, text_of("/"));
    send_signed("new");
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    while (proof_any_of(&proofs, endpoints) && clock_steady_ms() < until_ms)
        loop_turn(loop);
    assert_false(proof_any_of(&proofs, endpoints));
    endpoints_destroy(endpoints);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_secret_proves_and_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_proof_ends_with_its_exchange, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
