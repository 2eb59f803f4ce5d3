/* Numbers as they stand on disk: little-endian, wherever they begin. And what was never written. */
#pragma once
#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void bytes_put_32(char *to, uint32_t number) {
    number = htole32(number);
    memcpy(to, &number, sizeof number);
}

static inline void bytes_put_64(char *to, uint64_t number) {
    number = htole64(number);
    memcpy(to, &number, sizeof number);
}

static inline uint32_t bytes_get_32(const char *from) {
    uint32_t number;
    memcpy(&number, from, sizeof number);
    return le32toh(number);
}

static inline uint64_t bytes_get_64(const char *from) {
    uint64_t number;
    memcpy(&number, from, sizeof number);
    return le64toh(number);
}

static inline bool bytes_are_zero(const char *from, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (from[i])
            return false;
    return true;
}
