/* What earlier starts left behind: found, locked, read, and opened to be
 * drained. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "spool/damage.h"
#include "spool/recover.h"
#include "spool/room.h"

struct adoption {
    struct loop *loop;
    const struct spool_options *options;
    const struct disk *disk;
    char **names;
    size_t name_count;
    struct spool **adopted;
    int count;
};

static void on_name(void *arg, const char *name) {
    struct adoption *adoption = arg;
    adoption->names =
        memory_resize(adoption->names, (adoption->name_count + 1) * sizeof *adoption->names);
    adoption->names[adoption->name_count++] = text_copy(text_of(name));
}

struct content {
    bool segments, copies;
};

static void on_entry(void *arg, const char *name) {
    struct content *content = arg;
    uint64_t number;
    if (segment_name_parse(name, &number))
        content->segments = true;
    else if (damage_is_copy(name))
        content->copies = true;
}

/* A spool that was drained and removed, but for copies of damage that wait for a person. */
static bool is_only_copies(const struct adoption *adoption, const struct folder *folder) {
    struct content content = {0};
    const struct disk *disk = adoption->disk;
    return disk->list(disk->arg, folder->path, on_entry, &content) == 0 && content.copies &&
           !content.segments;
}

static void add(struct adoption *adoption, struct spool *spool) {
    struct spool_figures figures;
    spool_figures(spool, &figures);
    log_info("adopted spool id=%s records=%" PRIu64 " undrained=%" PRIu64
             " damaged_records=%" PRId64 " damaged_bytes=%" PRId64,
             spool->folder.id, figures.records, figures.undrained, figures.damaged_records,
             figures.damaged_bytes);
    adoption->adopted =
        memory_resize(adoption->adopted, ((size_t)adoption->count + 1) * sizeof *adoption->adopted);
    adoption->adopted[adoption->count++] = spool;
}

/* ---------------------------------------------------------------- closing */

static bool remove_unused(const struct adoption *adoption, const struct folder *folder,
                          const struct recovery *recovery) {
    const struct disk *disk = adoption->disk;
    const struct segment *segment;
    bool good = true;
    TAILQ_FOREACH (segment, &recovery->unused, segments) {
        char *path = segment_path(folder->path, segment->number);
        good = good && (disk->remove(disk->arg, path) == 0 || errno == ENOENT);
        free(path);
    }
    return good;
}

/* Gives back what is behind its records; where the disk takes nothing back, it goes on taking all
 * it took. Synced, because a process that was killed may have left what only the kernel knows of.
 */
static bool settle(const struct adoption *adoption, const struct folder *folder,
                   struct segment *newest) {
    const struct disk *disk = adoption->disk;
    char *path = segment_path(folder->path, newest->number);
    int file = disk->open(disk->arg, path, O_RDWR);
    free(path);
    if (file < 0)
        return false;
    if (newest->used < newest->bytes &&
        disk->punch(disk->arg, file, newest->used, newest->bytes) == 0)
        newest->bytes = newest->used;
    bool good = disk->sync_data(disk->arg, file) == 0;
    int error = errno;
    disk->close(disk->arg, file);
    errno = error;
    return good;
}

static void describe_end(const struct recovery *recovery, struct checkpoint *checkpoint) {
    const struct segment *first = TAILQ_FIRST(&recovery->segments);
    const struct segment *newest = TAILQ_LAST(&recovery->segments, segment_list);
    checkpoint->last = recovery->last;
    checkpoint->newest = newest->number;
    checkpoint->newest_bytes = newest->bytes;
    checkpoint->newest_ms = newest->newest_ms;
    /* Where the checkpoint was lost: what is gone without damage was removed. */
    if (first->first > checkpoint->removed + 1)
        checkpoint->removed = first->first - 1;
}

/* The checkpoint last: wherever the power goes, either all of this is done again, or it was done.
 */
static bool close_up(const struct adoption *adoption, const struct folder *folder,
                     struct recovery *recovery) {
    const struct disk *disk = adoption->disk;
    if (!remove_unused(adoption, folder, recovery))
        return false;
    if (checkpoint_is_closed(&recovery->checkpoint))
        return true;
    if (!settle(adoption, folder, TAILQ_LAST(&recovery->segments, segment_list)))
        return false;
    describe_end(recovery, &recovery->checkpoint);
    return checkpoint_write(disk, folder->path, folder->spool, &recovery->checkpoint) == 0 &&
           disk->sync_folder(disk->arg, folder->path) == 0;
}

/* What was read once is never written again: the next start need not read it anew, and what it does
 * not need is given back. One that is damaged stays as it is, so that each start tells. */
static void close_recovered(const struct adoption *adoption, const struct folder *folder,
                            struct recovery *recovery) {
    if (recovery->damaged_records || recovery->damaged_bytes)
        return;
    if (!close_up(adoption, folder, recovery))
        log_warning("spool cannot be closed, the next start reads it again spool=%s error=%s",
                    folder->id, strerror(errno));
}

/* ---------------------------------------------------------------- one folder */

static void open_recovered(struct adoption *adoption, struct folder *folder,
                           struct recovery *recovery) {
    struct spool *spool = spool_open(adoption->loop, adoption->options, folder);
    spool->adopted = true;
    spool->last = spool->given = recovery->last;
    string_add_of(&spool->trouble, "it was left by an earlier start, and is only drained");
    TAILQ_CONCAT(&spool->segments, &recovery->segments, segments);
    spool->counts.damaged_records = recovery->damaged_records;
    spool->counts.damaged_bytes = recovery->damaged_bytes;
    spool_start(spool, &recovery->checkpoint);
    add(adoption, spool);
}

/* Nothing was put there, or all of it was drained and removed. */
static bool is_empty(const struct recovery *recovery) {
    return TAILQ_EMPTY(&recovery->segments) && !recovery->damaged_records &&
           !recovery->damaged_bytes;
}

/* At once, and without Redis: while that is away, each start that is killed would leave one more.
 */
static void remove_empty(const struct adoption *adoption, struct folder *folder) {
    if (!folder_remove(folder, adoption->disk, adoption->options->directory))
        log_warning("spool cannot be removed, the next start tries again spool=%s error=%s",
                    folder->id, strerror(errno));
}

static bool read_folder(struct adoption *adoption, struct folder *folder, struct string *why) {
    struct recovery recovery = {
        .disk = adoption->disk,
        .folder = folder->path,
        .spool = folder->spool,
    };
    if (is_only_copies(adoption, folder))
        return true;
    bool good = recover(&recovery, why);
    if (good && is_empty(&recovery))
        remove_empty(adoption, folder);
    else if (good) {
        close_recovered(adoption, folder, &recovery);
        open_recovered(adoption, folder, &recovery);
    }
    recovery_finish(&recovery);
    return good;
}

/* A running process has others to serve: each that is held would cost it the time for all tries. */
static enum folder_locked try_lock(const struct adoption *adoption, struct folder *folder) {
    return adoption->options->is_open ? folder_lock_at_once(folder, adoption->disk)
                                      : folder_lock(folder, adoption->disk);
}

static bool adopt(struct adoption *adoption, const char *name, struct string *why) {
    struct folder folder = {.lock = -1};
    if (!folder_named(&folder, adoption->options->directory, name))
        return true; /* somebody else's */
    const struct spool_options *options = adoption->options;
    struct string trouble = {0};
    bool good = true;
    if (options->is_open && options->is_open(options->arg, folder.id)) {
        folder_finish(&folder, adoption->disk);
        return true;
    }
    switch (try_lock(adoption, &folder)) {
    case FOLDER_LOCKED:
        good = read_folder(adoption, &folder, &trouble);
        break;
    case FOLDER_HELD:
        if (!options->is_open)
            log_info("spool held by another process spool=%s", folder.id);
        break;
    case FOLDER_GONE:
        break;
    case FOLDER_FAILED:
        string_addf(&trouble, "cannot lock %s: %s", folder.path, strerror(errno));
        good = false;
        break;
    }
    if (!good)
        string_addf(why,
                    "%s%s. Something in it may not be in Redis yet: mend it, or move %s elsewhere "
                    "to start without it",
                    why->size ? "; " : "", trouble.data, folder.path);
    string_finish(&trouble);
    folder_finish(&folder, adoption->disk);
    return good;
}

static bool list(struct adoption *adoption, struct string *why) {
    const char *directory = adoption->options->directory;
    if (adoption->disk->list(adoption->disk->arg, directory, on_name, adoption) == 0 ||
        errno == ENOENT)
        return true;
    string_addf(why, "cannot list %s: %s", directory, strerror(errno));
    return false;
}

static int64_t oldest_ms(const struct spool *spool) {
    const struct segment *first = TAILQ_FIRST(&spool->segments);
    return first ? first->oldest_ms : 0;
}

static int by_age(const void *left, const void *right) {
    int64_t a = oldest_ms(*(struct spool *const *)left);
    int64_t b = oldest_ms(*(struct spool *const *)right);
    return a < b ? -1 : a > b;
}

int spool_adopt(struct loop *loop, const struct spool_options *options, struct spool ***adopted,
                struct string *why) {
    struct adoption adoption = {
        .loop = loop,
        .options = options,
        .disk = options->disk ? options->disk : &disk_real,
    };
    bool good = list(&adoption, why);
    for (size_t i = 0; i < adoption.name_count; i++) {
        if (good && !adopt(&adoption, adoption.names[i], why))
            good = options->is_open; /* the others have nothing to do with it */
        free(adoption.names[i]);
    }
    free(adoption.names);
    if (good) {
        if (adoption.count)
            qsort(adoption.adopted, (size_t)adoption.count, sizeof *adoption.adopted, by_age);
        *adopted = adoption.adopted;
        return adoption.count;
    }
    for (int i = 0; i < adoption.count; i++)
        spool_destroy(adoption.adopted[i]);
    free(adoption.adopted);
    *adopted = NULL;
    return -1;
}
