/* The pages for machines that watch us. */
#include "net/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "http_house.h"
#include "net/address.h"

static struct admin *admin;
static struct metrics *metrics;
static int port;
static bool ready;
static const struct metric_family scrapes = {
    "kula_relay_scrapes_total", METRIC_COUNTER, "Looks.", {NULL}};

static void on_scrape(void *arg) {
    (void)arg;
    metric_add(metrics_series(metrics, &scrapes, NULL, NULL), 1);
}

static bool on_ready(void *arg, struct string *json) {
    (void)arg;
    string_add_of(json, ready ? "{\"status\":\"ready\"}" : "{\"status\":\"draining\"}");
    return ready;
}

static bool on_health(void *arg, struct string *json) {
    (void)arg;
    string_add_of(json, "{\"status\":\"healthy\"}");
    return true;
}

/* A port that was free a moment ago: admin only logs the one that it takes. */
static int free_port(void) {
    struct string why = {0}, address = {0};
    int fd = address_listen(text_of("127.0.0.1:0"), &why);
    address_format_bound(fd, &address);
    int number = atoi(strrchr(address.data, ':') + 1);
    string_finish(&address);
    close(fd);
    return number;
}

static int set_up(void **state) {
    struct string why = {0};
    char address[32];
    (void)state;
    house_open();
    metrics = metrics_create();
    ready = true;
    port = free_port();
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    struct admin_options options = {.address = address,
                                    .metrics = metrics,
                                    .on_scrape = on_scrape,
                                    .on_ready = on_ready,
                                    .on_health = on_health};
    admin = admin_start(house_loop, &options, &why);
    assert_non_null(admin);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    admin_stop(admin);
    metrics_destroy(metrics);
    house_close();
    return 0;
}

static struct answer ask(const char *method, const char *path) {
    struct peer *peer = peer_connect(port, NULL);
    char request[128];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", method, path);
    peer_send(peer, request);
    struct answer answer = peer_answer(peer, strcmp(method, "HEAD") != 0);
    peer_hang_up(&peer);
    return answer;
}

static void test_health_and_readiness_are_told_in_json(void **state) {
    (void)state;
    struct answer answer = ask("GET", "/healthz?verbose");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body.data, "{\"status\":\"healthy\"}\n");
    answer_finish(&answer);
    answer = ask("GET", "/readyz");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body.data, "{\"status\":\"ready\"}\n");
    assert_non_null(strstr(answer.head.data, "Content-Type: application/json\r\n"));
    answer_finish(&answer);
    ready = false;
    answer = ask("GET", "/readyz");
    assert_int_equal(answer.status, 503);
    assert_string_equal(answer.body.data, "{\"status\":\"draining\"}\n");
    answer_finish(&answer);
}

static void test_gauges_are_set_before_metrics_are_shown(void **state) {
    (void)state;
    for (int i = 1; i <= 2; i++) {
        char line[64];
        struct answer answer = ask("GET", "/metrics");
        snprintf(line, sizeof line, "\nkula_relay_scrapes_total %d\n", i);
        assert_int_equal(answer.status, 200);
        assert_non_null(strstr(answer.body.data, line));
        assert_non_null(strstr(answer.head.data, "Content-Type: text/plain; version=0.0.4"));
        answer_finish(&answer);
    }
}

static void test_head_is_answered_without_a_body(void **state) {
    (void)state;
    struct answer answer = ask("HEAD", "/readyz");
    assert_int_equal(answer.status, 200);
    assert_non_null(strstr(answer.head.data, "Content-Length: 19\r\n"));
    answer_finish(&answer);
}

static void test_other_paths_and_methods_are_refused(void **state) {
    (void)state;
    struct answer answer = ask("GET", "/");
    assert_int_equal(answer.status, 404);
    answer_finish(&answer);
    answer = ask("GET", "/metrics/");
    assert_int_equal(answer.status, 404);
    answer_finish(&answer);
    answer = ask("POST", "/metrics");
    assert_int_equal(answer.status, 405);
    assert_non_null(strstr(answer.head.data, "Allow: GET, HEAD\r\n"));
    answer_finish(&answer);
    answer = ask("GET", "nonsense");
    assert_int_equal(answer.status, 400);
    answer_finish(&answer);
}

static void test_an_address_in_use_is_told(void **state) {
    struct string why = {0};
    char address[32];
    (void)state;
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    struct admin_options options = {.address = address};
    assert_null(admin_start(house_loop, &options, &why));
    assert_non_null(strstr(why.data, address));
    string_finish(&why);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_health_and_readiness_are_told_in_json),
        TEST(test_gauges_are_set_before_metrics_are_shown),
        TEST(test_head_is_answered_without_a_body),
        TEST(test_other_paths_and_methods_are_refused),
        TEST(test_an_address_in_use_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
