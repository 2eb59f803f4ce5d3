/* What the files of this room that stand on the writer's thread share: its
 * inside. The thread goes from task to task (thread.c): batches (puts.c), because
 * somebody waits for them, and between them chores (chores.c). */
#pragma once
#include <pthread.h>

#include "net/wake.h"
#include "spool/shelf.h"
#include "spool/writer.h"

enum {
    THREAD_AGAIN_MS = 500, /* from one try to the next, where something failed */
    THREAD_ENOUGH = 16,    /* puts that are worth a sync of their own: they do not wait for more */
};

STAILQ_HEAD(news_queue, news);

/* A segment on its way out. */
struct retired {
    STAILQ_ENTRY(retired) retired;
    uint64_t number, last;
    int64_t bytes;
    bool again;
};
STAILQ_HEAD(retired_queue, retired);

struct writer {
    struct writer_options options;
    struct wake *wake;
    pthread_t thread;
    bool begun; /* and not joined since */
    bool stopped;

    pthread_mutex_t mutex;
    pthread_cond_t work;
    /* Under the mutex. */
    bool at_work; /* the thread, and not about to end */
    struct put_queue puts;
    size_t put_count;
    struct retired_queue retired;
    uint64_t drained;
    int64_t drained_ms;
    int64_t others_bytes;
    bool checkpoint_wanted, remove_wanted, stopping;
    bool has_removed; /* or cannot: remove_error */
    int remove_error;
    struct news_queue news;

    /* The thread's own. */
    struct shelf shelf;
    struct checkpoint checkpoint;
    uint64_t last;        /* synced */
    int64_t newest_ms;    /* received, of what is synced */
    int64_t closed_bytes; /* that the newest segment takes; 0: it is still to be written */
    bool broken;
    bool in_doubt; /* a segment was given up: more than is known of may stand in it */
    bool wrote;    /* its last task was a batch: now it is a chore's turn, so that none starves */
    int64_t batch_at_ms, mend_at_ms, prepare_at_ms, tidy_at_ms, space_at_ms; /* not before */
};

void *thread_run(void *writer);
/* Without signals: those are the loop's. False: the system has no thread to give now. */
bool thread_begin(pthread_t *, void *(*run)(void *), void *arg);

/* For the loop, in order. The news is the writer's then. */
void thread_tell(struct writer *, struct news *);
void thread_tell_outcome(struct writer *, struct put_queue *, enum spool_put); /* takes them all */
void thread_tell_state(struct writer *, bool writable, const struct string *why);
