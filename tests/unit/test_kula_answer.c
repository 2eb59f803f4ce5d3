/* What Kula's API answers, in each of the forms that its documents and its own client show. */
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "kula_api/kula_answer.h"
#include "kula_api/kula_refusal.h"

static const struct kula_question ask_webhooks = {
    .shape = KULA_WEBHOOKS, .page = 1, .page_size = 2};

static struct kula_answer *read_body(const struct kula_question *question, const char *body) {
    struct kula_answer *answer = memory_new(sizeof *answer);
    if (!kula_answer_read(answer, question, text_of(body)))
        fail_msg("nothing found in %s", body);
    return answer;
}

static void assert_text(struct text text, const char *expected) {
    if (!text_is(text, expected))
        fail_msg("\"%.*s\" is not \"%s\"", TEXT_ARG(text), expected);
}

static void test_a_webhook_is_read_in_every_spelling(void **state) {
    static const char *const bodies[] = {
        "{\"id\":\"7\",\"url\":\"https://a/\",\"name\":\"n\",\"state\":\"disabled\","
        "\"events\":[\"job.created\",\"offer.created\"],\"secret\":\"s\"}",
        "{\"data\":{\"id\":7,\"url\":\"https://a/\",\"name\":\"n\",\"status\":\"disabled\","
        "\"subscribed_events\":[\"job.created\",\"offer.created\"],\"secret\":\"s\"},"
        "\"meta\":{\"request_id\":\"r\"}}",
        "{\"webhook\":{\"id\":7,\"url\":\"https://a/\",\"name\":\"n\",\"enabled\":false,"
        "\"subscribed_events\":[{\"event\":\"job.created\"},{\"event\":\"offer.created\"}],"
        "\"secret\":\"s\"}}",
    };
    const struct kula_question question = {.shape = KULA_WEBHOOK};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct kula_answer *answer = read_body(&question, bodies[i]);
        const struct kula_webhook *webhook = answer->webhooks;
        assert_text(webhook->id, "7");
        assert_text(webhook->url, "https://a/");
        assert_text(webhook->name, "n");
        assert_int_equal(webhook->state, KULA_STATE_DISABLED);
        assert_true(webhook->events_told);
        assert_int_equal(webhook->spelling, i ? KULA_SUBSCRIBED_EVENTS : KULA_EVENTS);
        assert_int_equal(webhook->event_count, 2);
        assert_text(webhook->events[1], "offer.created");
        assert_text(string_text(&answer->secret), "s");
        kula_answer_destroy(answer);
    }
}

static void test_a_state_is_known_by_its_word_or_by_a_flag_and_else_told_as_it_came(void **state) {
    static const struct {
        const char *body;
        enum kula_state state;
        const char *told;
    } cases[] = {
        {"{\"id\":1,\"state\":\"active\"}", KULA_STATE_ACTIVE, "active"},
        {"{\"id\":1,\"status\":\"inactive\"}", KULA_STATE_DISABLED, "inactive"},
        {"{\"id\":1,\"state\":\"auto_disabled\",\"enabled\":false}", KULA_STATE_DISABLED,
         "auto_disabled"},
        {"{\"id\":1,\"state\":\"auto_disabled\"}", KULA_STATE_UNKNOWN, "auto_disabled"},
        {"{\"id\":1,\"state\":7}", KULA_STATE_UNKNOWN, "7"},
        {"{\"id\":1,\"state\":null}", KULA_STATE_UNKNOWN, ""},
        {"{\"id\":1}", KULA_STATE_UNKNOWN, ""},
    };
    const struct kula_question question = {.shape = KULA_WEBHOOK};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kula_answer *answer = read_body(&question, cases[i].body);
        assert_int_equal(answer->webhooks->state, cases[i].state);
        assert_text(answer->webhooks->state_told, cases[i].told);
        kula_answer_destroy(answer);
    }
}

static void test_a_list_is_found_in_every_envelope_and_says_whether_it_goes_on(void **state) {
    static const struct {
        const char *body;
        size_t count;
        bool more;
    } cases[] = {
        {"{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"meta\":{\"total\":5,\"page\":1,\"limit\":2,"
         "\"total_pages\":3}}",
         2, true},
        {"{\"data\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"meta\":{\"total_pages\":1}}", 2, false},
        {"{\"webhooks\":[{\"id\":\"a\"}],\"pagination\":{\"page\":1,\"total_pages\":2}}", 1, true},
        {"[{\"id\":\"a\"},{\"id\":\"b\"}]", 2, true}, /* full, and nobody says how many there are */
        {"[{\"id\":\"a\"}]", 1, false},
        {"{\"data\":{\"webhooks\":[{\"id\":\"a\"}]}}", 1, false},
        {"{\"data\":[],\"meta\":{\"total_pages\":9}}", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kula_answer *answer = read_body(&ask_webhooks, cases[i].body);
        assert_int_equal(answer->webhook_count, cases[i].count);
        assert_int_equal(answer->more, cases[i].more);
        assert_true(!cases[i].count || answer->webhooks[0].state == KULA_STATE_UNKNOWN);
        kula_answer_destroy(answer);
    }
}

static void test_logs_are_read_as_the_guide_and_as_the_client_have_them(void **state) {
    static const char guide[] =
        "{\"logs\":[{\"id\":\"log_1\",\"event\":\"job.created\",\"event_id\":\"evt_1\","
        "\"status\":\"failed\",\"response_code\":500,\"response_time_ms\":31,\"attempts\":7,"
        "\"created_at\":\"2026-01-15T10:30:00Z\",\"response_body\":\"oh\"}],"
        "\"pagination\":{\"page\":1,\"total_pages\":2}}";
    const struct kula_question question = {.shape = KULA_LOGS, .page = 1, .page_size = 100};
    struct kula_answer *answer = read_body(&question, guide);
    (void)state;
    assert_int_equal(answer->log_count, 1);
    assert_true(answer->more);
    assert_text(answer->logs[0].event_id, "evt_1");
    assert_text(answer->logs[0].status, "failed");
    assert_text(answer->logs[0].response_body, "oh");
    assert_int_equal(answer->logs[0].response_code, 500);
    assert_int_equal(answer->logs[0].attempts, 7);
    kula_answer_destroy(answer);

    answer = read_body(&question, "{\"data\":[{\"status\":\"success\",\"response_code\":null}]}");
    assert_text(answer->logs[0].status, "delivered");
    assert_int_equal(answer->logs[0].response_code, -1);
    assert_false(answer->more);
    kula_answer_destroy(answer);
}

static void test_when_a_delivery_was_made_is_read_as_the_guide_writes_it(void **state) {
    static const struct {
        const char *created_at;
        int64_t created_s;
    } cases[] = {
        {"2025-01-15T10:30:00Z", 1736937000},
        {"2025-01-15T10:30:00.123Z", 1736937000},
        {"1736937000", -1},
        {"", -1},
        {NULL, -1}, /* not told at all */
        {"2025-01-15T10:30:00.000000000000000000000000000000Z", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            kula_log_created_s(&(struct kula_log){.created_at = text_of(cases[i].created_at)}),
            cases[i].created_s);
}

static void test_event_types_are_collected_from_every_form(void **state) {
    static const char *const bodies[] = {
        "{\"data\":[{\"event\":\"job.created\"},{\"event\":\"job.updated\"}]}",
        "{\"events\":[\"job.created\",\"job.updated\"],\"meta\":{\"tags\":[\"x\"]}}",
        "[{\"name\":\"job.created\",\"description\":\"d\"},{\"name\":\"job.updated\"}]",
        "{\"data\":{\"job\":[\"job.created\",\"job.updated\",\"job.created\"]}}",
    };
    const struct kula_question question = {.shape = KULA_TYPES};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct kula_answer *answer = read_body(&question, bodies[i]);
        assert_int_equal(answer->type_count, 2);
        assert_text(answer->types[0], "job.created");
        assert_text(answer->types[1], "job.updated");
        kula_answer_destroy(answer);
    }
}

static void test_a_test_and_a_secret_are_read(void **state) {
    const struct kula_question test = {.shape = KULA_TEST}, secret = {.shape = KULA_SECRET};
    struct kula_answer *answer =
        read_body(&test, "{\"test_id\":\"test_abc123\",\"status\":\"pending\"}");
    (void)state;
    assert_text(answer->test.id, "test_abc123");
    assert_int_equal(answer->test.response_code, -1);
    kula_answer_destroy(answer);
    answer = read_body(&test, "{\"data\":{\"test_id\":\"t\",\"status\":\"delivered\","
                              "\"response_code\":200,\"response_time_ms\":45}}");
    assert_text(answer->test.status, "delivered");
    assert_int_equal(answer->test.response_time_ms, 45);
    kula_answer_destroy(answer);
    answer = read_body(&secret, "{\"data\":{\"id\":\"wh_1\",\"secret\":\"n3w\"}}");
    assert_text(string_text(&answer->secret), "n3w");
    kula_answer_destroy(answer);
}

static void test_a_sample_is_a_body_that_could_be_delivered(void **state) {
    static const char event[] =
        "{\"event\":\"job.created\",\"event_id\":\"evt_1\",\"data\":{\"id\":7}}";
    static const char made_up[] =
        "{\"event\":\"job.created\",\"event_id\":\"evt_sample_1736937000000\","
        "\"created_at\":\"2025-01-15T10:30:00Z\",\"account_id\":0,"
        "\"data\":{\"id\":7}}";
    static const struct {
        const char *body, *sample;
    } cases[] = {
        {event, event},
        {"{\"event\":\"job.created\",\"payload\":{\"event\":\"job.created\",\"event_id\":\"evt_1\","
         "\"data\":{\"id\":7}}}",
         event},
        {"{\"data\":{\"event\":\"job.created\",\"event_id\":\"evt_1\",\"data\":{\"id\":7}}}",
         event},
        {"{\"event\":\"job.created\",\"payload\":{\"id\":7}}", made_up},
        {"{\"data\":{\"event\":\"job.created\",\"payload\":{\"id\":7}}}", made_up},
    };
    const struct kula_question question = {
        .shape = KULA_SAMPLE, .type = "job.created", .now_ms = 1736937000000};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kula_answer *answer = read_body(&question, cases[i].body);
        assert_text(string_text(&answer->sample), cases[i].sample);
        kula_answer_destroy(answer);
    }
}

static void test_what_was_not_asked_for_is_not_taken_for_an_answer(void **state) {
    static const struct {
        enum kula_shape shape;
        const char *body;
    } cases[] = {
        {KULA_WEBHOOK, ""},
        {KULA_WEBHOOK, "<html>"},
        {KULA_WEBHOOK, "{\"data\":[]}"},
        {KULA_WEBHOOK, "{\"id\":null}"},
        {KULA_WEBHOOKS, "{\"data\":[{\"id\":\"a\""},
        {KULA_WEBHOOKS, "{}"},
        {KULA_WEBHOOKS, "{\"data\":[\"a\"]}"},
        {KULA_LOGS, "{\"data\":null}"},
        {KULA_TYPES, "{\"data\":[]}"},
        {KULA_TYPES, "true"},
        {KULA_TEST, "{\"test_id\":\"t\"}"},
        {KULA_SECRET, "{\"secret\":\"\"}"},
        {KULA_SAMPLE, "{\"data\":{}}"},
        {KULA_SAMPLE, "[]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kula_answer *answer = memory_new(sizeof *answer);
        const struct kula_question question = {.shape = cases[i].shape, .page_size = 100};
        if (kula_answer_read(answer, &question, text_of(cases[i].body)))
            fail_msg("%zu: %s", i, cases[i].body);
        kula_answer_destroy(answer);
    }
}

static const struct {
    int status;
    enum kula_outcome outcome;
    const char *body, *problem;
} refusals[] = {
    {401, KULA_REFUSED,
     "{\"error\":{\"code\":\"ERR_INVALID_TOKEN\",\"message\":\"Invalid token\"}}",
     "Kula does not take the API token (401 ERR_INVALID_TOKEN: Invalid token): put a valid key of "
     "the type Application API, from Settings > API Management, into kula.token_file"},
    {403, KULA_REFUSED,
     "{\"error\":{\"code\":\"ERR_FEATURE_NOT_ENABLED\",\"message\":\"Not enabled\"}}",
     "Kula does not let this token do that (403 ERR_FEATURE_NOT_ENABLED: Not enabled): webhooks "
     "have to be part of the account's plan, and the key of the type Application API"},
    {404, KULA_MISSING, "{\"error\":{\"code\":\"ERR_NOT_FOUND\"}}",
     "Kula has no such thing (404 ERR_NOT_FOUND)"},
    {404, KULA_MISSING, "", "Kula has no such thing (404)"},
    {422, KULA_REFUSED,
     "{\"error\":{\"code\":\"err_validation\",\"message\":\"Invalid\",\"details\":[{\"url\":"
     "[\"must be https\",\"is taken\"]},{\"name\":\"is\\u001b[31m too long\"}]}}",
     "Kula refuses this (422 err_validation: Invalid; url: must be https; url: is taken; name: is "
     "[31m too long)"},
    {400, KULA_REFUSED, "{\"message\":\"Bad\",\"errors\":{\"events\":[\"is empty\"]}}",
     "Kula refuses this (400 Bad; events: is empty)"},
    {429, KULA_LIMITED,
     "{\"error\":{\"code\":\"ERR_RATE_LIMIT_EXCEEDED\",\"message\":\"Slow\"},"
     "\"meta\":{\"retry_after\":300}}",
     "Kula takes no more requests for now (429 ERR_RATE_LIMIT_EXCEEDED: Slow): its limit, 1,000 an "
     "hour, is one for all programs that use the account; try again in 5m"},
    {503, KULA_AWAY, "<html>", "Kula has trouble of its own (503): try again later"},
    {301, KULA_NONSENSE, "",
     "what answers at URL does not speak as Kula's API does (301): is kula.api right, or does a "
     "proxy stand between?"},
    {401, KULA_NONSENSE, "<!DOCTYPE html><title>Log in</title>",
     "what answers at URL does not speak as Kula's API does (401, \"<!DOCTYPE html><title>Log "
     "in</title>\"): is kula.api right, or does a proxy stand between?"},
};

static void test_a_refusal_says_what_to_do(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct kula_answer *answer = memory_new(sizeof *answer);
        const struct kula_refusal refusal = {
            .status = refusals[i].status, .body = text_of(refusals[i].body), .url = "URL"};
        kula_refusal_read(answer, &refusal);
        assert_string_equal(kula_outcome_name(answer->outcome),
                            kula_outcome_name(refusals[i].outcome));
        assert_string_equal(answer->problem.data, refusals[i].problem);
        kula_answer_destroy(answer);
    }
}

static void test_how_long_to_wait_is_found_wherever_it_is_told(void **state) {
    static const struct {
        const char *body;
        int64_t header_ms, wait_ms;
    } cases[] = {
        {"{\"meta\":{\"retry_after\":300}}", 7000, 300000},
        {"{\"meta\":{\"retry_after\":\"8\"}}", 0, 8000},
        {"{\"error\":{\"meta\":{\"retry_after\":9}}}", 0, 9000},
        {"{\"meta\":{\"retry_after\":-1}}", 7000, 7000},
        {"{\"meta\":{\"retry_after\":86400}}", 0, 3600000}, /* Kula counts by the hour */
        {"", INT64_MAX, 3600000},
        {"", 7000, 7000},
        {"", 0, 60000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kula_answer *answer = memory_new(sizeof *answer);
        const struct kula_refusal refusal = {.status = 429,
                                             .body = text_of(cases[i].body),
                                             .url = "URL",
                                             .retry_after_ms = cases[i].header_ms};
        kula_refusal_read(answer, &refusal);
        assert_int_equal(answer->retry_after_ms, cases[i].wait_ms);
        kula_answer_destroy(answer);
    }
}

static void test_of_what_is_no_answer_no_secret_is_quoted(void **state) {
    static const char *const bodies[] = {"{\"new_secret\":\"s3cret\"}", "s3cret", "\"s3cret\""};
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        struct kula_answer *answer = memory_new(sizeof *answer);
        const struct kula_refusal refusal = {.status = 200, .body = text_of(bodies[i]), .url = "U"};
        kula_refusal_of_nonsense(answer, &refusal);
        assert_null(strstr(answer->problem.data, "s3cret"));
        kula_answer_destroy(answer);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_webhook_is_read_in_every_spelling),
        cmocka_unit_test(test_a_state_is_known_by_its_word_or_by_a_flag_and_else_told_as_it_came),
        cmocka_unit_test(test_a_list_is_found_in_every_envelope_and_says_whether_it_goes_on),
        cmocka_unit_test(test_logs_are_read_as_the_guide_and_as_the_client_have_them),
        cmocka_unit_test(test_when_a_delivery_was_made_is_read_as_the_guide_writes_it),
        cmocka_unit_test(test_event_types_are_collected_from_every_form),
        cmocka_unit_test(test_a_test_and_a_secret_are_read),
        cmocka_unit_test(test_a_sample_is_a_body_that_could_be_delivered),
        cmocka_unit_test(test_what_was_not_asked_for_is_not_taken_for_an_answer),
        cmocka_unit_test(test_a_refusal_says_what_to_do),
        cmocka_unit_test(test_how_long_to_wait_is_found_wherever_it_is_told),
        cmocka_unit_test(test_of_what_is_no_answer_no_secret_is_quoted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
