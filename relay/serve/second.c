#include "serve/second.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/memory.h"
#include "kula/canonical.h"

enum {
    /* What a reading costs besides the body's bytes, as if it were some. */
    BESIDES_BYTES = 4096,
    TURN_BYTES = CANONICAL_MOST + BESIDES_BYTES,
    STRANGERS_MS = 1000, /* while they wait, their connections cannot be displaced */
    PROVED_MS = 4000, /* half of what a delivery has in all: a proxy's connection is everybody's */
};

struct waiter {
    STAILQ_ENTRY(waiter) next;
    size_t cost_bytes;
    int64_t until_ms; /* steady */
    second_fn *fn;
    void *arg;
};
STAILQ_HEAD(waiters, waiter); /* the longest waiting one first */

struct second {
    struct waiters proved, strangers;
    struct loop_timer *turn;
};

static struct waiters *next_line(struct second *second) {
    return STAILQ_EMPTY(&second->proved) ? &second->strangers : &second->proved;
}

/* Off its line first: whoever is called may come back. */
static void call_first(struct waiters *waiters, bool in_time) {
    struct waiter *waiter = STAILQ_FIRST(waiters);
    STAILQ_REMOVE_HEAD(waiters, next);
    waiter->fn(waiter->arg, in_time);
    free(waiter);
}

static void pass_over(struct waiters *waiters) {
    int64_t now_ms = clock_steady_ms();
    while (!STAILQ_EMPTY(waiters) && STAILQ_FIRST(waiters)->until_ms <= now_ms)
        call_first(waiters, false);
}

/* Late is only who could not be read in this turn either: it may be we who stood still. */
static void on_turn(void *arg) {
    struct second *second = arg;
    struct waiters *line;
    size_t left_bytes = TURN_BYTES;
    while ((line = next_line(second), !STAILQ_EMPTY(line)) &&
           STAILQ_FIRST(line)->cost_bytes <= left_bytes) {
        left_bytes -= STAILQ_FIRST(line)->cost_bytes;
        call_first(line, true);
    }
    pass_over(&second->proved);
    pass_over(&second->strangers);
    if (!STAILQ_EMPTY(next_line(second)))
        loop_timer_set(second->turn, 0);
}

void second_wait(struct second *second, size_t body_bytes, bool proved, second_fn *fn, void *arg) {
    struct waiter *waiter = memory_new(sizeof *waiter);
    assert(body_bytes <= CANONICAL_MOST);
    *waiter = (struct waiter){
        .cost_bytes = body_bytes + BESIDES_BYTES,
        .until_ms = clock_steady_ms() + (proved ? PROVED_MS : STRANGERS_MS),
        .fn = fn,
        .arg = arg,
    };
    if (proved)
        STAILQ_INSERT_TAIL(&second->proved, waiter, next);
    else
        STAILQ_INSERT_TAIL(&second->strangers, waiter, next);
    loop_timer_set(second->turn, 0);
}

/* ---- Its life ---- */

struct second *second_create(struct loop *loop) {
    struct second *second = memory_new(sizeof *second);
    STAILQ_INIT(&second->proved);
    STAILQ_INIT(&second->strangers);
    second->turn = loop_timer_create(loop, on_turn, second);
    return second;
}

static void forget(struct waiters *waiters) {
    struct waiter *waiter;
    while ((waiter = STAILQ_FIRST(waiters))) {
        STAILQ_REMOVE_HEAD(waiters, next);
        free(waiter);
    }
}

void second_destroy(struct second *second) {
    if (!second)
        return;
    forget(&second->proved);
    forget(&second->strangers);
    loop_timer_destroy(second->turn);
    free(second);
}
