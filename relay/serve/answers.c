#include "serve/answers.h"

#include <assert.h>

#include "base/json.h"

/* How long a sender is asked to wait; Kula's own shortest wait is a minute. */
enum { SOON_S = 1, LATER_S = 5 };

static const struct row {
    const char *name;
    int status;
    int retry_after_s; /* 0: none */
    const char *allow; /* NULL: none */
    const char *says;  /* in the body; NULL: the name */
} table[ANSWERS] = {
    [ANSWER_ACCEPTED] = {"accepted", 200},
    [ANSWER_DUPLICATE] = {"duplicate", 200},
    [ANSWER_PENNED] = {"penned", 200},
    [ANSWER_OK] = {"ok", 200},
    [ANSWER_SIGNATURE_MISSING] = {"signature_missing", 401},
    [ANSWER_SIGNATURE_MALFORMED] = {"signature_malformed", 401},
    [ANSWER_SIGNATURE_UNMATCHED] = {"signature_unmatched", 401},
    [ANSWER_STALE] = {"stale", 401},
    [ANSWER_SIGNATURE_UNMATCHED_RETRY] = {"signature_unmatched_retry", 503, LATER_S},
    [ANSWER_STALE_RETRY] = {"stale_retry", 503, LATER_S},
    [ANSWER_SIGNATURE_UNMATCHED_PENNED] = {"signature_unmatched_penned", 200, .says = "penned"},
    [ANSWER_PEN_FULL] = {"pen_full", 503, LATER_S},
    [ANSWER_UNAVAILABLE] = {"unavailable", 503, LATER_S},
    [ANSWER_BUSY] = {"busy", 503, SOON_S},
    [ANSWER_CROWDED] = {"crowded", 503, SOON_S},
    [ANSWER_DRAINING] = {"draining", 503, SOON_S},
    [ANSWER_TOO_LARGE] = {"too_large", 413},
    [ANSWER_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, 0, "POST"},
    [ANSWER_NOT_FOUND] = {"not_found", 404},
    [ANSWER_MALFORMED] = {"malformed", 400},
    [ANSWER_HEAD_TOO_LARGE] = {"head_too_large", 431},
    [ANSWER_TOO_SLOW] = {"too_slow", 503, SOON_S},
};

static const enum answer fault_answers[HTTP_FAULTS] = {
    [HTTP_FAULT_MALFORMED] = ANSWER_MALFORMED,
    [HTTP_FAULT_HEAD_TOO_LARGE] = ANSWER_HEAD_TOO_LARGE,
    [HTTP_FAULT_BODY_TOO_LARGE] = ANSWER_TOO_LARGE,
    [HTTP_FAULT_TOO_SLOW] = ANSWER_TOO_SLOW,
    [HTTP_FAULT_CROWDED] = ANSWER_CROWDED,
    [HTTP_FAULT_DISPLACED] = ANSWER_CROWDED,
    [HTTP_FAULT_UNPROXIED] = ANSWER_MALFORMED,
};

const char *answers_name(enum answer answer) {
    assert(answer < ANSWERS);
    return table[answer].name;
}

enum answer answers_for_fault(enum http_fault fault) {
    assert(fault < HTTP_FAULTS);
    return fault_answers[fault];
}

/* A stranger can make any number of what is unproved, and Kula sends nothing else while our secret
 * is a wrong one, or its signatures have a form that we do not know. Without a signature it is
 * nobody's but a stranger's. */
static const enum answer_tells tells[ANSWERS] = {
    [ANSWER_ACCEPTED] = ANSWER_TELLS_TAKEN,
    [ANSWER_DUPLICATE] = ANSWER_TELLS_TAKEN,
    [ANSWER_PENNED] = ANSWER_TELLS_TAKEN,
    [ANSWER_STALE] = ANSWER_TELLS_FAILED,
    [ANSWER_STALE_RETRY] = ANSWER_TELLS_FAILED,
    [ANSWER_UNAVAILABLE] = ANSWER_TELLS_FAILED,
    [ANSWER_SIGNATURE_MALFORMED] = ANSWER_TELLS_UNPROVED,
    [ANSWER_SIGNATURE_UNMATCHED] = ANSWER_TELLS_UNPROVED,
    [ANSWER_SIGNATURE_UNMATCHED_RETRY] = ANSWER_TELLS_UNPROVED,
    [ANSWER_PEN_FULL] = ANSWER_TELLS_UNPROVED,
    [ANSWER_BUSY] = ANSWER_TELLS_UNPROVED,
    [ANSWER_CROWDED] = ANSWER_TELLS_UNPROVED,
    [ANSWER_TOO_SLOW] = ANSWER_TELLS_UNPROVED,
    [ANSWER_TOO_LARGE] = ANSWER_TELLS_UNPROVED,
    [ANSWER_MALFORMED] = ANSWER_TELLS_UNPROVED,
    [ANSWER_HEAD_TOO_LARGE] = ANSWER_TELLS_UNPROVED,
};

enum answer_tells answers_tells(enum answer answer) {
    assert(answer < ANSWERS);
    return tells[answer];
}

static void write_body(const char *name, struct text event_id, struct string *body) {
    struct json_writer *writer = json_writer_create();
    json_open(writer, '{');
    json_key(writer, "status");
    json_string(writer, text_of(name));
    if (event_id.size) {
        json_key(writer, "event_id");
        json_string(writer, event_id);
    }
    json_close(writer, '}');
    string_clear(body);
    string_add(body, json_writer_text(writer));
    string_add_char(body, '\n');
    json_writer_destroy(writer);
}

void answers_fill(enum answer answer, struct text event_id, struct string *body,
                  struct http_answer *http) {
    assert(answer < ANSWERS);
    const struct row *row = &table[answer];
    write_body(row->says ? row->says : row->name, event_id, body);
    *http = (struct http_answer){
        .status = row->status,
        .body = string_text(body),
        .allow = row->allow,
        .retry_after_s = row->retry_after_s,
    };
}
