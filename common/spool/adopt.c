#include "spool/adopt.h"

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

struct names {
    char **all;
    size_t count;
};

static void on_name(void *arg, const char *name) {
    struct names *names = arg;
    names->all = memory_resize(names->all, (names->count + 1) * sizeof *names->all);
    names->all[names->count++] = text_copy(text_of(name));
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
        log_warning("spool cannot be closed, the next start reads it again spool=%s reason=%s",
                    folder->id, strerror(errno));
}

/* ---------------------------------------------------------------- one folder */

/* Nothing was put there, or all of it was drained and removed. */
static bool is_empty(const struct recovery *recovery) {
    return TAILQ_EMPTY(&recovery->segments) && !recovery->damaged_records &&
           !recovery->damaged_bytes;
}

/* At once, and without Redis: while that is away, each start that is killed would leave one more.
 */
static void remove_empty(const struct adoption *adoption, struct folder *folder) {
    if (!folder_remove(folder->path, adoption->disk, adoption->directory))
        log_warning("spool cannot be removed, the next start tries again spool=%s reason=%s",
                    folder->id, strerror(errno));
}

static bool read_folder(const struct adoption *adoption, struct found *found, struct string *why) {
    struct folder *folder = &found->folder;
    struct recovery *recovery = &found->recovery;
    *recovery = (struct recovery){
        .disk = adoption->disk,
        .folder = folder->path,
        .id = folder->id,
        .spool = folder->spool,
    };
    if (is_only_copies(adoption, folder))
        return true;
    if (!recover(recovery, why))
        return false;
    if (is_empty(recovery))
        remove_empty(adoption, folder);
    else
        close_recovered(adoption, folder, recovery);
    return true;
}

static bool lock_and_read(const struct adoption *adoption, struct found *found,
                          struct string *why) {
    switch (folder_lock(&found->folder, adoption->disk)) {
    case FOLDER_LOCKED:
        return read_folder(adoption, found, why);
    case FOLDER_HELD:
        if (!adoption->again)
            log_info("spool held by another process spool=%s", found->folder.id);
        return true;
    case FOLDER_GONE:
        return true;
    case FOLDER_FAILED:
        string_addf(why, "cannot lock %s: %s", found->folder.path, strerror(errno));
        return false;
    }
    return false;
}

static void found_free(const struct adoption *adoption, struct found *found) {
    recovery_finish(&found->recovery);
    folder_finish(&found->folder, adoption->disk);
    free(found);
}

static bool look_into(struct adoption *adoption, const char *name, struct string *why) {
    struct found *found = memory_new(sizeof *found);
    if (!folder_named(&found->folder, adoption->directory, name)) {
        free(found); /* somebody else's */
        return true;
    }
    struct string trouble = {0};
    bool good = lock_and_read(adoption, found, &trouble);
    if (!good)
        string_addf(why,
                    "%s%s. Something in it may not be in Redis yet: mend it, or move %s elsewhere "
                    "to start without it",
                    why->size ? "; " : "", trouble.data, found->folder.path);
    string_finish(&trouble);
    if (good && !is_empty(&found->recovery))
        STAILQ_INSERT_TAIL(&adoption->found, found, link);
    else
        found_free(adoption, found);
    return good;
}

/* ---------------------------------------------------------------- all of them */

static bool list(const struct adoption *adoption, struct names *names, struct string *why) {
    if (adoption->disk->list(adoption->disk->arg, adoption->directory, on_name, names) == 0 ||
        errno == ENOENT)
        return true;
    string_addf(why, "cannot list %s: %s", adoption->directory, strerror(errno));
    return false;
}

bool adoption_look(struct adoption *adoption, struct string *why) {
    struct names names = {0};
    STAILQ_INIT(&adoption->found);
    bool good = list(adoption, &names, why);
    for (size_t i = 0; i < names.count; i++) {
        if (good || adoption->again)
            good = look_into(adoption, names.all[i], why) && good;
        free(names.all[i]);
    }
    free(names.all);
    return good;
}

void adoption_finish(struct adoption *adoption) {
    struct found *found;
    while ((found = STAILQ_FIRST(&adoption->found))) {
        STAILQ_REMOVE_HEAD(&adoption->found, link);
        found_free(adoption, found);
    }
}

/* ---------------------------------------------------------------- opening */

static void say_adopted(const struct spool *spool) {
    struct spool_figures figures;
    spool_figures(spool, &figures);
    log_info("adopted spool spool=%s records=%" PRIu64 " undrained=%" PRIu64
             " damaged_records=%" PRId64 " damaged_bytes=%" PRId64,
             spool->folder.id, figures.records, figures.undrained, figures.damaged_records,
             figures.damaged_bytes);
}

static struct spool *open_found(struct found *found, struct loop *loop,
                                const struct spool_options *options) {
    struct recovery *recovery = &found->recovery;
    struct spool *spool = spool_open(loop, options, &found->folder);
    spool->adopted = true;
    spool->last = spool->given = recovery->last;
    string_add_of(&spool->trouble, "it was left by an earlier start, and is only drained");
    TAILQ_CONCAT(&spool->segments, &recovery->segments, segments);
    spool->counts.damaged_records = recovery->damaged_records;
    spool->counts.damaged_bytes = recovery->damaged_bytes;
    spool_start(spool, &recovery->checkpoint);
    say_adopted(spool);
    return spool;
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

int adoption_open(struct adoption *adoption, struct loop *loop, const struct spool_options *options,
                  struct spool ***adopted) {
    size_t count = 0;
    *adopted = NULL;
    struct found *found;
    STAILQ_FOREACH (found, &adoption->found, link) {
        *adopted = memory_resize(*adopted, (count + 1) * sizeof **adopted);
        (*adopted)[count++] = open_found(found, loop, options);
    }
    if (count)
        qsort(*adopted, count, sizeof **adopted, by_age);
    adoption_finish(adoption);
    return (int)count;
}

int spool_adopt(struct loop *loop, const struct spool_options *options, struct spool ***adopted,
                struct string *why) {
    struct adoption adoption = {
        .disk = options->disk ? options->disk : &disk_real,
        .directory = options->directory,
    };
    *adopted = NULL;
    if (adoption_look(&adoption, why))
        return adoption_open(&adoption, loop, options, adopted);
    adoption_finish(&adoption);
    return -1;
}
