/* What a penned delivery is by the secrets of today: Kula's own ping, signed on 2025-01-15
 * (the vector was computed by another tool), and what makes it stay in the pen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pen/judge.h"

enum { MINUTE = 60000, DAY = 86400000 };

static const int64_t T_MS = INT64_C(1736937000000);

#define V1 "b65129c1cc468b2f1d051469267116ff06caa6b0e5f96a86bdc71adbe87dfa56"

/* Signed over what JSON.stringify(JSON.parse(body)) makes of it. */
#define V1_JAVASCRIPT "5ffdcb23dca0acd0f591472f562bc90f9dc7f10eb72cbceabc0d9180a2fedd01"

static const char rails[] =
    "{\"event\":\"job.updated\",\"event_id\":\"evt_b\",\"created_at\":\"2025-01-15T10:30:00Z\","
    "\"account_id\":12345,\"data\":{\"description\":"
    "\"\\u003cp\\u003eR\\u0026D\\u003c/p\\u003e\",\"salary\":120000.0}}";

static const char ping[] =
    "{\"event\":\"ping\",\"event_id\":\"evt_test_abc123\",\"created_at\":\"2025-01-15T10:30:00Z\","
    "\"account_id\":12345,\"data\":{\"message\":\"Webhook test\"}}";

static char name[] = "kula", account[] = "12345", other_account[] = "777";
static unsigned char good[] = "whsec_test_0123456789abcdef", bad[] = "whsec_other";
static struct secret both[] = {{bad, sizeof bad - 1}, {good, sizeof good - 1}};
static char *ours[] = {account}, *others[] = {other_account};

/* In the steps that are asked for. */
static struct ruling rule_in_steps(const struct config_endpoint *endpoint,
                                   const struct pen_entry *entry, size_t step) {
    struct config_endpoint copy = *endpoint;
    struct config config = {.endpoints = &copy, .endpoint_count = 1, .dedup_window_ms = 7 * DAY};
    struct judge *judge = judge_create(&config);
    struct hearing *hearing = judge_hear(judge, entry);
    struct ruling ruling;
    while (!judge_heard(hearing))
        assert_in_range(judge_go_on(hearing, step), 1, step);
    judge_rule(hearing, &ruling);
    judge_dismiss(hearing);
    judge_destroy(judge);
    return ruling;
}

static struct pen_entry entry_of(const char *endpoint, const char *signature, const char *body,
                                 int64_t received_ms) {
    return (struct pen_entry){.pen_id = text_of("1-1"),
                              .endpoint = text_of(endpoint),
                              .reason = text_of("unmatched"),
                              .signature = text_of(signature),
                              .body = text_of(body),
                              .received_ms = received_ms};
}

static const struct config_endpoint plain = {
    .name = name, .secrets = both, .secret_file_count = 2, .tolerance_ms = 5 * MINUTE};

static void test_what_todays_secret_proves_is_an_event(void **state) {
    struct pen_entry entry = entry_of("kula", "t=1736937000,v1=" V1, ping, T_MS + 1000);
    (void)state;
    for (size_t step = 1; step < 200; step += 33) {
        struct ruling ruling = rule_in_steps(&plain, &entry, step);
        assert_null(ruling.stays);
        assert_string_equal(ruling.envelope.id, "evt_test_abc123");
        assert_string_equal(ruling.envelope.type, "ping");
        assert_int_equal(ruling.window_ms, 7 * DAY);
    }
}

static void test_it_is_remembered_for_longer_where_it_came_from_the_future(void **state) {
    struct pen_entry entry = entry_of("kula", "t=1736937000,v1=" V1, ping, T_MS - MINUTE);
    (void)state;
    assert_int_equal(rule_in_steps(&plain, &entry, 4096).window_ms, 7 * DAY + MINUTE);
}

static void test_what_does_not_pass_stays_and_it_is_told_why(void **state) {
    struct config_endpoint reject = plain, only_ours = plain, only_others = plain, bare = plain,
                           either = plain;
    either.signed_body = CONFIG_SIGNED_BODY_RAW_OR_CANONICAL;
    reject.stale = CONFIG_STALE_REJECT;
    only_ours.accounts = ours;
    only_others.accounts = others;
    only_ours.account_count = only_others.account_count = 1;
    bare.secret_file_count = 1;
    const struct {
        const struct config_endpoint *endpoint;
        const char *named, *signature, *body;
        int64_t after_ms;
        const char *stays; /* NULL: it is released */
    } cases[] = {
        {&plain, "kula", "t=1736937000,v1=" V1, ping, 0, NULL},
        {&plain, "kula", "v1=" V1 ", t=1736937000", ping, 0, NULL},
        {&only_ours, "kula", "t=1736937000,v1=" V1, ping, 0, NULL},
        {&only_others, "kula", "t=1736937000,v1=" V1, ping, 0, "other_account"},
        {&bare, "kula", "t=1736937000,v1=" V1, ping, 0, "unmatched"},
        {&plain, "gone", "t=1736937000,v1=" V1, ping, 0, "no_endpoint"},
        {&plain, "kula", "t=1736937001,v1=" V1, ping, 0, "unmatched"},
        {&plain, "kula", "t=1736937000,v1=" V1, "{}", 0, "unmatched"},
        {&plain, "kula", "t=1736937000,v1=" V1, "", 0, "unmatched"},
        {&plain, "kula", "", ping, 0, "missing"},
        {&plain, "kula", "hello", ping, 0, "malformed"},
        {&plain, "kula", "t=1736937000,v1=" V1_JAVASCRIPT, rails, 0, "unmatched"},
        {&either, "kula", "t=1736937000,v1=" V1_JAVASCRIPT, rails, 0, NULL},
        {&either, "kula", "t=1736937000,v1=" V1, ping, 0, NULL},
        {&either, "kula", "t=1736937000,v1=" V1, rails, 0, "unmatched"},
        /* By the time of receipt, not by ours, which is years later. */
        {&reject, "kula", "t=1736937000,v1=" V1, ping, 5 * MINUTE, NULL},
        {&reject, "kula", "t=1736937000,v1=" V1, ping, 6 * MINUTE, "stale"},
        {&plain, "kula", "t=1736937000,v1=" V1, ping, 6 * MINUTE, NULL},
        {&plain, "kula", "t=1736937000,v1=" V1, ping, 7 * (int64_t)DAY, "stale"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pen_entry entry =
            entry_of(cases[i].named, cases[i].signature, cases[i].body, T_MS + cases[i].after_ms);
        struct ruling ruling = rule_in_steps(cases[i].endpoint, &entry, 4096);
        if (cases[i].stays)
            assert_string_equal(ruling.stays, cases[i].stays);
        else
            assert_null(ruling.stays);
    }
}

/* Vector D: nothing, signed. */
static void test_what_cannot_be_read_stays_however_authentic_it_is(void **state) {
    struct pen_entry entry = entry_of(
        "kula", "t=1736937000,v1=29cb0627e98ca2f96b7113e66c328baf3fd558debb81b6adf2629efa92f02e3a",
        "", T_MS);
    (void)state;
    assert_string_equal(rule_in_steps(&plain, &entry, 1).stays, "not_json");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_todays_secret_proves_is_an_event),
        cmocka_unit_test(test_it_is_remembered_for_longer_where_it_came_from_the_future),
        cmocka_unit_test(test_what_does_not_pass_stays_and_it_is_told_why),
        cmocka_unit_test(test_what_cannot_be_read_stays_however_authentic_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
