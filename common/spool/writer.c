#include "spool/writer.h"

#include <assert.h>
#include <stdlib.h>

#include "base/memory.h"
#include "spool/thread.h"

/* ---------------------------------------------------------------- news */

struct news *news_new(enum news_kind kind, const struct string *why) {
    struct news *news = memory_new(sizeof *news);
    news->kind = kind;
    STAILQ_INIT(&news->puts);
    if (why)
        string_add(&news->why, string_text(why));
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

struct news *writer_take_news(struct writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    struct news *news = STAILQ_FIRST(&writer->news);
    if (news)
        STAILQ_REMOVE_HEAD(&writer->news, news);
    pthread_mutex_unlock(&writer->mutex);
    return news;
}

/* ---------------------------------------------------------------- what it is handed */

static void start_thread(struct writer *);

static bool has_work(const struct writer *writer) {
    return !STAILQ_EMPTY(&writer->puts) || !STAILQ_EMPTY(&writer->retired) ||
           writer->checkpoint_wanted || writer->remove_wanted;
}

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
    writer->put_count++;
    /* What comes behind the first is found with it: the thread is not woken for each. */
    if (writer->put_count == 1 || writer->put_count == THREAD_ENOUGH)
        hand_over(writer);
    else
        pthread_mutex_unlock(&writer->mutex);
}

void writer_go_on(struct writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    if (has_work(writer))
        hand_over(writer);
    else
        pthread_mutex_unlock(&writer->mutex);
}

/* No work: it is seen with the next, or when the disk is asked again. */
void writer_share(struct writer *writer, int64_t others_bytes) {
    pthread_mutex_lock(&writer->mutex);
    writer->others_bytes = others_bytes;
    pthread_mutex_unlock(&writer->mutex);
}

void writer_checkpoint(struct writer *writer, uint64_t drained, int64_t drained_ms) {
    pthread_mutex_lock(&writer->mutex);
    writer->drained = drained;
    writer->drained_ms = drained_ms;
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

void writer_remove(struct writer *writer) {
    pthread_mutex_lock(&writer->mutex);
    writer->remove_wanted = true;
    hand_over(writer);
}

bool writer_has_removed(struct writer *writer, int *error) {
    pthread_mutex_lock(&writer->mutex);
    bool has = writer->has_removed && !writer->at_work;
    *error = writer->remove_error;
    pthread_mutex_unlock(&writer->mutex);
    return has;
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

/* Many spools may want one at once, and the system may have no more to give: then the work waits
 * for writer_go_on. */
static void start_thread(struct writer *writer) {
    join_thread(writer);    /* it has ended, or is about to */
    writer->at_work = true; /* until it says otherwise */
    writer->begun = thread_begin(&writer->thread, thread_run, writer);
    if (!writer->begun)
        writer->at_work = false;
}

struct writer *writer_start(struct loop *loop, const struct writer_options *options) {
    struct writer *writer = memory_new(sizeof *writer);
    writer->options = *options;
    writer->checkpoint = options->checkpoint;
    writer->drained = options->checkpoint.drained;
    writer->drained_ms = options->checkpoint.drained_ms;
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
    bool ran = writer->begun;
    join_thread(writer);
    if (!ran && has_work(writer))
        thread_run(writer); /* there was no thread to be had; we would wait for it anyway */
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
