#include "cli/redact.h"

#include "base/json.h"

struct redaction {
    struct json_writer *out;
    unsigned depth; /* 1: inside the outermost object */
    bool open;      /* what comes next is the value of a field that stays */
};

static bool stays(const struct redaction *redaction) {
    return redaction->depth == 1 && redaction->open;
}

static bool hide(struct redaction *redaction) {
    json_string(redaction->out, text_of("…"));
    return true;
}

static bool on_null(void *arg) {
    struct redaction *redaction = arg;
    json_null(redaction->out);
    return true;
}

static bool on_bool(void *arg, bool value) {
    (void)value; /* it may say who is a veteran, or disabled */
    return hide(arg);
}

static bool on_number(void *arg, struct text digits) {
    struct redaction *redaction = arg;
    if (!stays(redaction))
        return hide(redaction);
    json_digits(redaction->out, digits);
    return true;
}

static bool on_string(void *arg, struct text decoded) {
    struct redaction *redaction = arg;
    if (!stays(redaction))
        return hide(redaction);
    json_string(redaction->out, decoded);
    return true;
}

static bool on_key(void *arg, struct text decoded) {
    struct redaction *redaction = arg;
    redaction->open = text_is(decoded, "event") || text_is(decoded, "event_id") ||
                      text_is(decoded, "created_at") || text_is(decoded, "account_id");
    json_key_text(redaction->out, decoded);
    return true;
}

static bool on_open(void *arg, char bracket) {
    struct redaction *redaction = arg;
    redaction->depth++;
    redaction->open = false;
    json_open(redaction->out, bracket);
    return true;
}

static bool on_close(void *arg, char bracket) {
    struct redaction *redaction = arg;
    redaction->depth--;
    redaction->open = false;
    json_close(redaction->out, bracket);
    return true;
}

bool redact_body(struct text body, struct string *out) {
    static const struct json_reader reader = {on_null, on_bool, on_number, on_string,
                                              on_key,  on_open, on_close};
    struct redaction redaction = {json_writer_create(), 0, false};
    bool whole = json_read(body, &reader, &redaction) == JSON_WHOLE;
    if (whole)
        string_add(out, json_writer_text(redaction.out));
    json_writer_destroy(redaction.out);
    return whole;
}
