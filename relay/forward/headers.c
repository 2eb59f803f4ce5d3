#include "forward/headers.h"

#include <string.h>

#include "base/memory.h"

void headers_add(struct headers *headers, const char *format, ...) {
    va_list args;
    va_start(args, format);
    string_vaddf(&headers->lines, format, args);
    va_end(args);
    string_add_char(&headers->lines, '\0');
    headers->count++;
}

const char **headers_list(const struct headers *headers) {
    const char **list = memory_new((headers->count + 1) * sizeof *list);
    const char *line = headers->lines.data;
    for (size_t i = 0; i < headers->count; i++, line += strlen(line) + 1)
        list[i] = line;
    return list;
}

void headers_finish(struct headers *headers) {
    string_finish(&headers->lines);
}
