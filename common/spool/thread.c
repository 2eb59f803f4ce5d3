#include "spool/thread.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "base/clock.h"
#include "spool/chores.h"
#include "spool/puts.h"

/* ---------------------------------------------------------------- what it tells */

void thread_tell(struct writer *writer, struct news *news) {
    pthread_mutex_lock(&writer->mutex);
    STAILQ_INSERT_TAIL(&writer->news, news, news);
    pthread_mutex_unlock(&writer->mutex);
    wake_ring(writer->wake);
}

void thread_tell_outcome(struct writer *writer, struct put_queue *puts, enum spool_put outcome) {
    struct news *news = news_new(NEWS_BATCH, NULL);
    STAILQ_CONCAT(&news->puts, puts);
    news->outcome = outcome;
    thread_tell(writer, news);
}

void thread_tell_state(struct writer *writer, bool writable, const struct string *why) {
    struct news *news = news_new(NEWS_STATE, why);
    news->writable = writable;
    thread_tell(writer, news);
}

/* ---------------------------------------------------------------- what is next */

enum task {
    TASK_WAIT,
    TASK_WRITE,
    TASK_REFUSE,
    TASK_RETIRE,
    TASK_CHECKPOINT,
    TASK_MEND,
    TASK_PREPARE,
    TASK_REMOVE,
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
    if (writer->remove_wanted)
        return TASK_REMOVE;
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
    bool batch = is_put && (writer->put_count >= THREAD_ENOUGH ||
                            is_due(writer->batch_at_ms, now_ms, until_ms));
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
        [TASK_WRITE] = puts_write,     [TASK_REFUSE] = puts_refuse,
        [TASK_RETIRE] = chores_retire, [TASK_CHECKPOINT] = chores_checkpoint,
        [TASK_MEND] = chores_mend,     [TASK_PREPARE] = chores_prepare,
        [TASK_REMOVE] = chores_remove,
    };
    tasks[task](writer);
    writer->wrote = task == TASK_WRITE;
}

void *thread_run(void *arg) {
    struct writer *writer = arg;
    enum task task;
    while ((task = wait_for_task(writer)) != TASK_END)
        do_task(writer, task);
    chores_close(writer);
    return NULL;
}

bool thread_begin(pthread_t *thread, void *(*run)(void *), void *arg) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(error == 0 || error == EAGAIN);
    return error == 0;
}
