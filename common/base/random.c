#include "base/random.h"

#include <assert.h>
#include <sys/random.h>

enum { MOST_DIGITS = 64 };

/* Requests of up to 256 bytes are never cut short once the kernel's pool is up (getrandom(2)). */
static void fill(void *bytes, size_t size) {
    ssize_t got = getrandom(bytes, size, 0);
    assert(got == (ssize_t)size);
}

uint64_t random_bits(void) {
    uint64_t bits;
    fill(&bits, sizeof bits);
    return bits;
}

void random_hex(char *hex, size_t digits) {
    unsigned char bytes[MOST_DIGITS];
    assert(digits <= MOST_DIGITS);
    fill(bytes, digits);
    for (size_t i = 0; i < digits; i++)
        hex[i] = "0123456789abcdef"[bytes[i] & 15];
    hex[digits] = '\0';
}
