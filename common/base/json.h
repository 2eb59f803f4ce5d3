/* JSON (RFC 8259) read by callbacks and written as it goes, without a tree:
 * a tree of a large body takes long enough to hold up the loop. The one file
 * that names yajl. */
#pragma once
#include "base/text.h"

/* Every callback may be NULL; returning false stops the walk. Texts live until
 * the callback returns. A number comes as it was written, so no digit is lost. */
struct json_reader {
    bool (*on_null)(void *arg);
    bool (*on_bool)(void *arg, bool);
    bool (*on_number)(void *arg, struct text digits);
    bool (*on_string)(void *arg, struct text decoded);
    bool (*on_key)(void *arg, struct text decoded);
    bool (*on_open)(void *arg, char bracket);  /* '{' or '[' */
    bool (*on_close)(void *arg, char bracket); /* '}' or ']' */
    bool keeps_halves; /* half a pair of surrogates comes as ED A0 80 to ED BF BF; else as U+FFFD */
};

enum json_end { JSON_WHOLE, JSON_STOPPED, JSON_MALFORMED };

/* One value and nothing but white space around it, valid UTF-8, at most 512 deep. */
enum json_end json_read(struct text, const struct json_reader *, void *arg);

/* Writing: each call adds its value, with the comma it needs. */
struct json_writer;
struct json_writer *json_writer_create(void);
void json_open(struct json_writer *, char bracket);
void json_close(struct json_writer *, char bracket);
void json_key(struct json_writer *, const char *);
void json_key_text(struct json_writer *, struct text);
void json_string(struct json_writer *, struct text); /* bytes that are not UTF-8 become U+FFFD */
void json_number(struct json_writer *, int64_t);
void json_digits(struct json_writer *, struct text); /* a number already spelled out */
void json_bool(struct json_writer *, bool);
void json_null(struct json_writer *);
struct text json_writer_text(const struct json_writer *); /* until the next call */
void json_writer_restart(struct json_writer *);
void json_writer_destroy(struct json_writer *);
