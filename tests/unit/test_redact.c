/* Redaction: a table of bodies and what may be seen of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/redact.h"

static const struct {
    const char *body, *shown; /* NULL: not JSON */
} cases[] = {
    {"{\"event\":\"ping\",\"event_id\":\"evt_1\",\"created_at\":\"2025-01-15T10:30:00Z\","
     "\"account_id\":12345,\"data\":{\"message\":\"Webhook test\"}}",
     "{\"event\":\"ping\",\"event_id\":\"evt_1\",\"created_at\":\"2025-01-15T10:30:00Z\","
     "\"account_id\":12345,\"data\":{\"message\":\"…\"}}"},
    /* numbers may be salaries, truth values may say who is disabled; null says nothing */
    {"{\"data\":{\"salary\":120000.0,\"id\":12345678901234567890,\"veteran\":true,\"left\":null}}",
     "{\"data\":{\"salary\":\"…\",\"id\":\"…\",\"veteran\":\"…\",\"left\":null}}"},
    /* the number of an account that is longer than any integer of ours */
    {"{\"account_id\":12345678901234567890}", "{\"account_id\":12345678901234567890}"},
    /* lists keep their length */
    {"{\"data\":[1,\"a\",[],{}]}", "{\"data\":[\"…\",\"…\",[],{}]}"},
    /* only at the top are these names the envelope's own */
    {"{\"data\":{\"event\":\"Ada\",\"event_id\":\"Ada\",\"account_id\":7}}",
     "{\"data\":{\"event\":\"…\",\"event_id\":\"…\",\"account_id\":\"…\"}}"},
    {"{\"event\":{\"name\":\"Ada\"},\"event_id\":[\"Ada\"]}",
     "{\"event\":{\"name\":\"…\"},\"event_id\":[\"…\"]}"},
    {"{\"event\":\"ping\",\"note\":\"Ada\"}", "{\"event\":\"ping\",\"note\":\"…\"}"},
    /* nor is what has no name */
    {"\"Ada\"", "\"…\""},
    {"[\"Ada\"]", "[\"…\"]"},
    {"{\"data\":{\"na\\u006de\":\"\\u003cAda\\u003e\"}}", "{\"data\":{\"name\":\"…\"}}"},
    {" { \"event\" : \"ping\" } ", "{\"event\":\"ping\"}"},
    {"", NULL},
    {"Ada", NULL},
    {"{\"event\":\"ping\"", NULL},
    {"{\"event\":\"ping\"} Ada", NULL},
};

static void test_only_the_envelope_is_shown(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct string out = {0};
        bool json = redact_body(text_of(cases[i].body), &out);
        assert_int_equal(json, cases[i].shown != NULL);
        if (json)
            assert_string_equal(out.data, cases[i].shown);
        else
            assert_int_equal(out.size, 0);
        string_finish(&out);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_only_the_envelope_is_shown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
