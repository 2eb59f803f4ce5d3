#include "spool/puts.h"

#include "base/clock.h"
#include "spool/batch.h"
#include "spool/chores.h"
#include "spool/thread.h"

enum { PACE_MS = 2 }; /* from one sync of a batch to the next, under load */

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
        writer->put_count--;
        *bytes += (int64_t)put->bytes;
    }
    pthread_mutex_unlock(&writer->mutex);
}

/* The state before the outcomes: whoever is told "refused" finds a spool that says why. */
static void break_off(struct writer *writer, const struct string *why) {
    writer->broken = true;
    writer->mend_at_ms = clock_steady_ms() + THREAD_AGAIN_MS;
    thread_tell_state(writer, false, why);
}

static void give_up(struct writer *writer, const struct string *why) {
    writer->in_doubt = true;
    struct news *news = news_new(NEWS_GIVEN_UP, why);
    news->segment.number = writer->shelf.current.number;
    shelf_give_up(&writer->shelf);
    thread_tell(writer, news);
}

static bool write_batch(struct writer *writer, struct put_queue *puts, struct string *why) {
    struct batch batch = {
        .shelf = &writer->shelf,
        .after = writer->last,
        .puts = puts,
    };
    if (!batch_write(&batch, why))
        return false;
    struct news *news = news_new(NEWS_BATCH, NULL);
    news->outcome = SPOOL_SYNCED;
    news->segment = batch.header;
    news->used = writer->shelf.current.used;
    news->sync_us = batch.sync_us;
    writer->last = batch.last;
    if (batch.newest_ms > writer->newest_ms)
        writer->newest_ms = batch.newest_ms;
    STAILQ_CONCAT(&news->puts, puts);
    thread_tell(writer, news);
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
        thread_tell_outcome(writer, batch, SPOOL_UNKNOWN);
    }
    string_finish(&why);
}

/* A record that is longer than a segment may find no room where others do. */
static void refuse_one(struct writer *writer, struct put *put) {
    struct put_queue puts = STAILQ_HEAD_INITIALIZER(puts);
    pthread_mutex_lock(&writer->mutex);
    STAILQ_REMOVE_HEAD(&writer->puts, puts);
    writer->put_count--;
    pthread_mutex_unlock(&writer->mutex);
    STAILQ_INSERT_TAIL(&puts, put, puts);
    thread_tell_outcome(writer, &puts, SPOOL_REFUSED);
}

static bool has_free_space(struct writer *writer, struct string *why) {
    int64_t now_ms = clock_steady_ms();
    if (now_ms < writer->space_at_ms)
        return true;
    if (!shelf_has_free_space(&writer->shelf, 0, why))
        return false;
    writer->space_at_ms = now_ms + THREAD_AGAIN_MS;
    return true;
}

static bool find_place(struct writer *writer, int64_t bytes, struct string *why) {
    if (!has_free_space(writer, why))
        return false;
    if (shelf_takes(&writer->shelf, bytes))
        return true;
    chores_use_retired(writer);
    return shelf_turn(&writer->shelf, bytes, why);
}

void puts_write(struct writer *writer) {
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

void puts_refuse(struct writer *writer) {
    struct put_queue puts = STAILQ_HEAD_INITIALIZER(puts);
    pthread_mutex_lock(&writer->mutex);
    STAILQ_CONCAT(&puts, &writer->puts);
    writer->put_count = 0;
    pthread_mutex_unlock(&writer->mutex);
    if (!STAILQ_EMPTY(&puts))
        thread_tell_outcome(writer, &puts, SPOOL_REFUSED);
}
