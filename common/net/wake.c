#include "net/wake.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"

struct wake {
    struct event *event;
    int file;
    loop_fn *fn;
    void *arg;
};

static void on_ring(evutil_socket_t file, short what, void *arg) {
    struct wake *wake = arg;
    uint64_t rings;
    (void)what;
    /* Emptied before the call: what is asked for during it is asked for anew. */
    ssize_t got = read(file, &rings, sizeof rings);
    if (got == (ssize_t)sizeof rings)
        wake->fn(wake->arg);
}

struct wake *wake_create(struct loop *loop, loop_fn *fn, void *arg) {
    struct wake *wake = memory_new(sizeof *wake);
    wake->file = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert(wake->file >= 0);
    wake->fn = fn;
    wake->arg = arg;
    wake->event = event_new(loop_base(loop), wake->file, EV_READ | EV_PERSIST, on_ring, wake);
    assert(wake->event);
    event_add(wake->event, NULL);
    return wake;
}

void wake_ring(struct wake *wake) {
    uint64_t one = 1;
    ssize_t put = write(wake->file, &one, sizeof one);
    /* EAGAIN: it has rung so often that it cannot be overheard. */
    assert(put == (ssize_t)sizeof one || errno == EAGAIN);
}

void wake_destroy(struct wake *wake) {
    if (!wake)
        return;
    event_free(wake->event);
    close(wake->file);
    free(wake);
}
