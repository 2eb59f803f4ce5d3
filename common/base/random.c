#include "base/random.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

enum {
    MOST_DIGITS = 64,
    /* Requests of up to 256 bytes are never cut short once the kernel's pool is up (getrandom(2)).
     */
    POOL = 256,
};

/* One question to the kernel for many draws: an attempt alone makes three. A child that went on
 * without exec would draw the same bits; we have none. */
static _Thread_local struct {
    unsigned char bytes[POOL];
    size_t left;
} pool;

static void draw(void *bytes, size_t size) {
    if (pool.left < size) {
        ssize_t got = getrandom(pool.bytes, POOL, 0);
        assert(got == POOL);
        pool.left = POOL;
    }
    pool.left -= size;
    memcpy(bytes, pool.bytes + pool.left, size);
    memset(pool.bytes + pool.left, 0, size);
}

uint64_t random_bits(void) {
    uint64_t bits;
    draw(&bits, sizeof bits);
    return bits;
}

void random_hex(char *hex, size_t digits) {
    unsigned char bytes[MOST_DIGITS];
    assert(digits <= MOST_DIGITS);
    draw(bytes, digits);
    for (size_t i = 0; i < digits; i++)
        hex[i] = "0123456789abcdef"[bytes[i] & 15];
    hex[digits] = '\0';
}
