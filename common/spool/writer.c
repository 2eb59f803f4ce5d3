#include "spool/writer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/memory.h"
#include "net/wake.h"
#include "spool/batch.h"
#include "spool/shelf.h"

enum {
    PACE_MS = 2,   /* from one sync of a batch to the next, under load */
    AGAIN_MS = 500 /* from one try to the next, where something failed */
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
    struct retired_queue retired;
    uint64_t drained;
    int64_t others_bytes;
    bool checkpoint_wanted, stopping;
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

/* ---------------------------------------------------------------- news */

static void tell(struct writer *writer, struct news *news) {
    pthread_mutex_lock(&writer->mutex);
    STAILQ_INSERT_TAIL(&writer->news, news, news);
    pthread_mutex_unlock(&writer->mutex);
    wake_ring(writer->wake);
}

static struct news *news_of(enum news_kind kind, const struct string *why) {
    struct news *news = memory_new(sizeof *news);
    news->kind = kind;
    STAILQ_INIT(&news->puts);
    if (why)
        string_add(&news->why, string_text(why));
    return news;
}

static void tell_outcome(struct writer *writer, struct put_queue *puts, enum spool_put outcome) {
    struct news *news = news_of(NEWS_BATCH, NULL);
    STAILQ_CONCAT(&news->puts, puts);
    news->outcome = outcome;
    tell(writer, news);
}

static void tell_state(struct writer *writer, bool writable, const struct string *why) {
    struct news *news = news_of(NEWS_STATE, why);
    news->writable = writable;
    tell(writer, news);
}

struct news *writer_take_news(struct writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    struct news *news = STAILQ_FIRST(&writer->news);
    if (news)
        STAILQ_REMOVE_HEAD(&writer->news, news);
    pthread_mutex_unlock(&writer->mutex);
    return news;
}

void news_free(struct news *news) {
    struct put *put;
    while ((put = STAILQ_FIRST(&news->puts))) {
        STAILQ_REMOVE_HEAD(&news->puts, puts);
        free(put);
    }
    string_finish(&news->why);
    free(news);
}

/* ---------------------------------------------------------------- what it is handed */

static void start_thread(struct writer *);

static void hand_over(struct writer *writer) {
    bool at_work = writer->at_work;
    pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->mutex);
    if (!at_work && !writer->stopped)
        start_thread(writer);
}

void writer_put(struct writer *writer, struct put *put) {
    pthread_mutex_lock(&writer->mutex);
    STAILQ_INSERT_TAIL(&writer->puts, put, puts);
    hand_over(writer);
}

/* No work: it is seen with the next, or when the disk is asked again. */
void writer_share(struct writer *writer, int64_t others_bytes) {
    pthread_mutex_lock(&writer->mutex);
    writer->others_bytes = others_bytes;
    pthread_mutex_unlock(&writer->mutex);
}

void writer_checkpoint(struct writer *writer, uint64_t drained) {
    pthread_mutex_lock(&writer->mutex);
    writer->drained = drained;
    writer->checkpoint_wanted = true;
    hand_over(writer);
}

void writer_retire(struct writer *writer, const struct segment *segment) {
    struct retired *retired = memory_new(sizeof *retired);
    *retired = (struct retired){
        .number = segment->number,
        .last = segment->last,
        .bytes = segment->bytes,
        .again = !writer->options.adopted && !segment->given_up,
    };
    pthread_mutex_lock(&writer->mutex);
    STAILQ_INSERT_TAIL(&writer->retired, retired, retired);
    hand_over(writer);
}

/* ---------------------------------------------------------------- the checkpoint, and what may go
 */

static void trouble(struct writer *writer, const struct string *why) {
    writer->tidy_at_ms = clock_steady_ms() + AGAIN_MS;
    tell(writer, news_of(NEWS_TROUBLE, why));
}

/* With all that is to be removed in it, so that one sync will do. */
static bool write_checkpoint(struct writer *writer) {
    struct checkpoint next = writer->checkpoint;
    struct retired *retired;
    pthread_mutex_lock(&writer->mutex);
    writer->checkpoint_wanted = false;
    next.drained = writer->drained;
    STAILQ_FOREACH(retired, &writer->retired, retired) {
        if (retired->last > next.removed)
            next.removed = retired->last;
    }
    pthread_mutex_unlock(&writer->mutex);
    if (writer->last > next.last)
        next.last = writer->last;
    if (writer->shelf.current.used)
        next.newest = writer->shelf.current.number;
    if (writer->closed_bytes) {
        next.newest_bytes = writer->closed_bytes;
        next.newest_ms = writer->newest_ms;
    }
    if (memcmp(&next, &writer->checkpoint, sizeof next) == 0)
        return true;
    const struct writer_options *options = &writer->options;
    if (checkpoint_write(options->disk, options->folder, options->spool, &next) < 0) {
        struct string why = {0};
        string_addf(&why, "cannot write %s/checkpoint: %s", options->folder, strerror(errno));
        trouble(writer, &why);
        string_finish(&why);
        return false;
    }
    writer->checkpoint = next;
    return true;
}

static struct retired *first_retired(struct writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    struct retired *retired = STAILQ_FIRST(&writer->retired);
    pthread_mutex_unlock(&writer->mutex);
    return retired;
}

/* Only after the checkpoint: a segment that is gone and that nobody said might go is an alarm. */
static bool retire_first(struct writer *writer) {
    struct retired *retired = first_retired(writer);
    struct string why = {0};
    if (retired->last > writer->checkpoint.removed && !write_checkpoint(writer))
        return false;
    bool good = shelf_retire(&writer->shelf, retired->number, retired->bytes, retired->again, &why);
    if (good) {
        pthread_mutex_lock(&writer->mutex);
        STAILQ_REMOVE_HEAD(&writer->retired, retired);
        pthread_mutex_unlock(&writer->mutex);
        free(retired);
        writer->prepare_at_ms = writer->mend_at_ms = 0; /* there may be room now */
    } else {
        trouble(writer, &why);
    }
    string_finish(&why);
    return good;
}

static void retire(struct writer *writer) {
    retire_first(writer);
}

/* One that is on its way out comes back quicker than a new one is made. */
static void use_retired(struct writer *writer) {
    while (!shelf_is_ready(&writer->shelf) && first_retired(writer) && retire_first(writer))
        continue;
}

/* ---------------------------------------------------------------- batches */

static struct put *first_put(struct writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    struct put *put = STAILQ_FIRST(&writer->puts);
    pthread_mutex_unlock(&writer->mutex);
    return put;
}

/* All that waits, as far as the current segment takes it. */
static void take_batch(struct writer *writer, struct put_queue *batch, int64_t *bytes) {
    struct put *put;
    *bytes = 0;
    STAILQ_INIT(batch);
    pthread_mutex_lock(&writer->mutex);
    while ((put = STAILQ_FIRST(&writer->puts)) &&
           shelf_takes(&writer->shelf, *bytes + (int64_t)put->bytes)) {
        STAILQ_REMOVE_HEAD(&writer->puts, puts);
        STAILQ_INSERT_TAIL(batch, put, puts);
        *bytes += (int64_t)put->bytes;
    }
    pthread_mutex_unlock(&writer->mutex);
}

static void refuse_all(struct writer *writer) {
    struct put_queue puts = STAILQ_HEAD_INITIALIZER(puts);
    pthread_mutex_lock(&writer->mutex);
    STAILQ_CONCAT(&puts, &writer->puts);
    pthread_mutex_unlock(&writer->mutex);
    if (!STAILQ_EMPTY(&puts))
        tell_outcome(writer, &puts, SPOOL_REFUSED);
}

/* The state before the outcomes: whoever is told "refused" finds a spool that says why. */
static void break_off(struct writer *writer, const struct string *why) {
    writer->broken = true;
    writer->mend_at_ms = clock_steady_ms() + AGAIN_MS;
    tell_state(writer, false, why);
}

static void give_up(struct writer *writer, const struct string *why) {
    writer->in_doubt = true;
    struct news *news = news_of(NEWS_GIVEN_UP, why);
    news->segment.number = writer->shelf.current.number;
    shelf_give_up(&writer->shelf);
    tell(writer, news);
}

static bool write_batch(struct writer *writer, struct put_queue *puts, struct string *why) {
    struct batch batch = {
        .shelf = &writer->shelf,
        .after = writer->last,
        .puts = puts,
    };
    if (!batch_write(&batch, why))
        return false;
    struct news *news = news_of(NEWS_BATCH, NULL);
    news->outcome = SPOOL_SYNCED;
    news->segment = batch.header;
    news->used = writer->shelf.current.used;
    news->sync_us = batch.sync_us;
    writer->last = batch.last;
    if (batch.newest_ms > writer->newest_ms)
        writer->newest_ms = batch.newest_ms;
    STAILQ_CONCAT(&news->puts, puts);
    tell(writer, news);
    return true;
}

/* Into the current segment; where that fails, once more into a fresh one. */
static void write_somewhere(struct writer *writer, struct put_queue *batch, int64_t bytes) {
    struct string why = {0};
    /* Only load is made to wait: a lone put gains nothing by it. */
    bool is_load = STAILQ_NEXT(STAILQ_FIRST(batch), puts) != NULL;
    writer->batch_at_ms = clock_steady_ms() + (is_load ? PACE_MS : 0);
    bool good = write_batch(writer, batch, &why);
    if (!good) {
        give_up(writer, &why);
        good = shelf_turn(&writer->shelf, bytes, &why);
        if (good && !write_batch(writer, batch, &why)) {
            give_up(writer, &why);
            good = false;
        }
    }
    if (!good) {
        break_off(writer, &why);
        tell_outcome(writer, batch, SPOOL_UNKNOWN);
    }
    string_finish(&why);
}

/* A record that is longer than a segment may find no room where others do. */
static void refuse_one(struct writer *writer, struct put *put) {
    struct put_queue puts = STAILQ_HEAD_INITIALIZER(puts);
    pthread_mutex_lock(&writer->mutex);
    STAILQ_REMOVE_HEAD(&writer->puts, puts);
    pthread_mutex_unlock(&writer->mutex);
    STAILQ_INSERT_TAIL(&puts, put, puts);
    tell_outcome(writer, &puts, SPOOL_REFUSED);
}

static bool has_free_space(struct writer *writer, struct string *why) {
    int64_t now_ms = clock_steady_ms();
    if (now_ms < writer->space_at_ms)
        return true;
    if (!shelf_has_free_space(&writer->shelf, 0, why))
        return false;
    writer->space_at_ms = now_ms + AGAIN_MS;
    return true;
}

static bool find_place(struct writer *writer, int64_t bytes, struct string *why) {
    if (!has_free_space(writer, why))
        return false;
    if (shelf_takes(&writer->shelf, bytes))
        return true;
    use_retired(writer);
    return shelf_turn(&writer->shelf, bytes, why);
}

static void write_puts(struct writer *writer) {
    struct string why = {0};
    struct put *put = first_put(writer);
    struct put_queue batch;
    int64_t bytes = (int64_t)put->bytes;
    bool is_long = SEGMENT_HEADER + bytes > writer->options.segment_bytes;
    if (find_place(writer, bytes, &why)) {
        take_batch(writer, &batch, &bytes);
        write_somewhere(writer, &batch, bytes);
    } else if (is_long && shelf_is_ready(&writer->shelf)) {
        refuse_one(writer, put);
    } else {
        break_off(writer, &why);
    }
    string_finish(&why);
}

/* ---------------------------------------------------------------- between batches */

/* A new segment that can be filled and synced is the proof that the disk works again. */
static void mend(struct writer *writer) {
    struct string why = {0};
    bool good = shelf_has_free_space(&writer->shelf, 0, &why);
    while (good && !shelf_is_ready(&writer->shelf))
        good = shelf_prepare(&writer->shelf, &why);
    if (good) {
        writer->broken = false;
        tell_state(writer, true, NULL);
    } else {
        writer->mend_at_ms = clock_steady_ms() + AGAIN_MS;
        tell_state(writer, false, &why); /* the reason may be another now */
    }
    string_finish(&why);
}

/* Where it fails now, it may still come in time; whoever needs it will say what is wrong. */
static void prepare(struct writer *writer) {
    struct string why = {0};
    if (!shelf_prepare(&writer->shelf, &why))
        writer->prepare_at_ms = clock_steady_ms() + AGAIN_MS;
    string_finish(&why);
}

static void checkpoint(struct writer *writer) {
    if (write_checkpoint(writer))
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->checkpoint_wanted = true;
    pthread_mutex_unlock(&writer->mutex);
}

/* ---------------------------------------------------------------- the thread */

enum task {
    TASK_WAIT,
    TASK_WRITE,
    TASK_REFUSE,
    TASK_RETIRE,
    TASK_CHECKPOINT,
    TASK_MEND,
    TASK_PREPARE,
    TASK_END,
};

static bool is_due(int64_t at_ms, int64_t now_ms, int64_t *until_ms) {
    if (at_ms <= now_ms)
        return true;
    if (at_ms < *until_ms)
        *until_ms = at_ms;
    return false;
}

/* Under the mutex, as is next_task. */
static enum task next_chore(const struct writer *writer, int64_t now_ms, int64_t *until_ms) {
    if (!STAILQ_EMPTY(&writer->retired) && is_due(writer->tidy_at_ms, now_ms, until_ms))
        return TASK_RETIRE;
    if (writer->stopping)
        return TASK_WAIT;
    if (writer->checkpoint_wanted && is_due(writer->tidy_at_ms, now_ms, until_ms))
        return TASK_CHECKPOINT;
    if (writer->broken)
        return is_due(writer->mend_at_ms, now_ms, until_ms) ? TASK_MEND : TASK_WAIT;
    if (!writer->options.adopted && !shelf_is_ready(&writer->shelf) &&
        is_due(writer->prepare_at_ms, now_ms, until_ms))
        return TASK_PREPARE;
    return TASK_WAIT;
}

/* Batches first: somebody waits for them. But under load there is always one, and without chores
 * the next segment would have to be made while they wait. */
static enum task next_task(const struct writer *writer, int64_t now_ms, int64_t *until_ms) {
    bool is_put = !STAILQ_EMPTY(&writer->puts);
    *until_ms = INT64_MAX;
    if (is_put && writer->broken)
        return TASK_REFUSE;
    bool batch = is_put && is_due(writer->batch_at_ms, now_ms, until_ms);
    if (batch && !writer->wrote)
        return TASK_WRITE;
    enum task chore = next_chore(writer, now_ms, until_ms);
    if (chore != TASK_WAIT)
        return chore;
    if (batch)
        return TASK_WRITE;
    bool idle = writer->options.adopted && *until_ms == INT64_MAX;
    /* What cannot be removed now is found by the next start. */
    return (writer->stopping || idle) && !is_put ? TASK_END : TASK_WAIT;
}

static void wait_for_work(struct writer *writer, int64_t until_ms) {
    if (until_ms == INT64_MAX) {
        pthread_cond_wait(&writer->work, &writer->mutex);
        return;
    }
    /* clock_steady_ms is this clock too, cut off: up to 1 ms later is late enough. */
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    pthread_cond_timedwait(&writer->work, &writer->mutex, &until);
}

static enum task wait_for_task(struct writer *writer) {
    enum task task;
    int64_t until_ms;
    pthread_mutex_lock(&writer->mutex);
    while ((task = next_task(writer, clock_steady_ms(), &until_ms)) == TASK_WAIT)
        wait_for_work(writer, until_ms);
    writer->shelf.others_bytes = writer->others_bytes;
    if (task == TASK_END)
        writer->at_work = false;
    pthread_mutex_unlock(&writer->mutex);
    return task;
}

static void do_task(struct writer *writer, enum task task) {
    static void (*const tasks[])(struct writer *) = {
        [TASK_WRITE] = write_puts,      [TASK_REFUSE] = refuse_all, [TASK_RETIRE] = retire,
        [TASK_CHECKPOINT] = checkpoint, [TASK_MEND] = mend,         [TASK_PREPARE] = prepare,
    };
    tasks[task](writer);
    writer->wrote = task == TASK_WRITE;
}

/* It is never written again: the next start need not read what was drained. */
static void close_spool(struct writer *writer) {
    if (writer->options.adopted || writer->in_doubt || !writer->shelf.current.used)
        return;
    writer->closed_bytes = shelf_put_away(&writer->shelf);
}

static void *run(void *arg) {
    struct writer *writer = arg;
    enum task task;
    while ((task = wait_for_task(writer)) != TASK_END)
        do_task(writer, task);
    close_spool(writer);
    write_checkpoint(writer);
    return NULL;
}

/* ---------------------------------------------------------------- from start to end */

static void prepare_to_wait(struct writer *writer) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->work, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&writer->mutex, NULL);
}

static void join_thread(struct writer *writer) {
    if (writer->begun)
        pthread_join(writer->thread, NULL);
    writer->begun = false;
}

/* Signals are the loop's. */
static void start_thread(struct writer *writer) {
    sigset_t all, before;
    join_thread(writer); /* it has ended, or is about to */
    writer->begun = writer->at_work = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(error == 0);
}

struct writer *writer_start(struct loop *loop, const struct writer_options *options) {
    struct writer *writer = memory_new(sizeof *writer);
    writer->options = *options;
    writer->checkpoint = options->checkpoint;
    writer->drained = options->checkpoint.drained;
    writer->last = options->checkpoint.last;
    writer->others_bytes = options->others_bytes;
    STAILQ_INIT(&writer->puts);
    STAILQ_INIT(&writer->retired);
    STAILQ_INIT(&writer->news);
    writer->shelf = (struct shelf){
        .disk = options->disk,
        .folder = options->folder,
        .spool = options->spool,
        .segment_bytes = options->segment_bytes,
        .least_free_bytes = options->least_free_bytes,
        .room = options->max_bytes,
        .others_bytes = options->others_bytes,
        .next_number = 1,
    };
    shelf_init(&writer->shelf);
    writer->wake = wake_create(loop, options->on_news, options->arg);
    prepare_to_wait(writer);
    if (!options->adopted)
        start_thread(writer);
    return writer;
}

void writer_stop(struct writer *writer) {
    writer->stopped = true;
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    hand_over(writer);
    join_thread(writer);
}

void writer_destroy(struct writer *writer) {
    if (!writer)
        return;
    writer_stop(writer);
    struct news *news;
    while ((news = writer_take_news(writer)))
        news_free(news);
    struct retired *retired;
    while ((retired = STAILQ_FIRST(&writer->retired))) {
        STAILQ_REMOVE_HEAD(&writer->retired, retired);
        free(retired);
    }
    assert(STAILQ_EMPTY(&writer->puts));
    shelf_finish(&writer->shelf);
    wake_destroy(writer->wake);
    pthread_cond_destroy(&writer->work);
    pthread_mutex_destroy(&writer->mutex);
    free(writer);
}
