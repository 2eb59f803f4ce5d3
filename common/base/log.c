/* Makes lines: splits the format, fills in the values, escapes.
 *
 * First the format is split into parts: the message, then each "name=value". A
 * part's values are put in only then, so no value can make a part. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log_sink.h"
#include "base/utf8.h"

enum { VALUE_MOST = 2000 }; /* a stranger's path may be long; a line stays readable */

static const char *program_name = "kula-relay";
static _Atomic enum log_level least = LOG_LEVEL_INFO; /* threads log too */
static enum log_format format_wanted = LOG_FORMAT_AUTO;

const char *log_level_name(enum log_level level) {
    static const char *const names[] = {[LOG_LEVEL_DEBUG] = "debug",
                                        [LOG_LEVEL_INFO] = "info",
                                        [LOG_LEVEL_WARNING] = "warning",
                                        [LOG_LEVEL_ERROR] = "error"};
    return names[level];
}

void log_start(const char *program, enum log_level level, enum log_format format) {
    program_name = program;
    format_wanted = format;
    log_set_level(level);
}

void log_set_level(enum log_level level) {
    least = level;
}

struct walk {
    struct text rest; /* of the format */
    va_list args;
    bool lost; /* after a conversion that is not ours, nobody knows where the next value is */
};

/* The size of the "name=" that the text begins with, without its "="; 0 where it does not. */
static size_t name_size(struct text t) {
    size_t size = 0;
    while (size < t.size && ((t.data[size] >= 'a' && t.data[size] <= 'z') ||
                             (t.data[size] >= '0' && t.data[size] <= '9') || t.data[size] == '_'))
        size++;
    return size < t.size && t.data[size] == '=' ? size : 0;
}

/* Up to the blank before the next "name=". */
static struct text take_part(struct walk *walk) {
    struct text part = walk->rest;
    for (size_t i = 0; i < part.size; i++) {
        if (part.data[i] != ' ')
            continue;
        struct text behind = text_slice(part.data + i + 1, part.size - i - 1);
        if (name_size(behind)) {
            walk->rest = behind;
            return text_slice(part.data, i);
        }
    }
    walk->rest = (struct text){0};
    return part;
}

/* Up to the first field; empty where the format begins with one. */
static struct text take_message(struct walk *walk) {
    struct text none = {0};
    return name_size(walk->rest) ? none : take_part(walk);
}

struct conversion {
    int precision; /* -1: none */
    char length;   /* l, z or j; L for ll; 0 for none */
    char kind;
};

static bool take_char(struct text *t, char c) {
    if (t->size == 0 || t->data[0] != c)
        return false;
    *t = text_slice(t->data + 1, t->size - 1);
    return true;
}

/* What stands behind the "%". */
static struct conversion take_conversion(struct text *part, struct walk *walk) {
    struct conversion conversion = {.precision = -1};
    if (take_char(part, '.') && take_char(part, '*') && !walk->lost)
        conversion.precision = va_arg(walk->args, int);
    for (const char *length = "lzj"; *length; length++)
        if (take_char(part, *length))
            conversion.length = *length;
    if (conversion.length == 'l' && take_char(part, 'l'))
        conversion.length = 'L';
    if (part->size) {
        conversion.kind = part->data[0];
        take_char(part, conversion.kind);
    }
    return conversion;
}

static void add_string(const char *value, int precision, struct string *s) {
    if (precision < 0)
        string_add_of(s, value ? value : "(null)");
    else if (precision > 0 && value)
        string_add(s, text_slice(value, strnlen(value, (size_t)precision)));
}

static void add_signed(struct walk *walk, char length, struct string *s) {
    long long value = length == 'L'   ? va_arg(walk->args, long long)
                      : length == 'l' ? va_arg(walk->args, long)
                      : length == 'z' ? va_arg(walk->args, ssize_t)
                      : length == 'j' ? va_arg(walk->args, intmax_t)
                                      : va_arg(walk->args, int);
    string_addf(s, "%lld", value);
}

static void add_unsigned(struct walk *walk, char length, struct string *s) {
    unsigned long long value = length == 'L'   ? va_arg(walk->args, unsigned long long)
                               : length == 'l' ? va_arg(walk->args, unsigned long)
                               : length == 'z' ? va_arg(walk->args, size_t)
                               : length == 'j' ? va_arg(walk->args, uintmax_t)
                                               : va_arg(walk->args, unsigned);
    string_addf(s, "%llu", value);
}

/* True where a number was added. */
static bool add_converted(struct walk *walk, struct conversion conversion, struct string *s) {
    walk->lost = walk->lost || !conversion.kind || !strchr("sdiu%", conversion.kind);
    if (conversion.kind == '%')
        string_add_char(s, '%');
    else if (walk->lost)
        string_add_char(s, '?'); /* our mistake, but a line half told is better than a crash */
    else if (conversion.kind == 's')
        add_string(va_arg(walk->args, const char *), conversion.precision, s);
    else if (conversion.kind == 'u')
        add_unsigned(walk, conversion.length, s);
    else
        add_signed(walk, conversion.length, s);
    return !walk->lost && conversion.kind != 's' && conversion.kind != '%';
}

static void shorten(struct string *value) {
    if (value->size <= VALUE_MOST)
        return;
    value->size = VALUE_MOST;
    while (value->size && (value->data[value->size] & 0xc0) == 0x80)
        value->size--; /* not within a character */
    string_add_of(value, "...");
}

/* True where the value is one number and nothing else. */
static bool fill_in(struct text part, struct walk *walk, struct string *value) {
    bool number = part.size && part.data[0] == '%';
    string_clear(value);
    while (part.size) {
        if (take_char(&part, '%')) {
            number &= add_converted(walk, take_conversion(&part, walk), value);
            number &= part.size == 0;
        } else {
            string_add_char(value, part.data[0]);
            take_char(&part, part.data[0]);
        }
    }
    shorten(value);
    return number;
}

/* As text, for people. */

static void add_visible(struct text t, struct string *line) {
    while (t.size) {
        uint32_t character = 0;
        size_t size = utf8_read(t, &character);
        if (character == '"' || character == '\\')
            string_addf(line, "\\%c", (char)character);
        else if (character == '\n')
            string_add_of(line, "\\n");
        else if (size && !utf8_steers(character))
            string_add(line, text_slice(t.data, size));
        else
            for (size_t i = 0; i < size + !size; i++)
                string_addf(line, "\\x%02x", (unsigned char)t.data[i]);
        size += size == 0;
        t = text_slice(t.data + size, t.size - size);
    }
}

static bool wants_quotes(struct text t) {
    size_t at = 0;
    while (at < t.size) {
        uint32_t character = 0;
        size_t size = utf8_read(text_slice(t.data + at, t.size - at), &character);
        if (size == 0 || utf8_steers(character) || character == ' ' || character == '"' ||
            character == '=' || character == '\\')
            break;
        at += size;
    }
    return t.size == 0 || at < t.size;
}

static void add_value(struct text value, struct string *line) {
    const char *quote = wants_quotes(value) ? "\"" : "";
    string_add_of(line, quote);
    add_visible(value, line);
    string_add_of(line, quote);
}

/* UTC in both forms, so that a person's line and a program's can be laid side by side. */
static void add_time(struct string *s) {
    int64_t now_ms = clock_wall_ms();
    time_t now = (time_t)(now_ms / 1000);
    struct tm utc;
    char text[32];
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    string_addf(s, "%s.%03d", text, (int)(now_ms % 1000));
}

static void write_text(enum log_level level, struct walk *walk, struct string *line) {
    struct string value = {0};
    add_time(&value);
    struct text time = string_text(&value);
    text_cut(&time, 'T');
    string_addf(line, "%.*s %-5s ", TEXT_ARG(time), log_level_name(level));
    fill_in(take_message(walk), walk, &value);
    add_visible(string_text(&value), line);
    string_add_of(line, value.size && walk->rest.size ? " " : "");
    while (walk->rest.size) {
        struct text part = take_part(walk);
        struct text name = text_cut(&part, '=');
        fill_in(part, walk, &value);
        string_addf(line, "%.*s=", TEXT_ARG(name));
        add_value(string_text(&value), line);
        string_add_of(line, walk->rest.size ? " " : "");
    }
    string_finish(&value);
}

/* As JSON, for programs. */

static void write_head(struct json_writer *json, enum log_level level, struct string *value) {
    add_time(value);
    string_add_char(value, 'Z');
    json_key(json, "time");
    json_string(json, string_text(value));
    json_key(json, "level");
    json_string(json, text_of(log_level_name(level)));
    json_key(json, "program");
    json_string(json, text_of(program_name));
    json_key(json, "message");
}

static void write_json(enum log_level level, struct walk *walk, struct string *line) {
    struct json_writer *json = json_writer_create();
    struct string value = {0};
    json_open(json, '{');
    write_head(json, level, &value);
    fill_in(take_message(walk), walk, &value);
    json_string(json, string_text(&value));
    while (walk->rest.size) {
        struct text part = take_part(walk);
        json_key_text(json, text_cut(&part, '='));
        if (fill_in(part, walk, &value))
            json_digits(json, string_text(&value));
        else
            json_string(json, string_text(&value));
    }
    json_close(json, '}');
    string_add(line, json_writer_text(json));
    string_finish(&value);
    json_writer_destroy(json);
}

static bool as_text(void) {
    return format_wanted == LOG_FORMAT_TEXT ||
           (format_wanted == LOG_FORMAT_AUTO && isatty(STDERR_FILENO));
}

static void compose(struct string *line, enum log_level level, const char *format, va_list args) {
    struct walk walk = {.rest = text_of(format)};
    va_copy(walk.args, args);
    if (as_text())
        write_text(level, &walk, line);
    else
        write_json(level, &walk, line);
    va_end(walk.args);
    string_add_char(line, '\n');
}

__attribute__((format(printf, 3, 4))) static void
compose_of(struct string *line, enum log_level level, const char *format, ...) {
    va_list args;
    va_start(args, format);
    compose(line, level, format, args);
    va_end(args);
}

static void tell_lost(uint64_t lost, struct string *line) {
    compose_of(line, LOG_LEVEL_WARNING, "log lines lost, nobody read stderr count=%" PRIu64, lost);
}

void log_line(enum log_level level, const char *format, va_list args) {
    if (level < least)
        return;
    int error = errno; /* the caller may want to look at it after logging */
    struct string line = {0};
    compose(&line, level, format, args);
    log_sink_write(string_text(&line), tell_lost);
    string_finish(&line);
    errno = error;
}

void log_debug(const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_DEBUG, format, args);
    va_end(args);
}

void log_info(const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_INFO, format, args);
    va_end(args);
}

void log_warning(const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_WARNING, format, args);
    va_end(args);
}

void log_error(const char *format, ...) {
    va_list args;
    va_start(args, format);
    log_line(LOG_LEVEL_ERROR, format, args);
    va_end(args);
}
