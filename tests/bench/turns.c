/* Loaded into a program before its libraries (LD_PRELOAD): how long a turn of its loop takes, from
 * the return of one epoll_wait to the call of the next. $TURNS_FILE holds the count of turns and
 * the longest one in microseconds, as two 64-bit numbers in the machine's byte order. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct turns {
    uint64_t count, longest_us;
};

typedef int wait_fn(int fd, struct epoll_event *events, int most, int timeout_ms);

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static struct turns *turns;

/* Before the program begins, and lays its sandbox around itself. */
__attribute__((constructor)) static void share(void) {
    const char *name = getenv("TURNS_FILE");
    int file = name ? open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (file < 0 || ftruncate(file, sizeof(struct turns)) != 0)
        abort();
    void *mapped = mmap(NULL, sizeof(struct turns), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED)
        abort();
    close(file);
    turns = mapped;
}

int epoll_wait(int fd, struct epoll_event *events, int most, int timeout_ms) {
    static wait_fn *wait;
    static uint64_t since_us;
    if (!wait) {
        void *found = dlsym(RTLD_NEXT, "epoll_wait");
        memcpy(&wait, &found, sizeof wait); /* C has no cast from an object to a function */
    } else {
        uint64_t took_us = now_us() - since_us;
        turns->count++;
        if (took_us > turns->longest_us)
            turns->longest_us = took_us;
    }
    int ready = wait(fd, events, most, timeout_ms);
    since_us = now_us();
    return ready;
}
