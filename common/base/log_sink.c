#include "base/log_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    PATIENCE_MS = 100,
    /* What was waited is earned again in so many times as long: a reader that is only slow shall
     * not make us as slow as it is. */
    EARNED_IN = 10,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* threads log too */
static bool never_waits;
static bool stuck;             /* the last wait was in vain: nobody waits until somebody reads */
static int64_t spent_until_ms; /* steady time: so far in advance is patience spent */
static struct string begun;    /* a line of which only a part is written */
static size_t begun_at;        /* so much of it */
static uint64_t untold;        /* lines that were lost since this was last said */
static _Atomic uint64_t lost;

void log_sink_never_wait(void) {
    never_waits = true;
}

uint64_t log_sink_lost(void) {
    return lost;
}

/* ---- Waiting ---- */

static bool may_get_stuck(void) {
    struct stat is;
    return fstat(STDERR_FILENO, &is) == 0 && (S_ISFIFO(is.st_mode) || S_ISSOCK(is.st_mode));
}

static bool is_writable_within(int64_t ms) {
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    int ready;
    do
        ready = poll(&out, 1, (int)ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static bool wait_writable(void) {
    int64_t now_ms = clock_steady_ms();
    int64_t spent_ms = spent_until_ms > now_ms ? spent_until_ms - now_ms : 0;
    int64_t patience_ms = stuck ? 0 : PATIENCE_MS - spent_ms / EARNED_IN;
    bool writable = patience_ms > 0 && is_writable_within(patience_ms);
    spent_until_ms = now_ms + spent_ms + (clock_steady_ms() - now_ms) * EARNED_IN;
    return writable;
}

static bool is_writable(void) {
    stuck = !is_writable_within(0) && !wait_writable();
    return !stuck;
}

/* ---- Writing ---- */

/* As far as it goes; what is left is behind it. The descriptor is not ours alone, so it stays a
 * blocking one; but what poll calls writable takes PIPE_BUF bytes at once. */
static bool write_out(struct text *t) {
    bool waits_for_nobody = never_waits && may_get_stuck();
    while (t->size) {
        if (waits_for_nobody && !is_writable())
            return false;
        size_t most = waits_for_nobody && t->size > PIPE_BUF ? PIPE_BUF : t->size;
        ssize_t size = write(STDERR_FILENO, t->data, most);
        if (size == 0 || (size < 0 && errno != EINTR))
            return false;
        if (size > 0)
            *t = text_slice(t->data + size, t->size - (size_t)size);
    }
    return true;
}

static bool finish_begun(void) {
    if (begun_at == begun.size)
        return true;
    struct text left = text_slice(begun.data + begun_at, begun.size - begun_at);
    bool whole = write_out(&left);
    begun_at = begun.size - left.size;
    return whole;
}

/* False: nothing of it was written, nor will be. */
static bool put(struct text line) {
    struct text left = line;
    if (!finish_begun())
        return false;
    string_clear(&begun);
    begun_at = 0;
    if (!write_out(&left) && left.size == line.size)
        return false;
    string_add(&begun, left);
    return true;
}

static bool put_lost(log_sink_tell_fn *tell) {
    struct string line = {0};
    tell(untold, &line);
    if (put(string_text(&line)))
        untold = 0;
    string_finish(&line);
    return untold == 0;
}

void log_sink_write(struct text line, log_sink_tell_fn *tell) {
    pthread_mutex_lock(&lock);
    if ((untold && !put_lost(tell)) || !put(line)) {
        untold++;
        lost++;
    }
    pthread_mutex_unlock(&lock);
}
