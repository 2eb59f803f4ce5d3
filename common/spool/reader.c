#include "spool/reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "spool/damage.h"
#include "spool/room.h"

enum { MEMORY_BYTES = 16 << 20 };

void reader_init(struct reader *reader, uint64_t memory_after) {
    *reader = (struct reader){.memory_after = memory_after, .file = -1};
    STAILQ_INIT(&reader->memory);
}

/* ---------------------------------------------------------------- memory */

static void forget_first(struct reader *reader) {
    struct put *put = STAILQ_FIRST(&reader->memory);
    STAILQ_REMOVE_HEAD(&reader->memory, puts);
    if (reader->handed == put)
        reader->handed = NULL;
    reader->memory_bytes -= put->bytes;
    reader->memory_after = put->record.sequence;
    free(put);
}

void reader_keep(struct spool *spool, struct put *put) {
    struct reader *reader = &spool->reader;
    STAILQ_INSERT_TAIL(&reader->memory, put, puts);
    reader->memory_bytes += put->bytes;
    while (reader->memory_bytes > MEMORY_BYTES && STAILQ_FIRST(&reader->memory) != put)
        forget_first(reader);
}

void reader_forget(struct spool *spool) {
    const struct put *put;
    while ((put = STAILQ_FIRST(&spool->reader.memory)) && put->record.sequence <= spool->drained)
        forget_first(&spool->reader);
}

static void collect(struct reader *reader, const char *data, size_t bytes, uint64_t key) {
    if (reader->place_count == reader->place_capacity) {
        reader->place_capacity = reader->place_capacity ? reader->place_capacity * 2 : 64;
        reader->places =
            memory_resize(reader->places, reader->place_capacity * sizeof *reader->places);
    }
    reader->places[reader->place_count++] = (struct reader_place){reader->bytes.size, bytes, key};
    string_add(&reader->bytes, text_slice(data, bytes));
}

static bool is_enough(const struct reader *reader, size_t most, size_t most_bytes) {
    return reader->place_count >= most || (reader->place_count && reader->bytes.size >= most_bytes);
}

static void read_memory(struct reader *reader, uint64_t after, size_t most, size_t most_bytes) {
    struct put *put = reader->handed && reader->handed->record.sequence <= after
                          ? reader->handed
                          : STAILQ_FIRST(&reader->memory);
    while (put && put->record.sequence <= after)
        put = STAILQ_NEXT(put, puts);
    for (; put && !is_enough(reader, most, most_bytes); put = STAILQ_NEXT(put, puts)) {
        collect(reader, put->data, put->bytes, put->key);
        reader->handed = put;
    }
}

/* ---------------------------------------------------------------- files */

static void close_file(struct spool *spool) {
    struct reader *reader = &spool->reader;
    if (!reader->segment)
        return;
    segment_walk_finish(&reader->walk);
    spool->disk->close(spool->disk->arg, reader->file);
    reader->segment = NULL;
    reader->file = -1;
}

void reader_leave(struct spool *spool, const struct segment *segment) {
    if (spool->reader.segment == segment)
        close_file(spool);
}

/* True: it was not known before. */
static bool note_damage(struct spool *spool, struct segment *segment, struct segment_span span) {
    if (span.bytes <= 0)
        span.bytes = 1; /* the file ends here: so that it is known the next time */
    if (!segment_note_damage(segment, span))
        return false;
    spool->counts.damaged_bytes += span.bytes;
    log_error("spool damaged spool=%s folder=%s segment=%" PRIu64 " offset=%" PRId64
              " bytes=%" PRId64,
              spool->folder.id, spool->folder.path, segment->number, span.at, span.bytes);
    damage_set_aside(spool->disk, spool->folder.path, segment->number, span);
    return true;
}

static void lose(struct spool *spool, uint64_t from, uint64_t up_to) {
    if (up_to >= from)
        spool->counts.damaged_records += (int64_t)(up_to - from + 1);
}

static struct segment *segment_behind(const struct spool *spool, uint64_t after) {
    struct segment *segment;
    TAILQ_FOREACH (segment, &spool->segments, segments) {
        if (segment->records && segment->last > after)
            return segment;
    }
    return NULL;
}

static bool open_file(struct spool *spool, struct segment *segment) {
    struct reader *reader = &spool->reader;
    close_file(spool);
    char *path = segment_path(spool->folder.path, segment->number);
    int file = spool->disk->open(spool->disk->arg, path, O_RDONLY);
    free(path);
    if (file < 0)
        return false;
    reader->segment = segment;
    reader->file = file;
    reader->passed = segment->first - 1;
    reader->damaged = false;
    segment_walk_start(&reader->walk, spool->disk, file,
                       segment_key(spool->folder.spool, segment->number), SEGMENT_HEADER,
                       segment->used);
    return true;
}

static uint64_t last_there(const struct spool *spool) {
    const struct segment *segment;
    TAILQ_FOREACH_REVERSE (segment, &spool->segments, segment_list, segments) {
        if (segment->records)
            return segment->last;
    }
    return spool->drained;
}

/* What is lost at the end nobody waits for: it counts neither as undrained, nor as the spool's
 * last.
 */
static void lose_behind(struct spool *spool, struct segment *segment, uint64_t after) {
    lose(spool, after + 1, segment->last);
    segment_lose_behind(segment, after);
    if (!TAILQ_NEXT(segment, segments))
        spool->last = last_there(spool);
}

/* The file is at its end, and ought to hold more: zeros, or nothing, where records were. */
static void judge_the_end(struct spool *spool, struct segment_span span) {
    struct reader *reader = &spool->reader;
    struct segment *segment = reader->segment;
    if (reader->passed >= segment->last)
        return;
    span.bytes = segment->used - span.at;
    note_damage(spool, segment, span);
    lose_behind(spool, segment, reader->passed);
    reader->damaged = false;
}

static void come_by(struct spool *spool, const struct record *record) {
    struct reader *reader = &spool->reader;
    if (reader->damaged)
        lose(spool, reader->passed + 1, record->sequence - 1);
    reader->damaged = false;
    reader->passed = record->sequence;
}

/* Of the open file, as much as is wanted. False: it cannot be read. */
static bool read_file(struct spool *spool, uint64_t *after, size_t most, size_t most_bytes) {
    struct reader *reader = &spool->reader;
    struct segment *segment = reader->segment;
    struct record record;
    struct segment_span span;
    reader->walk.end = segment->used;
    while (reader->passed < segment->last && !is_enough(reader, most, most_bytes)) {
        enum segment_step step = segment_walk_next(&reader->walk, &record, &span);
        if (step == SEGMENT_FAILED)
            return false;
        if (step == SEGMENT_DAMAGE) {
            if (note_damage(spool, segment, span))
                reader->damaged = true;
            continue;
        }
        if (step == SEGMENT_END || record.sequence > segment->last) {
            judge_the_end(spool, span);
            return true;
        }
        if (record.sequence <= reader->passed)
            continue;
        come_by(spool, &record);
        if (record.sequence <= *after)
            continue;
        *after = record.sequence;
        size_t bytes = (size_t)span.bytes;
        collect(reader, reader->walk.window + (span.at - reader->walk.window_at), bytes,
                reader->walk.key);
    }
    return true;
}

/* Somebody took the file away. That is an alarm, and no reason to stand still. */
static void miss_file(struct spool *spool, struct segment *segment) {
    spool->counts.damaged_bytes += segment->used;
    lose_behind(spool, segment, segment->first - 1);
    log_error("spool segment missing spool=%s folder=%s segment=%" PRIu64, spool->folder.id,
              spool->folder.path, segment->number);
}

static void on_name(void *arg, const char *name) {
    (void)arg;
    (void)name;
}

/* Without its folder no file is missed: it may be put back. */
static bool is_missing(const struct spool *spool) {
    return errno == ENOENT &&
           spool->disk->list(spool->disk->arg, spool->folder.path, on_name, NULL) == 0;
}

static bool is_place(const struct reader *reader, const struct segment *segment, uint64_t after) {
    return reader->segment == segment && reader->passed <= after;
}

static bool read_files(struct spool *spool, uint64_t after, size_t most, size_t most_bytes) {
    struct reader *reader = &spool->reader;
    struct segment *segment;
    while (!is_enough(reader, most, most_bytes) && (segment = segment_behind(spool, after))) {
        bool here = is_place(reader, segment, after) || open_file(spool, segment);
        if (!here && !is_missing(spool))
            return false;
        if (!here)
            miss_file(spool, segment);
        else if (!read_file(spool, &after, most, most_bytes)) {
            int error = errno;
            close_file(spool); /* a descriptor that failed is not trusted again */
            errno = error;
            return false;
        }
        /* Behind all of it, where it ended early too. */
        if ((!here || reader->passed >= segment->last) && after < segment->last)
            after = segment->last;
    }
    return true;
}

/* ---------------------------------------------------------------- both */

int reader_read(struct spool *spool, uint64_t after, struct record *records, size_t most,
                size_t most_bytes) {
    struct reader *reader = &spool->reader;
    string_clear(&reader->bytes);
    reader->place_count = 0;
    bool good = true;
    if (after >= reader->memory_after)
        read_memory(reader, after, most, most_bytes);
    else
        good = read_files(spool, after, most, most_bytes);
    if (!good && !reader->place_count) {
        if (!reader->complained)
            log_error("spool cannot be read, and is tried again spool=%s folder=%s reason=%s",
                      spool->folder.id, spool->folder.path, strerror(errno));
        reader->complained = true;
        return -1;
    }
    reader->complained = false;
    for (size_t i = 0; i < reader->place_count; i++) {
        const struct reader_place *place = &reader->places[i];
        size_t bytes;
        struct text encoded = text_slice(reader->bytes.data + place->at, place->bytes);
        enum record_found found = record_decode(encoded, place->key, &records[i], &bytes);
        assert(found == RECORD_WHOLE);
    }
    return (int)reader->place_count;
}

void reader_finish(struct spool *spool) {
    struct reader *reader = &spool->reader;
    close_file(spool);
    while (!STAILQ_EMPTY(&reader->memory))
        forget_first(reader);
    string_finish(&reader->bytes);
    free(reader->places);
}
