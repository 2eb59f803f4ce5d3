/* Made-up events: each is an envelope of its type, whatever the type. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/sample_event.h"
#include "kula/envelope.h"

static const char *const types[] = {
    "ping",
    "candidate.created",
    "application.hired",
    "job.updated",
    "job_posting.published",
    "requisition.filled",
    "offer.accepted",
    "interview.event.created",
    "something.new",
    "odd",
};

static void test_each_is_an_envelope_of_its_type(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct string body = {0};
        struct envelope envelope;
        sample_event_write(types[i], "evt_1", 1736937000000, i, &body);
        assert_int_equal(envelope_parse(string_text(&body), &envelope), ENVELOPE_FINE);
        assert_string_equal(envelope.type, types[i]);
        assert_string_equal(envelope.id, "evt_1");
        assert_string_equal(envelope.account, "12345");
        assert_string_equal(envelope.created, "2025-01-15T10:30:00Z");
        string_finish(&body);
    }
}

static void test_the_number_varies_the_content(void **state) {
    (void)state;
    struct string one = {0}, two = {0};
    sample_event_write("candidate.created", "evt_1", 0, 1, &one);
    sample_event_write("candidate.created", "evt_1", 0, 2, &two);
    assert_false(text_equal(string_text(&one), string_text(&two)));
    string_finish(&one);
    string_finish(&two);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each_is_an_envelope_of_its_type),
                                       cmocka_unit_test(test_the_number_varies_the_content)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
