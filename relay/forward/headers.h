/* The headers of one request, as a list that grows line by line. */
#pragma once
#include "base/text.h"

struct headers {
    struct string lines; /* each with its NUL */
    size_t count;
};

/* One line, "Name: value". */
void headers_add(struct headers *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* NULL-terminated; free() it. Its lines live as long as the headers, and until the next is added.
 */
const char **headers_list(const struct headers *);
void headers_finish(struct headers *);
