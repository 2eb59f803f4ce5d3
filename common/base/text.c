#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

struct text text_of(const char *nul_terminated) {
    return (struct text){nul_terminated, nul_terminated ? strlen(nul_terminated) : 0};
}

struct text text_slice(const char *data, size_t size) {
    return (struct text){data, size};
}

bool text_equal(struct text a, struct text b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool text_is(struct text t, const char *nul_terminated) {
    return text_equal(t, text_of(nul_terminated));
}

bool text_is_nocase(struct text t, const char *nul_terminated) {
    return t.size == strlen(nul_terminated) &&
           (t.size == 0 || strncasecmp(t.data, nul_terminated, t.size) == 0);
}

bool text_starts(struct text t, const char *prefix) {
    size_t size = strlen(prefix);
    return t.size >= size && (size == 0 || memcmp(t.data, prefix, size) == 0);
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

struct text text_trim(struct text t) {
    while (t.size && is_blank(t.data[0])) {
        t.data++;
        t.size--;
    }
    while (t.size && is_blank(t.data[t.size - 1]))
        t.size--;
    return t;
}

struct text text_cut(struct text *rest, char until) {
    const char *at = rest->size ? memchr(rest->data, until, rest->size) : NULL;
    struct text head = *rest;
    if (!at) {
        *rest = (struct text){0};
        return head;
    }
    head.size = (size_t)(at - rest->data);
    *rest = text_slice(at + 1, rest->size - head.size - 1);
    return head;
}

char *text_copy(struct text t) {
    return memory_copy(t.data, t.size);
}

bool text_to_uint(struct text t, uint64_t most, uint64_t *number) {
    uint64_t sum = 0;
    if (t.size == 0)
        return false;
    for (size_t i = 0; i < t.size; i++) {
        if (t.data[i] < '0' || t.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(t.data[i] - '0');
        if (digit > most || sum > (most - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *number = sum;
    return true;
}

struct text text_of_int(int64_t number, char digits[TEXT_DIGITS]) {
    uint64_t left = number < 0 ? -(uint64_t)number : (uint64_t)number;
    size_t at = TEXT_DIGITS - 1;
    digits[at] = '\0';
    do
        digits[--at] = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        digits[--at] = '-';
    return text_slice(digits + at, TEXT_DIGITS - 1 - at);
}

static void make_room(struct string *s, size_t more) {
    size_t needed = s->size + more + 1;
    if (needed <= s->capacity)
        return;
    size_t capacity = s->capacity ? s->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    s->data = memory_resize(s->data, capacity);
    s->capacity = capacity;
}

void string_add(struct string *s, struct text t) {
    make_room(s, t.size);
    if (t.size)
        memcpy(s->data + s->size, t.data, t.size);
    s->size += t.size;
    s->data[s->size] = '\0';
}

void string_add_of(struct string *s, const char *nul_terminated) {
    string_add(s, text_of(nul_terminated));
}

void string_add_char(struct string *s, char c) {
    string_add(s, text_slice(&c, 1));
}

void string_addf(struct string *s, const char *format, ...) {
    va_list args;
    va_start(args, format);
    string_vaddf(s, format, args);
    va_end(args);
}

void string_vaddf(struct string *s, const char *format, va_list args) {
    va_list again;
    va_copy(again, args);
    /* Most often what is there already is room enough, and once is all. */
    size_t room = s->capacity - s->size;
    int size = vsnprintf(s->data ? s->data + s->size : NULL, room, format, args);
    if (size > 0 && (size_t)size >= room) {
        make_room(s, (size_t)size);
        vsnprintf(s->data + s->size, (size_t)size + 1, format, again);
    }
    if (size > 0)
        s->size += (size_t)size;
    va_end(again);
}

void string_clear(struct string *s) {
    s->size = 0;
    if (s->data)
        s->data[0] = '\0';
}

void string_finish(struct string *s) {
    free(s->data);
    *s = (struct string){0};
}

void string_wipe(struct string *s) {
    if (s->data)
        explicit_bzero(s->data, s->capacity);
    string_finish(s);
}

struct text string_text(const struct string *s) {
    return text_slice(s->data, s->size);
}
