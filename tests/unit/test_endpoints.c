/* Which endpoint a path means, and what each endpoint's policy makes of a
 * signature; and how much admission lets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "serve/admission.h"
#include "serve/endpoints.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct config config_of_two(void) {
    static char new_secret[] = "new", old_secret[] = "old";
    static char names[2][8] = {"kula", "other"};
    static char paths[2][24] = {"/webhooks/kula", "/webhooks/kula2"};
    static struct secret secrets[] = {{(unsigned char *)new_secret, 3},
                                      {(unsigned char *)old_secret, 3}};
    static struct config_endpoint endpoints[] = {
        {.name = names[0], .path = paths[0], .secrets = secrets, .secret_file_count = 2},
        {.name = names[1], .path = paths[1], .secrets = secrets, .secret_file_count = 1},
    };
    return (struct config){.endpoints = endpoints, .endpoint_count = 2};
}

static void test_a_path_has_to_be_the_same_to_the_byte(void **state) {
    static const struct {
        const char *path;
        const char *endpoint; /* NULL: none */
    } cases[] = {
        {"/webhooks/kula", "kula"},
        {"/webhooks/kula2", "other"},
        {"/webhooks/kula/", NULL},
        {"/webhooks/kul", NULL},
        {"/webhooks/kula3", NULL},
        {"/Webhooks/kula", NULL},
        {"//webhooks/kula", NULL},
        {"/webhooks/%6bula", NULL},
        {"/", NULL},
        {"", NULL},
        {"webhooks/kula", NULL},
        {"/webhooks/./kula", NULL},
    };
    struct config config = config_of_two();
    struct endpoints *endpoints = endpoints_create(&config);
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct endpoint *found = endpoints_find(endpoints, text_of(cases[i].path));
        if (cases[i].endpoint) {
            assert_non_null(found);
            assert_string_equal(found->config->name, cases[i].endpoint);
        } else {
            assert_null(found);
        }
    }
    endpoints_destroy(endpoints);
}

static void test_an_endpoint_has_a_key_for_each_secret(void **state) {
    struct config config = config_of_two();
    struct endpoints *endpoints = endpoints_create(&config);
    (void)state;
    assert_int_equal(endpoints_find(endpoints, text_of("/webhooks/kula"))->key_count, 2);
    assert_int_equal(endpoints_find(endpoints, text_of("/webhooks/kula2"))->key_count, 1);
    endpoints_destroy(endpoints);
}

static void test_policy_decides_what_comes_in(void **state) {
    enum { MINUTE = 60000, WINDOW = 10 * MINUTE, IN = ANSWERS };
    static const struct {
        enum config_stale stale;
        enum config_unmatched unmatched;
        enum signature_verdict verdict;
        int answer; /* IN: it comes in */
        int64_t apart_ms;
    } cases[] = {
        {CONFIG_STALE_REJECT, CONFIG_UNMATCHED_REJECT, SIGNATURE_GOOD, IN, 0},
        {CONFIG_STALE_RETRY, CONFIG_UNMATCHED_RETRY, SIGNATURE_GOOD, IN, 0},
        {CONFIG_STALE_ACCEPT, CONFIG_UNMATCHED_REJECT, SIGNATURE_STALE, IN, WINDOW - 1},
        {CONFIG_STALE_ACCEPT, CONFIG_UNMATCHED_REJECT, SIGNATURE_STALE, ANSWER_STALE_RETRY, WINDOW},
        {CONFIG_STALE_ACCEPT, CONFIG_UNMATCHED_REJECT, SIGNATURE_STALE, ANSWER_STALE_RETRY,
         INT64_MAX},
        {CONFIG_STALE_RETRY, CONFIG_UNMATCHED_REJECT, SIGNATURE_STALE, ANSWER_STALE_RETRY, 1},
        {CONFIG_STALE_RETRY, CONFIG_UNMATCHED_REJECT, SIGNATURE_STALE, ANSWER_STALE_RETRY, WINDOW},
        {CONFIG_STALE_REJECT, CONFIG_UNMATCHED_REJECT, SIGNATURE_STALE, ANSWER_STALE, 1},
        {CONFIG_STALE_REJECT, CONFIG_UNMATCHED_REJECT, SIGNATURE_STALE, ANSWER_STALE, WINDOW},
        {CONFIG_STALE_ACCEPT, CONFIG_UNMATCHED_REJECT, SIGNATURE_UNMATCHED,
         ANSWER_SIGNATURE_UNMATCHED, 0},
        {CONFIG_STALE_ACCEPT, CONFIG_UNMATCHED_RETRY, SIGNATURE_UNMATCHED,
         ANSWER_SIGNATURE_UNMATCHED_RETRY, 0},
        {CONFIG_STALE_ACCEPT, CONFIG_UNMATCHED_PEN, SIGNATURE_UNMATCHED,
         ANSWER_SIGNATURE_UNMATCHED_PENNED, 0},
        {CONFIG_STALE_ACCEPT, CONFIG_UNMATCHED_PEN, SIGNATURE_MALFORMED, ANSWER_SIGNATURE_MALFORMED,
         0},
        {CONFIG_STALE_RETRY, CONFIG_UNMATCHED_RETRY, SIGNATURE_MALFORMED,
         ANSWER_SIGNATURE_MALFORMED, 0},
        {CONFIG_STALE_RETRY, CONFIG_UNMATCHED_RETRY, SIGNATURE_MISSING, ANSWER_SIGNATURE_MISSING,
         0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct config_endpoint config = {.stale = cases[i].stale, .unmatched = cases[i].unmatched};
        struct endpoint endpoint = {.config = &config, .window_ms = WINDOW};
        enum answer refusal = ANSWERS;
        bool in = endpoints_trust(&endpoint, cases[i].verdict, cases[i].apart_ms, &refusal);
        assert_int_equal(in, cases[i].answer == IN);
        if (!in)
            assert_int_equal(refusal, cases[i].answer);
    }
}

static void test_bytes_in_flight_are_bounded(void **state) {
    static const struct admission admission = {.body_bytes = 100, .bytes_in_flight = 250};
    static const struct {
        size_t held_bytes;
        struct http_head head;
        bool allowed;
    } cases[] = {
        {0, {.has_length = true, .body_bytes = 100}, true},
        {150, {.has_length = true, .body_bytes = 100}, true},
        {151, {.has_length = true, .body_bytes = 100}, false},
        {151, {.has_length = true, .body_bytes = 99}, true},
        {150, {.has_length = false}, true}, /* chunked: the longest */
        {151, {.has_length = false}, false},
        {250, {.has_length = true, .body_bytes = 1}, false},
        {300, {.has_length = true, .body_bytes = 1}, false},
        {300, {.has_length = true, .body_bytes = 0}, true},
        {1, {.has_length = true, .body_bytes = UINT64_MAX}, false},
        {0, {.has_length = true, .body_bytes = 1000}, true}, /* one alone */
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(admission_allows(&admission, cases[i].held_bytes, &cases[i].head),
                         cases[i].allowed);
}

static void test_long_bodies_leave_each_connection_a_share_for_a_short_one(void **state) {
    static const struct admission admission = {
        .body_bytes = 100, .bytes_in_flight = 250, .connections = 10};
    static const struct {
        size_t held_bytes;
        struct http_head head;
        bool allowed;
    } cases[] = {
        {250, {.has_length = true, .body_bytes = 25}, true},
        {250, {.has_length = true, .body_bytes = 26}, false},
        {400, {.has_length = true, .body_bytes = 25}, true}, /* the shares of others are taken */
        {400, {.has_length = true, .body_bytes = 26}, false},
        {500, {.has_length = true, .body_bytes = 25}, true},
        {501, {.has_length = true, .body_bytes = 25}, false}, /* some have no connection any more */
        {250, {.has_length = false}, false},                  /* chunked: the longest */
        {224, {.has_length = true, .body_bytes = 26}, true},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(admission_allows(&admission, cases[i].held_bytes, &cases[i].head),
                         cases[i].allowed);
}

static void test_there_are_no_shares_where_connections_are_not_limited(void **state) {
    static const struct admission admission = {.body_bytes = 100, .bytes_in_flight = 250};
    (void)state;
    assert_false(admission_allows(&admission, 250,
                                  &(struct http_head){.has_length = true, .body_bytes = 1}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_has_to_be_the_same_to_the_byte),
        cmocka_unit_test(test_an_endpoint_has_a_key_for_each_secret),
        cmocka_unit_test(test_policy_decides_what_comes_in),
        cmocka_unit_test(test_bytes_in_flight_are_bounded),
        cmocka_unit_test(test_long_bodies_leave_each_connection_a_share_for_a_short_one),
        cmocka_unit_test(test_there_are_no_shares_where_connections_are_not_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
