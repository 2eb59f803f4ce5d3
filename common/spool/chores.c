#include "spool/chores.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "spool/folder.h"
#include "spool/thread.h"

/* ---------------------------------------------------------------- checkpoint, and what may go */

static void trouble(struct writer *writer, const struct string *why) {
    writer->tidy_at_ms = clock_steady_ms() + THREAD_AGAIN_MS;
    thread_tell(writer, news_new(NEWS_TROUBLE, why));
}

/* With all that is to be removed in it, so that one sync will do. */
static bool write_checkpoint(struct writer *writer) {
    struct checkpoint next = writer->checkpoint;
    struct retired *retired;
    pthread_mutex_lock(&writer->mutex);
    writer->checkpoint_wanted = false;
    next.drained = writer->drained;
    next.drained_ms = writer->drained_ms;
    STAILQ_FOREACH (retired, &writer->retired, retired) {
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

void chores_checkpoint(struct writer *writer) {
    if (write_checkpoint(writer))
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->checkpoint_wanted = true;
    pthread_mutex_unlock(&writer->mutex);
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

void chores_retire(struct writer *writer) {
    retire_first(writer);
}

void chores_use_retired(struct writer *writer) {
    while (!shelf_is_ready(&writer->shelf) && first_retired(writer) && retire_first(writer))
        continue;
}

/* ---------------------------------------------------------------- the next segment */

/* A new segment that can be filled and synced is the proof that the disk works again. */
void chores_mend(struct writer *writer) {
    struct string why = {0};
    bool good = shelf_has_free_space(&writer->shelf, 0, &why);
    while (good && !shelf_is_ready(&writer->shelf))
        good = shelf_prepare(&writer->shelf, &why);
    if (good) {
        writer->broken = false;
        thread_tell_state(writer, true, NULL);
    } else {
        writer->mend_at_ms = clock_steady_ms() + THREAD_AGAIN_MS;
        thread_tell_state(writer, false, &why); /* the reason may be another now */
    }
    string_finish(&why);
}

/* Where it fails now, it may still come in time; whoever needs it will say what is wrong. */
void chores_prepare(struct writer *writer) {
    struct string why = {0};
    if (!shelf_prepare(&writer->shelf, &why))
        writer->prepare_at_ms = clock_steady_ms() + THREAD_AGAIN_MS;
    string_finish(&why);
}

/* ---------------------------------------------------------------- the end */

static void forget_retired(struct writer *writer) {
    struct retired *retired;
    while ((retired = STAILQ_FIRST(&writer->retired))) {
        STAILQ_REMOVE_HEAD(&writer->retired, retired);
        free(retired);
    }
}

/* The checkpoint first, as before any segment is removed. What cannot be removed now is found by
 * the next start. */
void chores_remove(struct writer *writer) {
    const struct writer_options *options = &writer->options;
    int error = EIO;
    if (write_checkpoint(writer))
        error = folder_remove(options->folder, options->disk, options->directory) ? 0 : errno;
    pthread_mutex_lock(&writer->mutex);
    forget_retired(writer);
    writer->remove_wanted = writer->checkpoint_wanted = false;
    writer->has_removed = true;
    writer->remove_error = error;
    pthread_mutex_unlock(&writer->mutex);
}

/* It is never written again: the next start need not read what was drained. */
void chores_close(struct writer *writer) {
    if (writer->has_removed)
        return;
    if (!writer->options.adopted && !writer->in_doubt && writer->shelf.current.used)
        writer->closed_bytes = shelf_put_away(&writer->shelf);
    write_checkpoint(writer);
}
