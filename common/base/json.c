/* Reading is yajl's, behind checks of our own where it is lax; writing is ours,
 * since yajl_gen goes 127 deep only and what was read must be writable. */
#include "base/json.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "base/memory.h"
#include "base/utf8.h"

enum { DEPTH_MOST = 512 };

struct walk {
    const struct json_reader *reader;
    void *arg;
    size_t depth;
    bool too_deep;
};

static int on_null(void *arg) {
    struct walk *walk = arg;
    return !walk->reader->on_null || walk->reader->on_null(walk->arg);
}

static int on_boolean(void *arg, int value) {
    struct walk *walk = arg;
    return !walk->reader->on_bool || walk->reader->on_bool(walk->arg, value != 0);
}

static int on_number(void *arg, const char *digits, size_t size) {
    struct walk *walk = arg;
    return !walk->reader->on_number || walk->reader->on_number(walk->arg, text_slice(digits, size));
}

static int on_string(void *arg, const unsigned char *data, size_t size) {
    struct walk *walk = arg;
    return !walk->reader->on_string ||
           walk->reader->on_string(walk->arg, text_slice((const char *)data, size));
}

static int on_key(void *arg, const unsigned char *data, size_t size) {
    struct walk *walk = arg;
    return !walk->reader->on_key ||
           walk->reader->on_key(walk->arg, text_slice((const char *)data, size));
}

static int open_bracket(struct walk *walk, char bracket) {
    walk->too_deep = ++walk->depth > DEPTH_MOST;
    if (walk->too_deep)
        return false;
    return !walk->reader->on_open || walk->reader->on_open(walk->arg, bracket);
}

static int close_bracket(struct walk *walk, char bracket) {
    walk->depth--;
    return !walk->reader->on_close || walk->reader->on_close(walk->arg, bracket);
}

static int on_start_map(void *arg) {
    return open_bracket(arg, '{');
}

static int on_end_map(void *arg) {
    return close_bracket(arg, '}');
}

static int on_start_array(void *arg) {
    return open_bracket(arg, '[');
}

static int on_end_array(void *arg) {
    return close_bracket(arg, ']');
}

/* With yajl_number there, yajl makes no integers and doubles of its own, which
 * would fail a document for a number that fits neither. */
static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end_map,
    .yajl_start_array = on_start_array,
    .yajl_end_array = on_end_array,
};

static void *on_malloc(void *arg, size_t bytes) {
    (void)arg;
    return memory_resize(NULL, bytes); /* as malloc: it has buffers of 2 KiB */
}

static void *on_realloc(void *arg, void *old, size_t bytes) {
    (void)arg;
    return memory_resize(old, bytes);
}

static void on_free(void *arg, void *memory) {
    (void)arg;
    free(memory);
}

static enum json_end parse(struct text json, struct walk *walk) {
    yajl_alloc_funcs memory = {on_malloc, on_realloc, on_free, NULL};
    yajl_handle parser = yajl_alloc(&callbacks, &memory, walk);
    /* Its own check lets overlong forms and surrogates through; ours was before. */
    yajl_config(parser, yajl_dont_validate_strings, 1);
    yajl_status status = yajl_parse(parser, (const unsigned char *)json.data, json.size);
    /* In a text that begins behind the value and does not end, this is an error; the end is none.
     */
    if (status == yajl_status_ok)
        status = yajl_parse(parser, (const unsigned char *)"\n", 1);
    /* Only this ends a number at the very end, and finds what was left open. */
    if (status == yajl_status_ok)
        status = yajl_complete_parse(parser);
    yajl_free(parser);
    if (status == yajl_status_ok)
        return JSON_WHOLE;
    return status == yajl_status_client_canceled && !walk->too_deep ? JSON_STOPPED : JSON_MALFORMED;
}

/* The number in "\uXXXX" at that place, -1 where there is none. */
static int32_t escaped_unit(struct text json, size_t at) {
    int32_t unit = 0;
    if (json.size - at < 6 || json.data[at] != '\\' || json.data[at + 1] != 'u')
        return -1;
    for (size_t i = at + 2; i < at + 6; i++) {
        char c = json.data[i];
        if (c >= '0' && c <= '9')
            unit = unit * 16 + c - '0';
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            unit = unit * 16 + (c | 0x20) - 'a' + 10;
        else
            return -1;
    }
    return unit;
}

/* Where the next half of a surrogate pair is escaped without its other half;
 * the text's size where none is. */
static size_t next_half(struct text json, size_t at) {
    const char *found;
    while (at < json.size && (found = memchr(json.data + at, '\\', json.size - at))) {
        at = (size_t)(found - json.data);
        int32_t unit = escaped_unit(json, at);
        if (unit >= 0xdc00 && unit <= 0xdfff)
            return at;
        if (unit >= 0xd800 && unit <= 0xdbff) {
            int32_t next = escaped_unit(json, at + 6);
            if (next < 0xdc00 || next > 0xdfff)
                return at;
            at += 6;
        }
        at += unit < 0 ? 2 : 6;
    }
    return json.size;
}

/* The three bytes that UTF-8 would have for it, if it had any for halves. */
static void add_half(struct string *s, int32_t unit) {
    char bytes[] = {(char)(0xe0 | unit >> 12), (char)(0x80 | (unit >> 6 & 0x3f)),
                    (char)(0x80 | (unit & 0x3f))};
    string_add(s, text_slice(bytes, sizeof bytes));
}

/* JavaScript writes half a pair where it cut a text within an emoji, and RFC 8259
 * lets it. yajl makes a "?" of it and swallows the character behind; so it is given
 * U+FFFD instead, or the half itself. False where there is none to mend. */
static bool mend_halves(struct text json, bool kept, struct string *mended) {
    size_t from = 0;
    for (size_t at = 0; (at = next_half(json, at)) < json.size; from = at += 6) {
        string_add(mended, text_slice(json.data + from, at - from));
        if (kept)
            add_half(mended, escaped_unit(json, at));
        else
            string_add_of(mended, "\\ufffd");
    }
    if (from)
        string_add(mended, text_slice(json.data + from, json.size - from));
    return from > 0;
}

/* yajl takes these two for white space. JSON has them nowhere. */
static bool has_odd_space(struct text json) {
    return memchr(json.data, '\v', json.size) || memchr(json.data, '\f', json.size);
}

enum json_end json_read(struct text json, const struct json_reader *reader, void *arg) {
    struct walk walk = {.reader = reader, .arg = arg};
    struct string mended = {0};
    if (json.size == 0 || !utf8_valid(json) || has_odd_space(json))
        return JSON_MALFORMED;
    bool has_halves = mend_halves(json, reader->keeps_halves, &mended);
    enum json_end end = parse(has_halves ? string_text(&mended) : json, &walk);
    string_finish(&mended);
    return end;
}

/* From here on: writing. */

struct json_writer {
    struct string text;
    struct string open; /* the brackets that are open, outermost first */
    bool after_key;
    bool after_value;
};

struct json_writer *json_writer_create(void) {
    return memory_new(sizeof(struct json_writer));
}

void json_writer_restart(struct json_writer *writer) {
    string_clear(&writer->text);
    string_clear(&writer->open);
    writer->after_key = writer->after_value = false;
}

void json_writer_destroy(struct json_writer *writer) {
    if (!writer)
        return;
    string_finish(&writer->text);
    string_finish(&writer->open);
    free(writer);
}

struct text json_writer_text(const struct json_writer *writer) {
    return string_text(&writer->text);
}

static char innermost(const struct json_writer *writer) {
    return writer->open.size ? writer->open.data[writer->open.size - 1] : '\0';
}

static void before_value(struct json_writer *writer) {
    assert(innermost(writer) == '{' ? writer->after_key : !writer->after_key);
    assert(writer->open.size || !writer->after_value); /* one document until restarted */
    if (writer->after_value && !writer->after_key)
        string_add_char(&writer->text, ',');
    writer->after_key = false;
    writer->after_value = true;
}

void json_open(struct json_writer *writer, char bracket) {
    assert(bracket == '{' || bracket == '[');
    before_value(writer);
    string_add_char(&writer->text, bracket);
    string_add_char(&writer->open, bracket);
    writer->after_value = false;
}

void json_close(struct json_writer *writer, char bracket) {
    assert(innermost(writer) == (bracket == '}' ? '{' : '[') && !writer->after_key);
    string_add_char(&writer->text, bracket);
    writer->open.data[--writer->open.size] = '\0';
    writer->after_value = true;
}

/* Escaped is what JSON wants to have escaped, and what would steer a terminal. */
static void add_escaped(struct string *s, uint32_t character, struct text bytes) {
    if (character == '"' || character == '\\') {
        string_add_char(s, '\\');
        string_add(s, bytes);
    } else if (character == '\n') {
        string_add_of(s, "\\n");
    } else if (utf8_steers(character)) {
        string_addf(s, "\\u%04x", character);
    } else {
        string_add(s, bytes);
    }
}

static size_t plain_run(struct text t) {
    size_t size = 0;
    while (size < t.size && t.data[size] >= ' ' && t.data[size] <= '~' && t.data[size] != '"' &&
           t.data[size] != '\\')
        size++;
    return size;
}

static void add_quoted(struct string *s, struct text t) {
    string_add_char(s, '"');
    while (t.size) {
        size_t size = plain_run(t);
        string_add(s, text_slice(t.data, size));
        t = text_slice(t.data + size, t.size - size);
        if (t.size == 0)
            break;
        uint32_t character;
        size = utf8_read(t, &character);
        if (size)
            add_escaped(s, character, text_slice(t.data, size));
        else
            string_add_of(s, "\xef\xbf\xbd"); /* U+FFFD */
        size += size == 0;
        t = text_slice(t.data + size, t.size - size);
    }
    string_add_char(s, '"');
}

void json_key_text(struct json_writer *writer, struct text key) {
    assert(innermost(writer) == '{' && !writer->after_key);
    if (writer->after_value)
        string_add_char(&writer->text, ',');
    add_quoted(&writer->text, key);
    string_add_char(&writer->text, ':');
    writer->after_key = true;
}

void json_key(struct json_writer *writer, const char *key) {
    json_key_text(writer, text_of(key));
}

void json_string(struct json_writer *writer, struct text t) {
    before_value(writer);
    add_quoted(&writer->text, t);
}

void json_number(struct json_writer *writer, int64_t number) {
    before_value(writer);
    string_addf(&writer->text, "%lld", (long long)number);
}

void json_digits(struct json_writer *writer, struct text digits) {
    assert(digits.size);
    before_value(writer);
    string_add(&writer->text, digits);
}

void json_bool(struct json_writer *writer, bool value) {
    before_value(writer);
    string_add_of(&writer->text, value ? "true" : "false");
}

void json_null(struct json_writer *writer) {
    before_value(writer);
    string_add_of(&writer->text, "null");
}
