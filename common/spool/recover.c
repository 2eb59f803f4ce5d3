#include "spool/recover.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "spool/damage.h"
#include "spool/files.h"

/* Something that is no record, until it is known whether anything comes behind it. */
struct doubt {
    struct segment *segment;
    struct segment_span span;
    bool headed; /* it is of this use of the file: a record was written here, or begun */
};

struct work {
    struct recovery *recovery;
    struct files files;
    const struct file *file; /* that is read, or was read last; NULL: none yet */
    int64_t again_at;        /* in it: from here on it was read a second time */
    struct doubt *doubts;
    size_t doubt_count;
    bool newest_checkpoint; /* it is known to be: what it does not call removed was not */
    bool nothing_known;     /* neither checkpoint nor first header: whatever is found first, is */
    uint64_t last;          /* everything up to here was found, or is known to be lost */
};

/* ---------------------------------------------------------------- what there is */

static bool read_checkpoint(struct work *work) {
    struct recovery *recovery = work->recovery;
    enum checkpoint_found found =
        checkpoint_read(recovery->disk, recovery->folder, recovery->spool, &recovery->checkpoint);
    if (found == CHECKPOINT_FAILED || found == CHECKPOINT_OTHER_VERSION) {
        string_addf(work->files.why, "%s/checkpoint: %s", recovery->folder,
                    found == CHECKPOINT_FAILED
                        ? strerror(errno)
                        : "its format has a version that this program does not know");
        return false;
    }
    work->newest_checkpoint = found == CHECKPOINT_WHOLE;
    recovery->checkpoint_damaged = found == CHECKPOINT_HALF || found == CHECKPOINT_DAMAGED ||
                                   (found == CHECKPOINT_MISSING && work->files.count);
    if (recovery->survey || !recovery->checkpoint_damaged)
        return true;
    if (found == CHECKPOINT_HALF)
        log_warning("spool checkpoint half written spool=%s folder=%s generation=%" PRIu64,
                    recovery->id, recovery->folder, recovery->checkpoint.generation);
    else
        log_error("spool checkpoint lost, everything is read from the start spool=%s folder=%s",
                  recovery->id, recovery->folder);
    return true;
}

/* ---------------------------------------------------------------- what is missing */

static void doubt(struct work *work, struct segment *segment, struct segment_span span,
                  bool headed) {
    work->doubts = memory_resize(work->doubts, (work->doubt_count + 1) * sizeof *work->doubts);
    work->doubts[work->doubt_count++] = (struct doubt){segment, span, headed};
}

/* For a survey: these records are lost with it, as far as is known; no segment: what held them is
 * gone. */
static void note(struct work *work, const struct segment *segment, struct segment_span span,
                 uint64_t first, uint64_t last) {
    struct recovery *recovery = work->recovery;
    if (recovery->damage_count == SPOOL_DAMAGE_MOST) {
        recovery->damage_untold++;
        return;
    }
    recovery->damage =
        memory_resize(recovery->damage, (recovery->damage_count + 1) * sizeof *recovery->damage);
    struct spool_damage *damage = &recovery->damage[recovery->damage_count++];
    *damage =
        (struct spool_damage){.at = span.at, .bytes = span.bytes, .first = first, .last = last};
    if (!segment)
        return;
    segment_name(segment->number, damage->file, sizeof damage->file);
    damage_find_copy(recovery->disk, recovery->folder, segment->number, span.at, damage->copy,
                     sizeof damage->copy);
}

/* There are, or were, records behind what was in doubt: it is damage, and lost with it is what
 * ought to stand between them and the last one that was found. */
static void confirm(struct work *work, uint64_t up_to) {
    struct recovery *recovery = work->recovery;
    bool one_each = work->doubt_count == up_to - work->last;
    for (size_t i = 0; i < work->doubt_count; i++) {
        const struct doubt *sure = &work->doubts[i];
        uint64_t own = work->last + 1 + i;
        if (!segment_note_damage(sure->segment, sure->span))
            continue;
        recovery->damaged_bytes += sure->span.bytes;
        if (recovery->survey) {
            note(work, sure->segment, sure->span, one_each ? own : work->last + 1,
                 one_each ? own : up_to);
            continue;
        }
        log_error("spool damaged spool=%s folder=%s segment=%" PRIu64 " offset=%" PRId64
                  " bytes=%" PRId64,
                  recovery->id, recovery->folder, sure->segment->number, sure->span.at,
                  sure->span.bytes);
        damage_set_aside(recovery->disk, recovery->folder, sure->segment->number, sure->span);
    }
    work->doubt_count = 0;
}

static void start_behind(struct work *work, uint64_t sequence) {
    work->last = sequence;
    work->nothing_known = false;
}

/* In a survey: what was read last is used again for something else, because its writer knows that
 * nobody needs what was in it. */
static bool is_used_again(struct work *work) {
    return work->recovery->survey && work->file && files_is_changed(&work->files, work->file);
}

/* Everything up to here was synced once. What was not found is lost. */
static void expect(struct work *work, uint64_t up_to, const char *who) {
    struct recovery *recovery = work->recovery;
    if (work->nothing_known)
        start_behind(work, up_to);
    if (up_to <= work->last)
        return;
    if (is_used_again(work)) {
        work->doubt_count = 0;
        work->last = up_to;
        return;
    }
    if (recovery->survey && !work->doubt_count)
        note(work, NULL, (struct segment_span){0}, work->last + 1, up_to);
    confirm(work, up_to);
    recovery->damaged_records += (int64_t)(up_to - work->last);
    if (!recovery->survey)
        log_error("spool records missing spool=%s folder=%s first=%" PRIu64 " last=%" PRIu64
                  " named_by=%s",
                  recovery->id, recovery->folder, work->last + 1, up_to, who);
    work->last = up_to;
}

/* ---------------------------------------------------------------- one segment */

static void found_record(struct work *work, struct segment *segment, const struct record *record) {
    struct recovery *recovery = work->recovery;
    if (work->nothing_known)
        start_behind(work, record->sequence - 1);
    if (work->doubt_count && is_used_again(work))
        work->doubt_count = 0;
    if (work->doubt_count) {
        recovery->damaged_records += (int64_t)(record->sequence - work->last - 1);
        confirm(work, record->sequence - 1);
    }
    segment_note(segment, record);
    work->last = recovery->last = record->sequence;
    if (record->sequence <= recovery->checkpoint.drained)
        return;
    if (!recovery->undrained++ || record->received_ms < recovery->oldest_undrained_ms)
        recovery->oldest_undrained_ms = record->received_ms;
}

/* The next file that says what this one has to hold. */
static const struct file *successor(const struct work *work, size_t i) {
    for (i++; i < work->files.count; i++)
        if (!work->files.all[i].gone && work->files.all[i].begun == SEGMENT_BEGUN)
            return &work->files.all[i];
    return NULL;
}

/* Of a file that is being written, the end may be read before it was there, and then, further
 * behind, a record that came meanwhile. Before that one all was written: a second look at what is
 * in doubt sees it. */
static bool looks_again(struct work *work, struct segment *segment, struct segment_walk *walk) {
    for (size_t i = 0; work->recovery->survey && i < work->doubt_count; i++) {
        int64_t at = work->doubts[i].span.at;
        if (work->doubts[i].segment != segment || at <= work->again_at)
            continue;
        work->again_at = at;
        work->doubt_count = i;
        segment_walk_again(walk, at);
        return true;
    }
    return false;
}

/* From record to record, up to `up_to`, which the next segment says is the last. */
static bool walk(struct work *work, struct segment *segment, struct segment_walk *walk,
                 uint64_t up_to) {
    struct record record;
    struct segment_span span;
    while (work->last < up_to) {
        switch (segment_walk_next(walk, &record, &span)) {
        case SEGMENT_FAILED:
            return files_refuse(&work->files, segment->number, strerror(errno));
        case SEGMENT_END:
            return true;
        case SEGMENT_DAMAGE:
            doubt(work, segment, span, walk->headed);
            break;
        case SEGMENT_RECORD:
            /* Not to be had twice, and nothing that was given up. */
            if (record.sequence <= work->last)
                break;
            if (record.sequence > up_to)
                return true;
            if (looks_again(work, segment, walk))
                break;
            found_record(work, segment, &record);
            segment->used = walk->at;
            break;
        }
    }
    return true;
}

static void look_for_truncation(struct work *work, const struct file *file,
                                const struct segment *segment) {
    struct recovery *recovery = work->recovery;
    int64_t missing = file->begun == SEGMENT_BEGUN ? file->header.bytes - segment->bytes : 0;
    if (missing <= 0)
        return;
    recovery->damaged_bytes += missing;
    if (recovery->survey)
        note(work, segment, (struct segment_span){segment->bytes, missing}, work->last + 1,
             work->last);
    else
        log_error("spool segment cut short spool=%s folder=%s segment=%" PRIu64 " bytes=%" PRId64
                  " missing_bytes=%" PRId64,
                  recovery->id, recovery->folder, file->number, segment->bytes, missing);
}

static bool read_segment(struct work *work, const struct file *file, struct segment *segment,
                         uint64_t up_to) {
    const struct recovery *recovery = work->recovery;
    const struct disk *disk = recovery->disk;
    struct file copy = *file;
    int opened = files_open(&work->files, &copy);
    work->file = file;
    work->again_at = 0;
    if (opened < 0) {
        if (copy.gone && up_to != UINT64_MAX)
            work->last = up_to; /* its writer knows that nobody needs it */
        return copy.gone;
    }
    segment->bytes = files_size(&work->files, file, opened);
    if (segment->bytes < 0) {
        files_refuse(&work->files, segment->number, strerror(errno));
        disk->close(disk->arg, opened);
        return false;
    }
    look_for_truncation(work, file, segment);
    if (file->begun == SEGMENT_HEADER_DAMAGED || file->begun == SEGMENT_READY)
        doubt(work, segment, (struct segment_span){0, SEGMENT_HEADER}, false);
    struct segment_walk steps;
    segment_walk_start(&steps, disk, opened, segment_key(recovery->spool, file->number),
                       SEGMENT_HEADER, INT64_MAX);
    bool good = walk(work, segment, &steps, up_to);
    segment_walk_finish(&steps);
    disk->close(disk->arg, opened);
    return good;
}

/* The checkpoint says of it what of the others the next one's header says. */
static bool is_closed_end(const struct work *work, const struct file *file) {
    const struct checkpoint *checkpoint = &work->recovery->checkpoint;
    return checkpoint_is_closed(checkpoint) && file->number == checkpoint->newest;
}

struct end {
    uint64_t last;
    int64_t bytes, newest_ms; /* no record in it is younger */
};

/* False: that cannot be said without reading. Where a file with a bad header lies between two
 * others, it is not known whose the records are. */
static bool know_end(const struct work *work, const struct file *file, const struct file *next,
                     struct end *end) {
    const struct checkpoint *checkpoint = &work->recovery->checkpoint;
    if (next == file + 1)
        *end = (struct end){next->header.after, file->header.bytes, next->header.opened_ms};
    else if (!next && is_closed_end(work, file))
        *end = (struct end){checkpoint->last, checkpoint->newest_bytes, checkpoint->newest_ms};
    else
        return false;
    return file->begun == SEGMENT_BEGUN && end->last >= file->header.first;
}

/* Drained, and beginning and end are known: nobody reads it now. */
static bool know_without_reading(struct work *work, const struct file *file,
                                 const struct file *next, struct segment *segment) {
    struct end end;
    if (work->recovery->survey || !know_end(work, file, next, &end) ||
        end.last > work->recovery->checkpoint.drained)
        return false;
    segment->first = file->header.first;
    segment->last = end.last;
    segment->records = segment->last - segment->first + 1;
    segment->bytes = segment->used = end.bytes;
    segment->oldest_ms = file->header.opened_ms;
    segment->newest_ms = end.newest_ms;
    work->last = work->recovery->last = segment->last;
    return true;
}

/* Nobody looks for more behind what is known to be the last, for in a closed spool all the rest of
 * the file was given back. */
static uint64_t last_in(const struct work *work, const struct file *file, const struct file *next) {
    if (next)
        return next->header.after;
    bool closed = !work->recovery->survey && is_closed_end(work, file);
    return closed ? work->recovery->checkpoint.last : UINT64_MAX;
}

static bool take_segment(struct work *work, size_t i) {
    const struct file *file = &work->files.all[i];
    const struct file *next = successor(work, i);
    struct recovery *recovery = work->recovery;
    uint64_t up_to = last_in(work, file, next);
    /* Begun since then: what is in it came after all that is looked at. */
    if (recovery->survey && file->begun != SEGMENT_BEGUN && files_is_changed(&work->files, file))
        return true;
    if (file->begun == SEGMENT_BEGUN)
        expect(work, file->header.after, "the next segment");
    if (file->begun == SEGMENT_BEGUN && work->last >= file->header.after)
        work->doubt_count = 0; /* nothing is missing: it was given up, or is of an earlier use */
    struct segment *segment = segment_new(file->number);
    TAILQ_INSERT_TAIL(&recovery->segments, segment, segments);
    bool good =
        know_without_reading(work, file, next, segment) || read_segment(work, file, segment, up_to);
    if (is_closed_end(work, file) && segment->bytes > recovery->checkpoint.newest_bytes)
        segment->bytes = recovery->checkpoint.newest_bytes;
    recovery->bytes += segment->bytes;
    return good;
}

/* ---------------------------------------------------------------- all of it */

/* What is in no segment any more is not missed. */
static void start(struct work *work) {
    const struct recovery *recovery = work->recovery;
    const struct file *first = NULL;
    bool all_known = work->newest_checkpoint;
    for (size_t i = 0; i < work->files.count && !first; i++) {
        if (work->files.all[i].gone)
            all_known = false; /* its writer has written another checkpoint since */
        else
            first = &work->files.all[i];
    }
    work->last = recovery->checkpoint.removed;
    work->nothing_known =
        recovery->checkpoint.generation == 0 && first && first->begun != SEGMENT_BEGUN;
    if (first && first->begun == SEGMENT_BEGUN && (first->header.after < work->last || !all_known))
        work->last = first->header.after;
}

static bool is_there(const struct work *work, uint64_t number) {
    for (size_t i = 0; i < work->files.count; i++)
        if (work->files.all[i].number == number)
            return true;
    return false;
}

/* A write that was cut off was never synced, and nothing is lost with it; but a record that was
 * synced, and damaged since, looks the same where none follows. What has no whole head is as a rule
 * left of an earlier use of the file. */
static void tell_tail(const struct recovery *recovery, const struct doubt *tail) {
    if (tail->headed)
        log_warning("spool ends in a record that is cut off or damaged spool=%s "
                    "folder=%s segment=%" PRIu64 " offset=%" PRId64 " bytes=%" PRId64,
                    recovery->id, recovery->folder, tail->segment->number, tail->span.at,
                    tail->span.bytes);
    else if (tail->segment->records)
        log_info("spool ends before unsynced bytes spool=%s folder=%s segment=%" PRIu64
                 " offset=%" PRId64 " bytes=%" PRId64,
                 recovery->id, recovery->folder, tail->segment->number, tail->span.at,
                 tail->span.bytes);
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
        log_error("spool segment missing spool=%s folder=%s segment=%" PRIu64, recovery->id,
                  recovery->folder, newest);
    for (size_t i = 0; i < work->doubt_count; i++)
        tell_tail(recovery, &work->doubts[i]);
}

static void sort_out_unused(struct recovery *recovery) {
    struct segment *segment, *next;
    for (segment = TAILQ_FIRST(&recovery->segments); segment; segment = next) {
        next = TAILQ_NEXT(segment, segments);
        if (segment->records)
            continue;
        TAILQ_REMOVE(&recovery->segments, segment, segments);
        TAILQ_INSERT_TAIL(&recovery->unused, segment, segments);
    }
}

/* In a survey the checkpoint may tell of more than was there when the files were listed. What it
 * told before has to be in them, but for what it tells afterwards to be removed. */
static bool list(struct work *work) {
    struct recovery *recovery = work->recovery;
    struct checkpoint before = {0};
    if (recovery->survey)
        checkpoint_read(recovery->disk, recovery->folder, recovery->spool, &before);
    if (!files_list(&work->files) || !read_checkpoint(work))
        return false;
    if (recovery->survey)
        recovery->checkpoint.last = before.last;
    return true;
}

static bool take_all(struct work *work) {
    if (!list(work))
        return false;
    start(work);
    for (size_t i = 0; i < work->files.count; i++)
        if (!work->files.all[i].gone && !take_segment(work, i))
            return false;
    judge_the_end(work);
    sort_out_unused(work->recovery);
    return true;
}

bool recover(struct recovery *recovery, struct string *why) {
    struct work work = {
        .recovery = recovery,
        .files =
            {
                .disk = recovery->disk,
                .folder = recovery->folder,
                .spool = recovery->spool,
                .may_go = recovery->survey,
                .why = why,
            },
    };
    TAILQ_INIT(&recovery->segments);
    TAILQ_INIT(&recovery->unused);
    bool good = take_all(&work);
    files_finish(&work.files);
    free(work.doubts);
    return good;
}

void recovery_finish(struct recovery *recovery) {
    struct segment *segment;
    TAILQ_CONCAT(&recovery->segments, &recovery->unused, segments);
    while ((segment = TAILQ_FIRST(&recovery->segments))) {
        TAILQ_REMOVE(&recovery->segments, segment, segments);
        segment_free(segment);
    }
    free(recovery->damage);
    recovery->damage = NULL;
}
