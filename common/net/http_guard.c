#include "net/http_guard.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"

void http_guard_init(struct http_guard *guard, size_t body_limit) {
    *guard = (struct http_guard){.body_limit = body_limit};
}

void http_guard_finish(struct http_guard *guard) {
    string_finish(&guard->head);
    string_finish(&guard->body);
}

/* ---- Characters (RFC 9110, 5.6.2; RFC 3986, 3.2.2) ---- */

static bool is_letter_or_digit(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_token(unsigned char c) {
    return is_letter_or_digit(c) || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* No control bytes: what somebody's log or proxy makes of them is nobody's guess. */
static bool is_value(unsigned char c) {
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static bool is_target(unsigned char c) {
    return c > ' ' && c < 0x7f && c != '#';
}

static bool is_host(unsigned char c) {
    return is_letter_or_digit(c) || (c && strchr("-._~!$&'()*+,;=%:[]", c));
}

static bool all(struct text t, bool (*is)(unsigned char)) {
    for (size_t i = 0; i < t.size; i++)
        if (!is((unsigned char)t.data[i]))
            return false;
    return true;
}

static enum http_guard_verdict refuse(struct http_guard *guard, enum http_fault fault) {
    guard->stage = HTTP_GUARD_FAULTY;
    guard->fault = fault;
    return HTTP_GUARD_REFUSED;
}

/* ---- The head, line by line ---- */

/* METHOD SP /target SP HTTP/1.x, with single blanks and nothing else. */
static bool read_request_line(struct http_guard *guard, struct text line) {
    struct text version = line;
    struct text method = text_cut(&version, ' ');
    struct text target = text_cut(&version, ' ');
    if (method.size == 0 || !all(method, is_token))
        return false;
    if (!text_starts(target, "/") || !all(target, is_target))
        return false;
    if (!text_is(version, "HTTP/1.1") && !text_is(version, "HTTP/1.0"))
        return false;
    guard->version_1_1 = text_is(version, "HTTP/1.1");
    guard->close = !guard->version_1_1;
    guard->method_size = method.size;
    guard->path_size = text_cut(&target, '?').size;
    guard->headers_at = guard->head.size;
    return true;
}

/* A second one is refused even where both say the same: two readers may each
 * believe another one. */
static bool read_content_length(struct http_guard *guard, struct text value) {
    if (guard->has_length)
        return false;
    guard->has_length = true;
    return text_to_uint(value, UINT64_MAX, &guard->length);
}

/* Any coding but `chunked` alone could be framed otherwise by somebody else. */
static bool read_transfer_encoding(struct http_guard *guard, struct text value) {
    if (guard->chunked || !guard->version_1_1)
        return false;
    guard->chunked = true;
    return text_is_nocase(value, "chunked");
}

static bool read_connection(struct http_guard *guard, struct text value) {
    while (value.size)
        if (text_is_nocase(text_trim(text_cut(&value, ',')), "close"))
            guard->close = true;
    return true;
}

/* Only the headers that decide where the request ends, or how we answer. */
static bool read_header(struct http_guard *guard, struct text line) {
    struct text value = line;
    struct text name = text_cut(&value, ':');
    if (name.size == line.size || name.size == 0 || !all(name, is_token) || !all(value, is_value))
        return false; /* no colon, blank before it, folded line */
    value = text_trim(value);
    if (text_is_nocase(name, "content-length"))
        return read_content_length(guard, value);
    if (text_is_nocase(name, "transfer-encoding"))
        return read_transfer_encoding(guard, value);
    if (text_is_nocase(name, "connection"))
        return read_connection(guard, value);
    if (text_is_nocase(name, "host"))
        return ++guard->host_count == 1 && all(value, is_host);
    if (text_is_nocase(name, "expect") && guard->version_1_1)
        guard->expects_continue = text_is_nocase(value, "100-continue");
    return true;
}

/* What only the whole head can tell. */
static enum http_guard_verdict end_head(struct http_guard *guard) {
    if (guard->version_1_1 && guard->host_count == 0)
        return refuse(guard, HTTP_FAULT_MALFORMED);
    if (guard->has_length && guard->chunked)
        return refuse(guard, HTTP_FAULT_MALFORMED);
    if (guard->length > guard->body_limit)
        return refuse(guard, HTTP_FAULT_BODY_TOO_LARGE);
    guard->left = guard->length;
    if (guard->chunked)
        guard->stage = HTTP_GUARD_IN_CHUNK_SIZE;
    else
        guard->stage = guard->length ? HTTP_GUARD_IN_BODY : HTTP_GUARD_DONE;
    return HTTP_GUARD_HEAD;
}

static enum http_guard_verdict skip_empty_line(struct http_guard *guard) {
    string_clear(&guard->head);
    guard->line_at = 0;
    if (++guard->empty_lines > HTTP_GUARD_EMPTY_LINES)
        return refuse(guard, HTTP_FAULT_MALFORMED);
    return HTTP_GUARD_MORE;
}

static enum http_guard_verdict read_line(struct http_guard *guard, struct text line) {
    if (!http_guard_begun(guard) && line.size == 0)
        return skip_empty_line(guard);
    if (line.size == 0)
        return end_head(guard);
    if (guard->headers_at && ++guard->header_count > HTTP_GUARD_HEADERS)
        return refuse(guard, HTTP_FAULT_HEAD_TOO_LARGE);
    bool fine = guard->headers_at ? read_header(guard, line) : read_request_line(guard, line);
    guard->line_at = guard->head.size;
    return fine ? HTTP_GUARD_MORE : refuse(guard, HTTP_FAULT_MALFORMED);
}

/* The line that `head` now ends with, without its CRLF. A bare CR inside is no
 * character of any line; a bare LF would end a line for some readers and not for
 * others. */
static bool last_line(const struct http_guard *guard, struct text *line) {
    size_t size = guard->head.size - guard->line_at;
    *line = text_slice(guard->head.data + guard->line_at, size - 1);
    if (line->size == 0 || line->data[line->size - 1] != '\r')
        return false;
    line->size--;
    return true;
}

static enum http_guard_verdict feed_head(struct http_guard *guard, struct text *input) {
    while (input->size) {
        const char *newline = memchr(input->data, '\n', input->size);
        size_t size = newline ? (size_t)(newline - input->data) + 1 : input->size;
        if (size > HTTP_GUARD_HEAD_BYTES - guard->head.size)
            return refuse(guard, HTTP_FAULT_HEAD_TOO_LARGE);
        string_add(&guard->head, text_slice(input->data, size));
        *input = text_slice(input->data + size, input->size - size);
        if (!newline)
            return HTTP_GUARD_MORE;
        struct text line;
        if (!last_line(guard, &line))
            return refuse(guard, HTTP_FAULT_MALFORMED);
        enum http_guard_verdict verdict = read_line(guard, line);
        if (verdict != HTTP_GUARD_MORE)
            return verdict;
    }
    return HTTP_GUARD_MORE;
}

/* ---- The body ---- */

/* In one piece from the start, so that its bytes are copied once. */
static void reserve_body(struct http_guard *guard) {
    if (guard->body.data)
        return;
    guard->body.capacity = (size_t)guard->length + 1;
    guard->body.data = memory_resize(NULL, guard->body.capacity);
}

static void take_body(struct http_guard *guard, struct text *input, enum http_guard_stage next) {
    size_t size = input->size < guard->left ? input->size : (size_t)guard->left;
    string_add(&guard->body, text_slice(input->data, size));
    *input = text_slice(input->data + size, input->size - size);
    guard->left -= size;
    if (guard->left == 0)
        guard->stage = next;
}

static bool parse_hex(struct text digits, uint64_t *number) {
    *number = 0;
    for (size_t i = 0; i < digits.size; i++) {
        const char *hex = "0123456789abcdef";
        const char *digit = strchr(hex, digits.data[i] | ('A' ^ 'a'));
        if (!is_letter_or_digit((unsigned char)digits.data[i]) || !digit)
            return false;
        *number = *number * 16 + (uint64_t)(digit - hex);
    }
    return digits.size > 0;
}

/* Digits and nothing else: an extension is nobody's need, and a way to hide. */
static enum http_guard_verdict read_chunk_size(struct http_guard *guard, struct text digits) {
    if (!parse_hex(digits, &guard->left))
        return refuse(guard, HTTP_FAULT_MALFORMED);
    if (guard->left > guard->body_limit - guard->body.size)
        return refuse(guard, HTTP_FAULT_BODY_TOO_LARGE);
    guard->stage = guard->left ? HTTP_GUARD_IN_CHUNK : HTTP_GUARD_IN_LAST;
    return HTTP_GUARD_MORE;
}

static enum http_guard_verdict read_chunk_line(struct http_guard *guard, struct text line) {
    if (guard->stage == HTTP_GUARD_IN_CHUNK_SIZE)
        return read_chunk_size(guard, line);
    if (line.size)
        return refuse(guard, HTTP_FAULT_MALFORMED); /* a trailer, or a chunk longer than it said */
    guard->stage = guard->stage == HTTP_GUARD_IN_LAST ? HTTP_GUARD_DONE : HTTP_GUARD_IN_CHUNK_SIZE;
    return HTTP_GUARD_MORE;
}

/* Room for 16 digits, which cannot overflow, and CRLF: what is longer is no line of ours. */
static enum http_guard_verdict take_chunk_line(struct http_guard *guard, struct text *input) {
    char byte = input->data[0];
    *input = text_slice(input->data + 1, input->size - 1);
    if (guard->line_size == sizeof guard->line)
        return refuse(guard, HTTP_FAULT_MALFORMED);
    guard->line[guard->line_size++] = byte;
    if (byte != '\n')
        return HTTP_GUARD_MORE;
    size_t size = guard->line_size;
    guard->line_size = 0;
    if (size < 2 || guard->line[size - 2] != '\r')
        return refuse(guard, HTTP_FAULT_MALFORMED);
    return read_chunk_line(guard, text_slice(guard->line, size - 2));
}

static enum http_guard_verdict feed_body(struct http_guard *guard, struct text *input) {
    switch (guard->stage) {
    case HTTP_GUARD_IN_BODY:
        reserve_body(guard);
        take_body(guard, input, HTTP_GUARD_DONE);
        return HTTP_GUARD_MORE;
    case HTTP_GUARD_IN_CHUNK:
        take_body(guard, input, HTTP_GUARD_IN_CHUNK_END);
        return HTTP_GUARD_MORE;
    default:
        return take_chunk_line(guard, input);
    }
}

enum http_guard_verdict http_guard_feed(struct http_guard *guard, struct text *input) {
    assert(guard->stage != HTTP_GUARD_FAULTY);
    if (guard->stage == HTTP_GUARD_IN_HEAD)
        return feed_head(guard, input);
    while (guard->stage != HTTP_GUARD_DONE && input->size)
        if (feed_body(guard, input) == HTTP_GUARD_REFUSED)
            return HTTP_GUARD_REFUSED;
    return guard->stage == HTTP_GUARD_DONE ? HTTP_GUARD_WHOLE : HTTP_GUARD_MORE;
}

/* ---- What was read ---- */

bool http_guard_begun(const struct http_guard *guard) {
    return guard->headers_at || guard->head.size > 2 ||
           (guard->head.size && guard->head.data[0] != '\r');
}

struct text http_guard_method(const struct http_guard *guard) {
    return text_slice(guard->head.data, guard->method_size);
}

struct text http_guard_path(const struct http_guard *guard) {
    return text_slice(guard->head.data + guard->method_size + 1, guard->path_size);
}

/* The lines were judged as they came, so they are only cut here. */
size_t http_guard_header(const struct http_guard *guard, const char *name, struct text *first,
                         struct text *last) {
    struct text rest = string_text(&guard->head);
    size_t count = 0;
    *first = *last = (struct text){0};
    text_cut(&rest, '\n');
    while (rest.size) {
        struct text value = text_cut(&rest, '\n');
        if (!text_is_nocase(text_cut(&value, ':'), name))
            continue;
        value.size--; /* its CR */
        *last = text_trim(value);
        if (count++ == 0)
            *first = *last;
    }
    return count;
}

struct text http_guard_body(const struct http_guard *guard) {
    return string_text(&guard->body);
}
