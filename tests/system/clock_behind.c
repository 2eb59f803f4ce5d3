/* Preloaded: by the wall it is an hour earlier than it is. */
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t which, struct timespec *now) {
    int status = (int)syscall(SYS_clock_gettime, which, now);
    now->tv_sec -= which == CLOCK_REALTIME ? 3600 : 0;
    return status;
}
