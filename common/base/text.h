/* A text is a borrowed run of bytes: a view, never an owner, not NUL-terminated.
 *
 * Whoever hands one out says how long it lives. A string is the owning, growing
 * counterpart; its text is valid until the next call that adds to it. */
#pragma once
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    const char *data;
    size_t size;
};

/* For "%.*s". */
#define TEXT_ARG(t) (int)(t).size, (t).data

struct text text_of(const char *nul_terminated); /* empty for NULL */
struct text text_slice(const char *data, size_t size);
bool text_equal(struct text, struct text);
bool text_is(struct text, const char *nul_terminated);
bool text_is_nocase(struct text, const char *nul_terminated); /* ASCII only */
bool text_starts(struct text, const char *prefix);
struct text text_trim(struct text); /* without blanks and tabs at both ends */
struct text text_cut(struct text *rest,
                     char until); /* up to `until`, which is passed over;
                                     all of it, and rest empty, where it is not */
char *text_copy(struct text);     /* heap, NUL-terminated; free() */

/* Strict decimal: digits only, no sign, no blank, fits. */
bool text_to_uint(struct text, uint64_t most, uint64_t *number);

/* In decimal, standing in `digits`, where a NUL follows it. For where printf would be most of what
 * a number costs. */
enum { TEXT_DIGITS = 21 };
struct text text_of_int(int64_t number, char digits[TEXT_DIGITS]);

struct string {
    char *data; /* NUL-terminated once anything was added */
    size_t size;
    size_t capacity;
};

void string_add(struct string *, struct text);
void string_add_of(struct string *, const char *nul_terminated);
void string_add_char(struct string *, char);
void string_addf(struct string *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void string_vaddf(struct string *, const char *format, va_list)
    __attribute__((format(printf, 2, 0)));
void string_clear(struct string *); /* keeps the memory */
void string_finish(struct string *);
void string_wipe(struct string *); /* the same, and zeros first: of one that held a secret */
struct text string_text(const struct string *);
