/* Envelopes: what is taken from a body, and what cannot be. */
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kula/envelope.h"

#define REST                                                                                       \
    ",\"created_at\":\"2025-01-15T10:30:00Z\",\"account_id\":12345,\"data\":{\"id\":1,"            \
    "\"event\":\"inner\",\"event_id\":\"inner\",\"account_id\":6}}"

static void assert_reads(const char *body, const char *id, const char *type) {
    struct envelope envelope;
    enum envelope_fault fault = envelope_parse(text_of(body), &envelope);
    if (fault != ENVELOPE_FINE)
        fail_msg("%s: %s", envelope_fault_name(fault), body);
    assert_string_equal(envelope.id, id);
    assert_string_equal(envelope.type, type);
}

static void assert_faulty(const char *body, enum envelope_fault expected) {
    struct envelope envelope;
    enum envelope_fault fault = envelope_parse(text_of(body), &envelope);
    if (fault != expected)
        fail_msg("%s: %s", envelope_fault_name(fault), body);
}

static void test_every_event_type_of_kula_is_read(void **state) {
    (void)state;
    static const char *const types[] = {
        "ping",
        "candidate.created",
        "candidate.updated",
        "candidate.deleted",
        "application.created",
        "application.updated",
        "application.deleted",
        "application.stage_changed",
        "application.rejected",
        "application.hired",
        "application.screened",
        "job.created",
        "job.updated",
        "job_posting.published",
        "job_posting.updated",
        "requisition.created",
        "requisition.updated",
        "requisition.opened",
        "requisition.filled",
        "requisition.closed",
        "offer.created",
        "offer.updated",
        "offer.approved",
        "offer.deleted",
        "offer.accepted",
        "offer.declined",
        "interview.availability.computed",
        "interview.event.created",
        "interview.event.updated",
        "interview.event.cancelled", /* likely, and not in any list seen */
        "Some-Day:something/else",
    };
    struct string body = {0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct envelope envelope;
        string_clear(&body);
        string_addf(&body, "{\"event\":\"%s\",\"event_id\":\"evt_abc123\"" REST, types[i]);
        assert_int_equal(envelope_parse(string_text(&body), &envelope), ENVELOPE_FINE);
        assert_string_equal(envelope.type, types[i]);
        assert_string_equal(envelope.id, "evt_abc123");
        assert_string_equal(envelope.account, "12345");
        assert_string_equal(envelope.created, "2025-01-15T10:30:00Z");
    }
    string_finish(&body);
}

static void test_ids_of_any_form_are_taken_as_they_are(void **state) {
    (void)state;
    static const char *const ids[] = {
        "evt_abc123", "evt_test_abc123", "3f2b8c1e-9d4a-4f6b-8a7e-0c1d2e3f4a5b",
        "1",          "~!@#$%^&*()",     "a/b?c=d",
    };
    struct string body = {0};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        string_clear(&body);
        string_addf(&body, "{\"event\":\"ping\",\"event_id\":\"%s\"" REST, ids[i]);
        assert_reads(body.data, ids[i], "ping");
    }
    string_finish(&body);
}

static void test_the_order_and_spelling_of_keys_do_not_matter(void **state) {
    (void)state;
    assert_reads("{\"data\":{},\"event_id\":\"e\",\"event\":\"p\"}", "e", "p");
    assert_reads("\n{ \"event_id\" : \"e\" ,\r\n\t\"event\" : \"p\" }\n", "e", "p");
    assert_reads("{\"\\u0065vent\":\"p\\u0069ng\",\"event_id\":\"e\\/1\"}", "e/1", "ping");
    assert_reads("{\"Event\":\"x\",\"event_ID\":\"x\",\"event\":\"p\",\"event_id\":\"e\"}", "e",
                 "p");
}

static void test_only_the_outermost_object_counts(void **state) {
    (void)state;
    assert_reads(
        "{\"data\":{\"event\":\"x\",\"event_id\":\"x\"},\"event\":\"p\",\"event_id\":\"e\"}", "e",
        "p");
    assert_reads("{\"event\":\"p\",\"event_id\":\"e\",\"data\":[[{\"event\":{}}],\"s\",1]}", "e",
                 "p");
    assert_faulty("{\"data\":{\"event\":\"x\",\"event_id\":\"x\"}}", ENVELOPE_NO_ID);
    /* The key of an object is not the key of what comes behind its end. */
    assert_faulty("{\"event_id\":{\"a\":\"b\"},\"event\":\"p\"}", ENVELOPE_NO_ID);
    assert_faulty("{\"event_id\":[\"a\",\"b\"],\"event\":\"p\"}", ENVELOPE_NO_ID);
}

static void test_data_is_carried_whatever_it_holds(void **state) {
    (void)state;
    static const char *const data[] = {
        "{\"description\":\"\\u003cp\\u003eR\\u0026D\\u003c/p\\u003e\",\"salary\":120000.0}",
        "{\"id\":12345678901234567890,\"big\":1e999}",
        "{\"custom_fields\":{\"20\":\"a\",\"3\":\"b\",\"20\":\"c\"}}",
        "{\"name\":\"Zo\xc3\xab \xe6\x9d\x8e\xe5\xb0\x8f\xe9\xbe\x99 \xf0\x9f\x98\x80\"}",
        "{\"note\":\"cut within an emoji \\ud83d\"}",
        "{\"nul\":\"a\\u0000b\"}",
        "null",
        "\"a string\"",
        "[]",
    };
    struct string body = {0};
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
        string_clear(&body);
        string_addf(&body, "{\"event\":\"p\",\"data\":%s,\"event_id\":\"e\"}", data[i]);
        assert_reads(body.data, "e", "p");
    }
    string_finish(&body);
}

static void test_a_body_of_1_mib_is_read(void **state) {
    (void)state;
    struct string body = {0};
    string_add_of(&body, "{\"event\":\"job.updated\",\"data\":{\"text\":\"");
    while (body.size < 1024 * 1024)
        string_add_of(&body, "lorem ipsum \\u003cb\\u003e \xc3\xa9 ");
    string_add_of(&body, "\"},\"event_id\":\"evt_long\"}");
    assert_reads(body.data, "evt_long", "job.updated");
    string_finish(&body);
}

static void test_what_is_not_one_whole_object_is_not_json(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "",
        "null",
        "1",
        "\"event\"",
        "[]",
        "[{\"event\":\"p\",\"event_id\":\"e\"}]",
        "{\"event\":\"p\",\"event_id\":\"e\"",
        "{\"event\":\"p\",\"event_id\":\"e\"}}",
        "{\"event\":\"p\",\"event_id\":\"e\"}{}",
        "{\"event\":\"p\",\"event_id\":\"e\",}",
        "{\"event\":\"p\",\"event_id\":\"e\",\"data\":\"\xff\"}",
        "event=p&event_id=e",
        "<event/>",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_faulty(bodies[i], ENVELOPE_NOT_JSON);
}

static void test_an_id_or_type_that_is_no_name_is_none(void **state) {
    (void)state;
    static const char *const values[] = {
        "\"\"",        "1",
        "null",        "true",
        "{}",          "[]",
        "\"a b\"",     "\" a\"",
        "\"a\\n\"",    "\"a\\u0000b\"",
        "\"\\u00e9\"", "\"\xc3\xa9\"",
        "\"\\u007f\"", "\"\\ud83da\"",
    };
    struct string body = {0};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        string_clear(&body);
        string_addf(&body, "{\"event\":\"p\",\"event_id\":%s}", values[i]);
        assert_faulty(body.data, ENVELOPE_NO_ID);
        string_clear(&body);
        string_addf(&body, "{\"event\":%s,\"event_id\":\"e\"}", values[i]);
        assert_faulty(body.data, ENVELOPE_NO_TYPE);
    }
    string_finish(&body);
    assert_faulty("{\"event\":\"p\"}", ENVELOPE_NO_ID);
    assert_faulty("{\"event_id\":\"e\"}", ENVELOPE_NO_TYPE);
    assert_faulty("{}", ENVELOPE_NO_ID);
}

static void test_a_name_has_at_most_255_characters(void **state) {
    (void)state;
    char name[257];
    struct string body = {0};
    memset(name, 'n', sizeof name);
    string_addf(&body, "{\"event\":\"%.255s\",\"event_id\":\"%.255s\"}", name, name);
    struct envelope envelope;
    assert_int_equal(envelope_parse(string_text(&body), &envelope), ENVELOPE_FINE);
    assert_int_equal(strlen(envelope.id), 255);
    assert_int_equal(strlen(envelope.type), 255);
    string_clear(&body);
    string_addf(&body, "{\"event\":\"p\",\"event_id\":\"%.256s\"}", name);
    assert_faulty(body.data, ENVELOPE_NO_ID);
    string_clear(&body);
    string_addf(&body, "{\"event\":\"%.256s\",\"event_id\":\"e\"}", name);
    assert_faulty(body.data, ENVELOPE_NO_TYPE);
    string_finish(&body);
}

static void test_an_id_or_type_given_twice_is_told(void **state) {
    (void)state;
    assert_faulty("{\"event\":\"p\",\"event_id\":\"e\",\"event_id\":\"e\"}", ENVELOPE_TWICE);
    assert_faulty("{\"event\":\"p\",\"event\":\"q\",\"event_id\":\"e\"}", ENVELOPE_TWICE);
    assert_faulty("{\"event\":\"p\",\"\\u0065vent\":null,\"event_id\":\"e\"}", ENVELOPE_TWICE);
    assert_faulty("{\"event\":1,\"event\":\"p\"}", ENVELOPE_TWICE);
}

static void test_account_and_time_are_as_written_or_empty(void **state) {
    (void)state;
    static const struct {
        const char *members, *account, *created;
    } cases[] = {
        {"", "", ""},
        {",\"account_id\":12345", "12345", ""},
        {",\"account_id\":\"acc_1\"", "acc_1", ""},
        {",\"account_id\":12345678901234567890123", "12345678901234567890123", ""},
        {",\"account_id\":1.50e2", "1.50e2", ""},
        {",\"account_id\":null", "", ""},
        {",\"account_id\":true", "", ""},
        {",\"account_id\":{\"id\":1}", "", ""},
        {",\"account_id\":[1]", "", ""},
        {",\"account_id\":\"\\n\"", "", ""},
        {",\"account_id\":1,\"account_id\":2", "", ""},
        {",\"created_at\":\"2025-01-15T10:30:00.123+00:00\"", "", "2025-01-15T10:30:00.123+00:00"},
        {",\"created_at\":\"2025-01-15 10:30:00 UTC\"", "", "2025-01-15 10:30:00 UTC"},
        {",\"created_at\":1736937000", "", "1736937000"},
    };
    struct string body = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct envelope envelope;
        string_clear(&body);
        string_addf(&body, "{\"event\":\"p\",\"event_id\":\"e\"%s}", cases[i].members);
        assert_int_equal(envelope_parse(string_text(&body), &envelope), ENVELOPE_FINE);
        assert_string_equal(envelope.account, cases[i].account);
        assert_string_equal(envelope.created, cases[i].created);
    }
    string_finish(&body);
}

static void test_faults_have_names(void **state) {
    (void)state;
    assert_string_equal(envelope_fault_name(ENVELOPE_FINE), "fine");
    assert_string_equal(envelope_fault_name(ENVELOPE_NOT_JSON), "not_json");
    assert_string_equal(envelope_fault_name(ENVELOPE_NO_ID), "no_id");
    assert_string_equal(envelope_fault_name(ENVELOPE_NO_TYPE), "no_type");
    assert_string_equal(envelope_fault_name(ENVELOPE_TWICE), "twice");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_event_type_of_kula_is_read),
        cmocka_unit_test(test_ids_of_any_form_are_taken_as_they_are),
        cmocka_unit_test(test_the_order_and_spelling_of_keys_do_not_matter),
        cmocka_unit_test(test_only_the_outermost_object_counts),
        cmocka_unit_test(test_data_is_carried_whatever_it_holds),
        cmocka_unit_test(test_a_body_of_1_mib_is_read),
        cmocka_unit_test(test_what_is_not_one_whole_object_is_not_json),
        cmocka_unit_test(test_an_id_or_type_that_is_no_name_is_none),
        cmocka_unit_test(test_a_name_has_at_most_255_characters),
        cmocka_unit_test(test_an_id_or_type_given_twice_is_told),
        cmocka_unit_test(test_account_and_time_are_as_written_or_empty),
        cmocka_unit_test(test_faults_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
