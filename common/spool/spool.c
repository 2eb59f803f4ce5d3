#include "spool/spool.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "spool/disk.h"
#include "spool/retention.h"

enum { TICK_MS = 1000 };

static const int64_t SEGMENT_BYTES = 16 << 20, LEAST_FREE_BYTES = 64 << 20;

/* ---------------------------------------------------------------- news of the writer */

static struct segment *segment_of(struct spool *spool, const struct segment_header *header) {
    struct segment *segment = TAILQ_LAST(&spool->segments, segment_list);
    if (segment && segment->number == header->number)
        return segment;
    segment = segment_new(header->number);
    segment->bytes = header->bytes;
    TAILQ_INSERT_TAIL(&spool->segments, segment, segments);
    return segment;
}

static void tell_state(struct spool *spool) {
    if (spool->options.on_state)
        spool->options.on_state(spool->options.arg, spool_writable(spool));
}

static void note_hanging(struct spool *spool) {
    int64_t silent_ms = clock_steady_ms() - spool->heard_ms;
    if (spool->hangs || !spool->writable || spool->open_puts == 0 ||
        silent_ms < spool->options.patience_ms)
        return;
    spool->hangs = true;
    string_addf(&spool->trouble, "the disk hangs: a write has taken %" PRId64 " s so far",
                silent_ms / 1000);
    tell_state(spool);
}

/* Of one put the writer has said what became of it. */
static void note_heard(struct spool *spool) {
    spool->open_puts--;
    spool->heard_ms = clock_steady_ms();
    if (!spool->hangs)
        return;
    spool->hangs = false;
    if (spool->writable)
        string_clear(&spool->trouble);
    tell_state(spool);
}

static void on_synced(struct spool *spool, struct news *news) {
    struct segment *segment = segment_of(spool, &news->segment);
    struct put *put;
    spool->counts.syncs++;
    spool->sync_us += news->sync_us;
    segment->used = news->used;
    while ((put = STAILQ_FIRST(&news->puts))) {
        spool_put_fn *fn = put->fn;
        void *arg = put->arg;
        STAILQ_REMOVE_HEAD(&news->puts, puts);
        segment_note(segment, &put->record);
        spool->last = put->record.sequence;
        reader_keep(spool, put);
        note_heard(spool);
        fn(arg, SPOOL_SYNCED);
    }
    retention_sweep(spool);
    if (spool->options.on_readable)
        spool->options.on_readable(spool->options.arg);
}

static void on_not_synced(struct spool *spool, struct news *news) {
    struct put *put;
    STAILQ_FOREACH (put, &news->puts, puts) {
        note_heard(spool);
        put->fn(put->arg, news->outcome);
    }
}

static void on_given_up(struct spool *spool, const struct news *news) {
    struct segment *segment;
    spool->counts.write_failures++;
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        if (segment->number == news->segment.number)
            segment->given_up = true;
    }
    log_error("spool segment given up spool=%s segment=%" PRIu64 " reason=%s", spool->folder.id,
              news->segment.number, news->why.data);
}

static void on_state(struct spool *spool, const struct news *news) {
    bool changed = spool->writable != news->writable;
    bool said = text_equal(string_text(&spool->trouble), string_text(&news->why));
    spool->writable = news->writable;
    string_clear(&spool->trouble);
    string_add(&spool->trouble, string_text(&news->why));
    if (changed || !said)
        tell_state(spool);
}

static void on_trouble(struct spool *spool, const struct news *news) {
    if (text_equal(string_text(&spool->said), string_text(&news->why)))
        return;
    string_clear(&spool->said);
    string_add(&spool->said, string_text(&news->why));
    log_warning("spool in trouble spool=%s reason=%s", spool->folder.id, spool->said.data);
}

static void on_news(void *arg) {
    struct spool *spool = arg;
    struct news *news;
    while ((news = writer_take_news(spool->writer))) {
        if (news->kind == NEWS_BATCH && news->outcome == SPOOL_SYNCED)
            on_synced(spool, news);
        else if (news->kind == NEWS_BATCH)
            on_not_synced(spool, news);
        else if (news->kind == NEWS_GIVEN_UP)
            on_given_up(spool, news);
        else if (news->kind == NEWS_STATE)
            on_state(spool, news);
        else
            on_trouble(spool, news);
        news_free(news);
    }
}

/* ---------------------------------------------------------------- from start to end */

static void refuse_refused(struct spool *spool) {
    struct put *put;
    while ((put = STAILQ_FIRST(&spool->refused))) {
        STAILQ_REMOVE_HEAD(&spool->refused, puts);
        put->fn(put->arg, SPOOL_REFUSED);
        free(put);
    }
}

/* Also right after the start, when there is something to read that nobody was told of. */
static void on_later(void *arg) {
    struct spool *spool = arg;
    refuse_refused(spool);
    if (spool->adopted && spool->options.on_readable && spool->last > spool->drained)
        spool->options.on_readable(spool->options.arg);
}

static void note_progress(struct spool *spool) {
    if (spool->noted_drained == spool->drained && spool->noted_last == spool->last)
        return;
    spool->noted_drained = spool->drained;
    spool->noted_last = spool->last;
    writer_checkpoint(spool->writer, spool->drained, spool->drained_ms);
}

/* Here and not in the thread, which may wait for a slow sync: this asks the kernel, not the disk.
 */
static void look_at_disk(struct spool *spool) {
    if (spool->adopted)
        return;
    int64_t bytes = spool->disk->free_bytes(spool->disk->arg, spool->folder.path);
    spool->free_bytes = bytes < 0 ? INT64_MAX : bytes;
}

static void on_tick(void *arg) {
    struct spool *spool = arg;
    loop_timer_set(spool->tick, TICK_MS);
    look_at_disk(spool);
    note_hanging(spool);
    /* Time makes segments old enough. Of an adopted one nothing goes that way: before it was heard
     * what is to be held, all of it is. */
    if (!spool->adopted)
        retention_sweep(spool);
    note_progress(spool);
    writer_go_on(spool->writer);
}

struct spool *spool_open(struct loop *loop, const struct spool_options *options,
                         struct folder *folder) {
    struct spool *spool = memory_new(sizeof *spool);
    spool->loop = loop;
    spool->options = *options;
    spool->directory = text_copy(text_of(options->directory));
    spool->options.directory = spool->directory;
    spool->disk = options->disk ? options->disk : &disk_real;
    if (!spool->options.segment_bytes)
        spool->options.segment_bytes = SEGMENT_BYTES;
    if (!spool->options.least_free_bytes)
        spool->options.least_free_bytes = LEAST_FREE_BYTES;
    if (!spool->options.patience_ms)
        spool->options.patience_ms = SPOOL_PATIENCE_MS;
    spool->folder = *folder;
    *folder = (struct folder){.lock = -1};
    spool->hold_since_ms = spool->free_bytes = INT64_MAX;
    TAILQ_INIT(&spool->segments);
    STAILQ_INIT(&spool->refused);
    return spool;
}

/* What an earlier start drained is as old as it was then: one that is started again and again
 * would keep it for ever. */
static void take_over_drained(struct spool *spool, const struct checkpoint *checkpoint) {
    struct segment *segment;
    spool->drained = spool->noted_drained = checkpoint->drained;
    spool->drained_ms = checkpoint->drained_ms;
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        if (segment->last <= spool->drained)
            segment->drained_ms =
                checkpoint->drained_ms ? checkpoint->drained_ms : segment->newest_ms;
    }
}

void spool_start(struct spool *spool, const struct checkpoint *checkpoint) {
    reader_init(&spool->reader, spool->last);
    take_over_drained(spool, checkpoint);
    spool->removed = checkpoint->removed;
    spool->noted_last = spool->last;
    spool->writer =
        writer_start(spool->loop, &(struct writer_options){
                                      .disk = spool->disk,
                                      .directory = spool->directory,
                                      .folder = spool->folder.path,
                                      .spool = spool->folder.spool,
                                      .adopted = spool->adopted,
                                      .segment_bytes = spool->options.segment_bytes,
                                      .max_bytes = spool->options.max_bytes,
                                      .others_bytes = spool->options.others_bytes,
                                      .least_free_bytes = spool->options.least_free_bytes,
                                      .checkpoint = *checkpoint,
                                      .on_news = on_news,
                                      .arg = spool,
                                  });
    spool->later = loop_timer_create(spool->loop, on_later, spool);
    spool->tick = loop_timer_create(spool->loop, on_tick, spool);
    loop_timer_set(spool->later, 0);
    loop_timer_set(spool->tick, TICK_MS);
}

void spool_make_directory(const char *directory) {
    folder_make_directory(&disk_real, directory);
}

struct spool *spool_create(struct loop *loop, const struct spool_options *options,
                           struct string *why) {
    const struct disk *disk = options->disk ? options->disk : &disk_real;
    struct folder folder;
    struct checkpoint checkpoint = {0};
    if (!folder_create(&folder, disk, options->directory, why))
        return NULL;
    if (checkpoint_write(disk, folder.path, folder.spool, &checkpoint) < 0 ||
        disk->sync_folder(disk->arg, folder.path) < 0) {
        string_addf(why, "cannot write %s/checkpoint: %s", folder.path, strerror(errno));
        folder_remove(folder.path, disk, options->directory);
        folder_finish(&folder, disk);
        return NULL;
    }
    struct spool *spool = spool_open(loop, options, &folder);
    spool->writable = true;
    spool_start(spool, &checkpoint);
    return spool;
}

/* The writer has stopped: nobody will hear more of these. */
static void end_open_puts(struct spool *spool) {
    struct news *news;
    spool->hangs = false; /* or that it does no more would be told of one that ends */
    while ((news = writer_take_news(spool->writer))) {
        if (news->kind == NEWS_BATCH) {
            news->outcome = SPOOL_UNKNOWN;
            on_not_synced(spool, news);
        }
        news_free(news);
    }
    refuse_refused(spool);
}

void spool_destroy(struct spool *spool) {
    if (!spool)
        return;
    loop_timer_destroy(spool->later);
    loop_timer_destroy(spool->tick);
    /* Its last act is a checkpoint. */
    note_progress(spool);
    writer_stop(spool->writer);
    end_open_puts(spool);
    writer_destroy(spool->writer);
    /* Nothing was ever put: nobody need find it. Where that fails, the next start does. */
    if (!spool->adopted && !spool->given)
        folder_remove(spool->folder.path, spool->disk, spool->directory);
    reader_finish(spool);
    struct segment *segment;
    while ((segment = TAILQ_FIRST(&spool->segments))) {
        TAILQ_REMOVE(&spool->segments, segment, segments);
        segment_free(segment);
    }
    folder_finish(&spool->folder, spool->disk);
    string_finish(&spool->trouble);
    string_finish(&spool->said);
    free(spool->directory);
    free(spool);
}

/* ---------------------------------------------------------------- putting */

static struct put *put_create(const struct record *record, spool_put_fn *fn, void *arg) {
    size_t bytes = record_bytes(record), whole;
    struct put *put = memory_new(sizeof *put + bytes);
    record_encode(record, 0, put->data);
    put->bytes = bytes;
    put->fn = fn;
    put->arg = arg;
    enum record_found found = record_decode(text_slice(put->data, bytes), 0, &put->record, &whole);
    assert(found == RECORD_WHOLE);
    return put;
}

static void refuse_later(struct spool *spool, spool_put_fn *fn, void *arg) {
    struct put *put = memory_new(sizeof *put);
    put->fn = fn;
    put->arg = arg;
    STAILQ_INSERT_TAIL(&spool->refused, put, puts);
    loop_timer_set(spool->later, 0);
}

void spool_put(struct spool *spool, struct record *record, spool_put_fn *fn, void *arg) {
    bool fits = SEGMENT_HEADER + (int64_t)record_bytes(record) <= spool->options.max_bytes;
    assert(!spool->adopted);
    if (!spool_writable(spool) || !fits) {
        refuse_later(spool, fn, arg);
        return;
    }
    if (spool->open_puts++ == 0)
        spool->heard_ms = clock_steady_ms();
    record->sequence = ++spool->given;
    writer_put(spool->writer, put_create(record, fn, arg));
}

/* ---------------------------------------------------------------- reading and draining */

int spool_read(struct spool *spool, uint64_t after, struct record *records, size_t most,
               size_t most_bytes) {
    return reader_read(spool, after, records, most, most_bytes);
}

void spool_drained(struct spool *spool, uint64_t up_to) {
    uint64_t before = spool->drained;
    spool->drained = up_to < spool->last ? up_to : spool->last;
    if (spool->drained > before)
        spool->drained_ms = clock_wall_ms();
    retention_note_drained(spool);
    reader_forget(spool);
    retention_sweep(spool);
}

void spool_hold(struct spool *spool, int64_t since_ms) {
    /* Nothing goes here: what is drained may be about to be told anew, by the same reply. */
    spool->hold_since_ms = since_ms;
}

void spool_share(struct spool *spool, int64_t others_bytes) {
    spool->options.others_bytes = others_bytes;
    writer_share(spool->writer, others_bytes);
}

int64_t spool_shortage(const struct spool *spool) {
    return retention_shortage(spool);
}

int64_t spool_let_go(struct spool *spool, int64_t bytes, enum spool_goes goes) {
    assert(spool->adopted);
    return retention_let_go(spool, bytes, goes);
}

bool spool_is_done(const struct spool *spool) {
    return spool->adopted && !spool->stays && !retention_keeps_any(spool);
}

static void begin_removal(struct spool *spool) {
    retention_sweep(spool);
    note_progress(spool);
    spool->removing = true;
    writer_remove(spool->writer);
}

bool spool_remove(struct spool **taken) {
    struct spool *spool = *taken;
    int error;
    assert(spool_is_done(spool));
    if (!spool->removing)
        begin_removal(spool);
    if (!writer_has_removed(spool->writer, &error))
        return false;
    if (error) {
        log_warning("spool cannot be removed, the next start tries again spool=%s reason=%s",
                    spool->folder.id, strerror(error));
        /* Whoever looks round just now may put a lock there: then there is nothing else to find. */
        spool->stays = error != ENOTEMPTY;
    }
    if (spool->stays)
        return false;
    spool_destroy(spool);
    *taken = NULL;
    return true;
}

/* ---------------------------------------------------------------- looking at it */

const char *spool_id(const struct spool *spool) {
    return spool->folder.id;
}

bool spool_writable(const struct spool *spool) {
    return spool->writable && !spool->hangs;
}

struct text spool_trouble(const struct spool *spool) {
    return string_text(&spool->trouble);
}

uint64_t spool_last(const struct spool *spool) {
    return spool->last;
}

uint64_t spool_removed(const struct spool *spool) {
    return spool->removed;
}

/* Of a segment that is drained in part, the bytes are a share, and the age is its oldest record's:
 * no figure is worth reading the file for. */
static void add_undrained(const struct spool *spool, const struct segment *segment,
                          struct spool_figures *figures) {
    if (segment->last <= spool->drained || !segment->records)
        return;
    uint64_t undrained = segment->last - spool->drained;
    if (undrained > segment->records)
        undrained = segment->records;
    figures->undrained += undrained;
    figures->undrained_bytes +=
        (int64_t)((double)segment->used * (double)undrained / (double)segment->records);
    if (!figures->oldest_undrained_ms)
        figures->oldest_undrained_ms = segment->oldest_ms;
}

void spool_figures(const struct spool *spool, struct spool_figures *figures) {
    const struct segment *segment;
    *figures = spool->counts;
    figures->sync_ms_total = spool->sync_us / 1000;
    figures->bytes = retention_bytes(spool);
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        figures->records += segment->records;
        add_undrained(spool, segment, figures);
    }
    const struct put *put = STAILQ_FIRST(&spool->reader.memory);
    if (figures->undrained && put && spool->drained >= spool->reader.memory_after)
        figures->oldest_undrained_ms = put->record.received_ms;
}
