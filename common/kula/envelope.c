#include "kula/envelope.h"

#include <string.h>

#include "base/json.h"

enum field { FIELD_ID, FIELD_TYPE, FIELD_ACCOUNT, FIELD_CREATED, FIELDS, FIELD_OTHER = FIELDS };

static const char *const field_names[FIELDS] = {
    [FIELD_ID] = "event_id",
    [FIELD_TYPE] = "event",
    [FIELD_ACCOUNT] = "account_id",
    [FIELD_CREATED] = "created_at",
};

struct reading {
    struct envelope *envelope;
    size_t depth;
    bool is_object;
    enum field field; /* whose value comes next, when at depth 1 */
    unsigned times[FIELDS];
};

const char *envelope_fault_name(enum envelope_fault fault) {
    static const char *const names[ENVELOPE_FAULTS] = {
        [ENVELOPE_FINE] = "fine",   [ENVELOPE_NOT_JSON] = "not_json",
        [ENVELOPE_NO_ID] = "no_id", [ENVELOPE_NO_TYPE] = "no_type",
        [ENVELOPE_TWICE] = "twice",
    };
    return names[fault];
}

static char *place_of(struct envelope *envelope, enum field field) {
    switch (field) {
    case FIELD_ID:
        return envelope->id;
    case FIELD_TYPE:
        return envelope->type;
    case FIELD_ACCOUNT:
        return envelope->account;
    default:
        return envelope->created;
    }
}

static bool printable(struct text t, char lowest) {
    for (size_t i = 0; i < t.size; i++)
        if (t.data[i] < lowest || t.data[i] > '~')
            return false;
    return true;
}

/* Takes what is usable; the rest leaves the field empty. */
static void take_value(struct reading *reading, struct text value) {
    bool is_name = reading->field == FIELD_ID || reading->field == FIELD_TYPE;
    char *place = place_of(reading->envelope, reading->field);
    if (value.size == 0 || value.size >= ENVELOPE_TEXT || !printable(value, is_name ? '!' : ' '))
        return;
    memcpy(place, value.data, value.size);
    place[value.size] = '\0';
}

static bool on_key(void *arg, struct text key) {
    struct reading *reading = arg;
    if (reading->depth != 1)
        return true;
    reading->field = FIELD_OTHER;
    for (enum field field = 0; field < FIELDS; field++) {
        if (!text_is(key, field_names[field]))
            continue;
        reading->field = field;
        reading->times[field]++;
        place_of(reading->envelope, field)[0] = '\0';
    }
    return true;
}

static bool on_string(void *arg, struct text value) {
    struct reading *reading = arg;
    if (reading->depth == 1 && reading->field != FIELD_OTHER)
        take_value(reading, value);
    return true;
}

/* An id or type that is a number is not what Kula documents; an account is one. */
static bool on_number(void *arg, struct text digits) {
    struct reading *reading = arg;
    if (reading->depth == 1 && (reading->field == FIELD_ACCOUNT || reading->field == FIELD_CREATED))
        take_value(reading, digits);
    return true;
}

static bool on_open(void *arg, char bracket) {
    struct reading *reading = arg;
    if (reading->depth++ == 0)
        reading->is_object = bracket == '{';
    return reading->is_object;
}

static bool on_close(void *arg, char bracket) {
    struct reading *reading = arg;
    (void)bracket;
    reading->depth--;
    return true;
}

enum envelope_fault envelope_parse(struct text body, struct envelope *envelope) {
    static const struct json_reader reader = {
        .on_key = on_key,
        .on_string = on_string,
        .on_number = on_number,
        .on_open = on_open,
        .on_close = on_close,
    };
    struct reading reading = {.envelope = envelope, .field = FIELD_OTHER};
    *envelope = (struct envelope){0};
    if (json_read(body, &reader, &reading) != JSON_WHOLE || !reading.is_object)
        return ENVELOPE_NOT_JSON;
    if (reading.times[FIELD_ID] > 1 || reading.times[FIELD_TYPE] > 1)
        return ENVELOPE_TWICE;
    /* Two accounts are none: what is let in by one must not be read by the other. */
    if (reading.times[FIELD_ACCOUNT] > 1)
        envelope->account[0] = '\0';
    if (!envelope->id[0])
        return ENVELOPE_NO_ID;
    return envelope->type[0] ? ENVELOPE_FINE : ENVELOPE_NO_TYPE;
}
