/* What serve can answer at all: a status outside of the table would lose events
 * at Kula, or disable the endpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/json.h"
#include "serve/answers.h"

static const struct text no_id = {0};

static bool is_allowed(int status) {
    static const int allowed[] = {200, 400, 401, 404, 405, 413, 431, 503};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (status == allowed[i])
            return true;
    return false;
}

static void test_no_other_status_can_come_out(void **state) {
    (void)state;
    struct string body = {0};
    for (int answer = 0; answer < ANSWERS; answer++) {
        struct http_answer http;
        answers_fill((enum answer)answer, no_id, &body, &http);
        assert_true(is_allowed(http.status));
    }
    string_finish(&body);
}

static void test_every_503_says_when_to_come_back(void **state) {
    (void)state;
    struct string body = {0};
    for (int answer = 0; answer < ANSWERS; answer++) {
        struct http_answer http;
        answers_fill((enum answer)answer, no_id, &body, &http);
        assert_int_equal(http.status == 503, http.retry_after_s > 0);
    }
    string_finish(&body);
}

static void test_405_and_only_405_names_post(void **state) {
    (void)state;
    struct string body = {0};
    for (int answer = 0; answer < ANSWERS; answer++) {
        struct http_answer http;
        answers_fill((enum answer)answer, no_id, &body, &http);
        assert_int_equal(http.status == 405, http.allow != NULL);
        if (http.allow)
            assert_string_equal(http.allow, "POST");
    }
    string_finish(&body);
}

static void test_every_answer_has_a_name_of_its_own(void **state) {
    (void)state;
    for (int a = 0; a < ANSWERS; a++) {
        const char *name = answers_name((enum answer)a);
        assert_non_null(name);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(name, answers_name((enum answer)b));
    }
}

static void test_statuses_are_the_promised_ones(void **state) {
    static const struct {
        enum answer answer;
        int status;
        const char *name;
    } cases[] = {
        {ANSWER_ACCEPTED, 200, "accepted"},
        {ANSWER_DUPLICATE, 200, "duplicate"},
        {ANSWER_PENNED, 200, "penned"},
        {ANSWER_OK, 200, "ok"},
        {ANSWER_SIGNATURE_MISSING, 401, "signature_missing"},
        {ANSWER_SIGNATURE_MALFORMED, 401, "signature_malformed"},
        {ANSWER_SIGNATURE_UNMATCHED, 401, "signature_unmatched"},
        {ANSWER_STALE, 401, "stale"},
        {ANSWER_SIGNATURE_UNMATCHED_RETRY, 503, "signature_unmatched_retry"},
        {ANSWER_STALE_RETRY, 503, "stale_retry"},
        {ANSWER_SIGNATURE_UNMATCHED_PENNED, 200, "signature_unmatched_penned"},
        {ANSWER_PEN_FULL, 503, "pen_full"},
        {ANSWER_UNAVAILABLE, 503, "unavailable"},
        {ANSWER_BUSY, 503, "busy"},
        {ANSWER_CROWDED, 503, "crowded"},
        {ANSWER_DRAINING, 503, "draining"},
        {ANSWER_TOO_LARGE, 413, "too_large"},
        {ANSWER_METHOD_NOT_ALLOWED, 405, "method_not_allowed"},
        {ANSWER_NOT_FOUND, 404, "not_found"},
        {ANSWER_MALFORMED, 400, "malformed"},
        {ANSWER_HEAD_TOO_LARGE, 431, "head_too_large"},
        {ANSWER_TOO_SLOW, 503, "too_slow"},
    };
    struct string body = {0};
    (void)state;
    assert_int_equal(sizeof cases / sizeof *cases, ANSWERS);
    for (size_t i = 0; i < ANSWERS; i++) {
        struct http_answer http;
        answers_fill(cases[i].answer, no_id, &body, &http);
        assert_int_equal(http.status, cases[i].status);
        assert_string_equal(answers_name(cases[i].answer), cases[i].name);
    }
    string_finish(&body);
}

static void test_every_fault_has_its_answer(void **state) {
    static const int statuses[HTTP_FAULTS] = {
        [HTTP_FAULT_MALFORMED] = 400,      [HTTP_FAULT_HEAD_TOO_LARGE] = 431,
        [HTTP_FAULT_BODY_TOO_LARGE] = 413, [HTTP_FAULT_TOO_SLOW] = 503,
        [HTTP_FAULT_CROWDED] = 503,        [HTTP_FAULT_DISPLACED] = 503,
        [HTTP_FAULT_UNPROXIED] = 400,
    };
    struct string body = {0};
    (void)state;
    for (int fault = 0; fault < HTTP_FAULTS; fault++) {
        struct http_answer http;
        answers_fill(answers_for_fault((enum http_fault)fault), no_id, &body, &http);
        assert_int_equal(http.status, statuses[fault]);
    }
    string_finish(&body);
}

static void test_a_body_is_one_line_of_json(void **state) {
    struct string body = {0};
    struct http_answer http;
    (void)state;
    answers_fill(ANSWER_ACCEPTED, text_of("evt_1"), &body, &http);
    assert_true(text_is(http.body, "{\"status\":\"accepted\",\"event_id\":\"evt_1\"}\n"));
    assert_null(http.content_type); /* application/json */
    assert_false(http.close);
    answers_fill(ANSWER_SIGNATURE_MISSING, no_id, &body, &http);
    assert_true(text_is(http.body, "{\"status\":\"signature_missing\"}\n"));
    string_finish(&body);
}

static void test_an_event_id_cannot_break_the_json(void **state) {
    static const struct json_reader reader = {0};
    struct string body = {0};
    struct http_answer http;
    (void)state;
    answers_fill(ANSWER_DUPLICATE, text_of("\"},\\{\"x\":\""), &body, &http);
    assert_int_equal(json_read(http.body, &reader, NULL), JSON_WHOLE);
    assert_true(text_is(http.body,
                        "{\"status\":\"duplicate\",\"event_id\":\"\\\"},\\\\{\\\"x\\\":\\\"\"}\n"));
    string_finish(&body);
}

static void test_a_delivery_was_taken_or_it_failed_by_its_status(void **state) {
    struct string body = {0};
    (void)state;
    for (int answer = 0; answer < ANSWERS; answer++) {
        struct http_answer http;
        enum answer_tells tells = answers_tells((enum answer)answer);
        answers_fill((enum answer)answer, no_id, &body, &http);
        if (tells != ANSWER_TELLS_NOTHING)
            assert_int_equal(tells == ANSWER_TELLS_TAKEN, http.status == 200);
    }
    string_finish(&body);
    /* Kula signs whatever it sends: anything else is a stranger's, and costs nothing. */
    assert_int_equal(answers_tells(ANSWER_SIGNATURE_MISSING), ANSWER_TELLS_NOTHING);
    assert_int_equal(answers_tells(ANSWER_SIGNATURE_MALFORMED), ANSWER_TELLS_UNPROVED);
    assert_int_equal(answers_tells(ANSWER_SIGNATURE_UNMATCHED), ANSWER_TELLS_UNPROVED);
    assert_int_equal(answers_tells(ANSWER_BUSY), ANSWER_TELLS_UNPROVED);
    assert_int_equal(answers_tells(ANSWER_CROWDED), ANSWER_TELLS_UNPROVED);
    assert_int_equal(answers_tells(ANSWER_TOO_SLOW), ANSWER_TELLS_UNPROVED);
    assert_int_equal(answers_tells(ANSWER_UNAVAILABLE), ANSWER_TELLS_FAILED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_other_status_can_come_out),
        cmocka_unit_test(test_every_503_says_when_to_come_back),
        cmocka_unit_test(test_405_and_only_405_names_post),
        cmocka_unit_test(test_every_answer_has_a_name_of_its_own),
        cmocka_unit_test(test_statuses_are_the_promised_ones),
        cmocka_unit_test(test_every_fault_has_its_answer),
        cmocka_unit_test(test_a_delivery_was_taken_or_it_failed_by_its_status),
        cmocka_unit_test(test_a_body_is_one_line_of_json),
        cmocka_unit_test(test_an_event_id_cannot_break_the_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
