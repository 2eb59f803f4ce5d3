#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t which) {
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_ms(void) {
    return read_us(CLOCK_REALTIME) / 1000;
}

int64_t clock_steady_us(void) {
    return read_us(CLOCK_MONOTONIC);
}

int64_t clock_steady_ms(void) {
    return clock_steady_us() / 1000;
}

int64_t clock_elapsed_ms(void) {
    return read_us(CLOCK_BOOTTIME) / 1000;
}
