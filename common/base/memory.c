#include "base/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *there(void *memory) {
    if (!memory) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *memory_new(size_t bytes) {
    return there(calloc(1, bytes ? bytes : 1));
}

void *memory_resize(void *old, size_t bytes) {
    return there(realloc(old, bytes ? bytes : 1));
}

char *memory_copy(const void *data, size_t bytes) {
    char *copy = memory_new(bytes + 1);
    if (bytes)
        memcpy(copy, data, bytes);
    return copy;
}

void memory_give_back(void) {
    malloc_trim(0);
}
