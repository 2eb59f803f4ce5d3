#include "spool/recover.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "spool/damage.h"

/* A segment file, in the order of numbers. */
struct file {
    uint64_t number;
    bool gone; /* between the listing and the opening: its writer removed it */
    enum segment_begun begun;
    struct segment_header header; /* where it is begun */
};

/* Something that is no record, until it is known whether anything comes behind it. */
struct doubt {
    struct segment *segment;
    struct segment_span span;
};

struct work {
    struct recovery *recovery;
    struct string *why;
    struct file *files;
    size_t file_count;
    struct doubt *doubts;
    size_t doubt_count;
    bool newest_checkpoint; /* it is known to be: what it does not call removed was not */
    uint64_t last;          /* everything up to here was found, or is known to be lost */
};

/* ---------------------------------------------------------------- what there is */

static bool refuse(struct work *work, uint64_t number, const char *what) {
    char *path = segment_path(work->recovery->folder, number);
    string_addf(work->why, "%s: %s", path, what);
    free(path);
    return false;
}

static void on_name(void *arg, const char *name) {
    struct work *work = arg;
    uint64_t number;
    if (!segment_name_parse(name, &number))
        return;
    work->files = memory_resize(work->files, (work->file_count + 1) * sizeof *work->files);
    work->files[work->file_count++] = (struct file){.number = number};
}

static int by_number(const void *left, const void *right) {
    const struct file *a = left, *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

static bool list(struct work *work) {
    const struct disk *disk = work->recovery->disk;
    if (disk->list(disk->arg, work->recovery->folder, on_name, work) < 0) {
        string_addf(work->why, "cannot list %s: %s", work->recovery->folder, strerror(errno));
        return false;
    }
    if (work->file_count)
        qsort(work->files, work->file_count, sizeof *work->files, by_number);
    return true;
}

static ssize_t read_header(const struct disk *disk, int file, char *header) {
    ssize_t held = 0;
    while (held < SEGMENT_HEADER) {
        ssize_t got =
            disk->read(disk->arg, file, header + held, (size_t)(SEGMENT_HEADER - held), held);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        held += got;
    }
    return held;
}

static int open_file(struct work *work, struct file *file) {
    const struct disk *disk = work->recovery->disk;
    char *path = segment_path(work->recovery->folder, file->number);
    int opened = disk->open(disk->arg, path, O_RDONLY);
    file->gone = opened < 0 && errno == ENOENT && work->recovery->survey;
    if (opened < 0 && !file->gone)
        refuse(work, file->number, strerror(errno));
    free(path);
    return opened;
}

static bool look_at_header(struct work *work, struct file *file) {
    const struct disk *disk = work->recovery->disk;
    char header[SEGMENT_HEADER];
    int opened = open_file(work, file);
    if (opened < 0)
        return file->gone;
    ssize_t size = read_header(disk, opened, header);
    int error = errno;
    disk->close(disk->arg, opened);
    if (size < 0)
        return refuse(work, file->number, strerror(error));
    file->begun = segment_header_decode(text_slice(header, (size_t)size), work->recovery->spool,
                                        file->number, &file->header);
    if (file->begun == SEGMENT_OTHER_VERSION)
        return refuse(work, file->number,
                      "its format has a version that this program does not know");
    if (file->begun == SEGMENT_OTHER_SPOOL)
        return refuse(work, file->number, "it belongs to another spool than its folder says");
    return true;
}

static bool read_checkpoint(struct work *work) {
    struct recovery *recovery = work->recovery;
    enum checkpoint_found found =
        checkpoint_read(recovery->disk, recovery->folder, recovery->spool, &recovery->checkpoint);
    if (found == CHECKPOINT_FAILED || found == CHECKPOINT_OTHER_VERSION) {
        string_addf(work->why, "%s/checkpoint: %s", recovery->folder,
                    found == CHECKPOINT_FAILED
                        ? strerror(errno)
                        : "its format has a version that this program does not know");
        return false;
    }
    work->newest_checkpoint = found == CHECKPOINT_WHOLE;
    if (recovery->survey)
        return true;
    if (found == CHECKPOINT_HALF)
        log_warning("spool checkpoint half written folder=%s generation=%" PRIu64, recovery->folder,
                    recovery->checkpoint.generation);
    if (found == CHECKPOINT_DAMAGED || (found == CHECKPOINT_MISSING && work->file_count))
        log_error("spool checkpoint lost, everything is read from the start folder=%s",
                  recovery->folder);
    return true;
}

/* ---------------------------------------------------------------- what is missing */

static void doubt(struct work *work, struct segment *segment, struct segment_span span) {
    work->doubts = memory_resize(work->doubts, (work->doubt_count + 1) * sizeof *work->doubts);
    work->doubts[work->doubt_count++] = (struct doubt){segment, span};
}

/* There are, or were, records behind what was in doubt: it is damage. */
static void confirm(struct work *work) {
    struct recovery *recovery = work->recovery;
    for (size_t i = 0; i < work->doubt_count; i++) {
        const struct doubt *sure = &work->doubts[i];
        if (!segment_note_damage(sure->segment, sure->span))
            continue;
        recovery->damaged_bytes += sure->span.bytes;
        if (recovery->survey)
            continue;
        log_error("spool damaged folder=%s segment=%" PRIu64 " offset=%" PRId64 " bytes=%" PRId64,
                  recovery->folder, sure->segment->number, sure->span.at, sure->span.bytes);
        damage_set_aside(recovery->disk, recovery->folder, sure->segment->number, sure->span);
    }
    work->doubt_count = 0;
}

/* Everything up to here was synced once. What was not found is lost. */
static void expect(struct work *work, uint64_t up_to, const char *who) {
    struct recovery *recovery = work->recovery;
    if (up_to <= work->last)
        return;
    confirm(work);
    recovery->damaged_records += (int64_t)(up_to - work->last);
    if (!recovery->survey)
        log_error("spool records missing folder=%s first=%" PRIu64 " last=%" PRIu64 " named_by=%s",
                  recovery->folder, work->last + 1, up_to, who);
    work->last = up_to;
}

/* ---------------------------------------------------------------- one segment */

static void found_record(struct work *work, struct segment *segment, const struct record *record) {
    if (work->doubt_count) {
        work->recovery->damaged_records += (int64_t)(record->sequence - work->last - 1);
        confirm(work);
    }
    segment_note(segment, record);
    work->last = work->recovery->last = record->sequence;
}

/* The next file that says what this one has to hold. */
static const struct file *successor(const struct work *work, size_t i) {
    for (i++; i < work->file_count; i++)
        if (!work->files[i].gone && work->files[i].begun == SEGMENT_BEGUN)
            return &work->files[i];
    return NULL;
}

/* From record to record, up to `up_to`, which the next segment says is the last. */
static bool walk(struct work *work, struct segment *segment, struct segment_walk *walk,
                 uint64_t up_to) {
    struct record record;
    struct segment_span span;
    while (work->last < up_to) {
        switch (segment_walk_next(walk, &record, &span)) {
        case SEGMENT_FAILED:
            return refuse(work, segment->number, strerror(errno));
        case SEGMENT_END:
            return true;
        case SEGMENT_DAMAGE:
            doubt(work, segment, span);
            break;
        case SEGMENT_RECORD:
            /* Not to be had twice, and nothing that was given up. */
            if (record.sequence <= work->last)
                break;
            if (record.sequence > up_to)
                return true;
            found_record(work, segment, &record);
            segment->used = walk->at;
            break;
        }
    }
    return true;
}

static void look_for_truncation(struct work *work, const struct file *file, int64_t size) {
    struct recovery *recovery = work->recovery;
    if (size >= file->header.bytes)
        return;
    recovery->damaged_bytes += file->header.bytes - size;
    if (recovery->survey)
        return;
    log_error("spool segment cut short folder=%s segment=%" PRIu64 " bytes=%" PRId64
              " missing_bytes=%" PRId64,
              recovery->folder, file->number, size, file->header.bytes - size);
}

/* How long the file is, found without asking for more than reads. -1 with errno. */
static int64_t size_of(const struct disk *disk, int file, int64_t expected) {
    char byte;
    ssize_t got = expected > 0 ? disk->read(disk->arg, file, &byte, 1, expected - 1) : 0;
    int64_t low = 0, high = expected > 0 ? expected : INT64_C(1) << 40;
    if (got == 1)
        return expected;
    while (got >= 0 && low < high) { /* a byte is there below `low`, and none from `high` on */
        int64_t middle = low + (high - low) / 2;
        got = disk->read(disk->arg, file, &byte, 1, middle);
        if (got == 1)
            low = middle + 1;
        else
            high = middle;
    }
    return got < 0 ? -1 : low;
}

static bool measure(struct work *work, const struct file *file, struct segment *segment,
                    int opened) {
    bool begun = file->begun == SEGMENT_BEGUN;
    int64_t size = size_of(work->recovery->disk, opened, begun ? file->header.bytes : 0);
    if (size < 0)
        return false;
    segment->bytes = size;
    if (begun)
        look_for_truncation(work, file, size);
    return true;
}

static bool read_segment(struct work *work, const struct file *file, struct segment *segment,
                         uint64_t up_to) {
    const struct recovery *recovery = work->recovery;
    const struct disk *disk = recovery->disk;
    struct file copy = *file;
    int opened = open_file(work, &copy);
    if (opened < 0)
        return copy.gone;
    if (!measure(work, file, segment, opened)) {
        refuse(work, segment->number, strerror(errno));
        disk->close(disk->arg, opened);
        return false;
    }
    if (file->begun == SEGMENT_HEADER_DAMAGED || file->begun == SEGMENT_READY)
        doubt(work, segment, (struct segment_span){0, SEGMENT_HEADER});
    struct segment_walk steps;
    segment_walk_start(&steps, disk, opened, segment_key(recovery->spool, file->number),
                       SEGMENT_HEADER, INT64_MAX);
    bool good = walk(work, segment, &steps, up_to);
    segment_walk_finish(&steps);
    disk->close(disk->arg, opened);
    return good;
}

/* Drained, and between two headers that say all there is to know: nobody reads it now. Where a file
 * with a bad header lies between the two, it is not known whose the records are. */
static bool know_without_reading(struct work *work, const struct file *file,
                                 const struct file *next, struct segment *segment) {
    if (work->recovery->survey || file->begun != SEGMENT_BEGUN || next != file + 1 ||
        next->header.after > work->recovery->checkpoint.drained ||
        next->header.after < file->header.first)
        return false;
    segment->first = file->header.first;
    segment->last = next->header.after;
    segment->records = segment->last - segment->first + 1;
    segment->bytes = segment->used = file->header.bytes;
    segment->oldest_ms = file->header.opened_ms;
    segment->newest_ms = next->header.opened_ms; /* no record in it is younger */
    work->last = work->recovery->last = segment->last;
    return true;
}

static bool take_segment(struct work *work, size_t i) {
    const struct file *file = &work->files[i];
    const struct file *next = successor(work, i);
    struct recovery *recovery = work->recovery;
    uint64_t up_to = next ? next->header.after : UINT64_MAX;
    if (file->begun == SEGMENT_BEGUN)
        expect(work, file->header.after, "the next segment");
    if (file->begun == SEGMENT_BEGUN && work->last >= file->header.after)
        work->doubt_count = 0; /* nothing is missing: it was given up, or is of an earlier use */
    struct segment *segment = segment_new(file->number);
    TAILQ_INSERT_TAIL(&recovery->segments, segment, segments);
    bool good =
        know_without_reading(work, file, next, segment) || read_segment(work, file, segment, up_to);
    recovery->bytes += segment->bytes;
    return good;
}

/* ---------------------------------------------------------------- all of it */

/* What is in no segment any more is not missed. */
static void start_at(struct work *work) {
    const struct recovery *recovery = work->recovery;
    const struct file *first = work->file_count ? &work->files[0] : NULL;
    bool begun = first && !first->gone && first->begun == SEGMENT_BEGUN;
    work->last = recovery->checkpoint.removed;
    if (begun && (first->header.after < work->last || !work->newest_checkpoint))
        work->last = first->header.after;
}

static bool is_there(const struct work *work, uint64_t number) {
    for (size_t i = 0; i < work->file_count; i++)
        if (work->files[i].number == number)
            return true;
    return false;
}

/* The end: what still is in doubt has nothing behind it, unless the checkpoint knows better. */
static void judge_the_end(struct work *work) {
    const struct recovery *recovery = work->recovery;
    uint64_t newest = recovery->checkpoint.newest;
    expect(work, recovery->checkpoint.last, "the checkpoint");
    if (recovery->survey)
        return;
    if (newest && recovery->checkpoint.last > recovery->checkpoint.removed &&
        !is_there(work, newest))
        log_error("spool segment missing folder=%s segment=%" PRIu64, recovery->folder, newest);
    for (size_t i = 0; i < work->doubt_count; i++)
        if (work->doubts[i].span.at >= SEGMENT_HEADER)
            log_info("spool tail cut folder=%s segment=%" PRIu64 " offset=%" PRId64
                     " bytes=%" PRId64,
                     recovery->folder, work->doubts[i].segment->number, work->doubts[i].span.at,
                     work->doubts[i].span.bytes);
}

static void drop_empty(struct recovery *recovery) {
    struct segment *segment, *next;
    for (segment = TAILQ_FIRST(&recovery->segments); segment; segment = next) {
        next = TAILQ_NEXT(segment, segments);
        if (segment->records)
            continue;
        TAILQ_REMOVE(&recovery->segments, segment, segments);
        segment_free(segment);
    }
}

static bool take_all(struct work *work) {
    if (!list(work) || !read_checkpoint(work))
        return false;
    for (size_t i = 0; i < work->file_count; i++)
        if (!look_at_header(work, &work->files[i]))
            return false;
    start_at(work);
    for (size_t i = 0; i < work->file_count; i++)
        if (!work->files[i].gone && !take_segment(work, i))
            return false;
    judge_the_end(work);
    drop_empty(work->recovery);
    return true;
}

bool recover(struct recovery *recovery, struct string *why) {
    struct work work = {.recovery = recovery, .why = why};
    TAILQ_INIT(&recovery->segments);
    bool good = take_all(&work);
    free(work.files);
    free(work.doubts);
    return good;
}

void recovery_finish(struct recovery *recovery) {
    while (!TAILQ_EMPTY(&recovery->segments)) {
        struct segment *segment = TAILQ_FIRST(&recovery->segments);
        TAILQ_REMOVE(&recovery->segments, segment, segments);
        segment_free(segment);
    }
}
