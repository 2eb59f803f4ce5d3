#include "spool/shelf.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SLICE = 1 << 20 };

static const struct shelf_file NO_FILE = {.file = -1};

void shelf_init(struct shelf *shelf) {
    shelf->current = shelf->ready = NO_FILE;
}

static void close_file(struct shelf *shelf, struct shelf_file *file) {
    if (file->file >= 0)
        shelf->disk->close(shelf->disk->arg, file->file);
    *file = NO_FILE;
}

void shelf_finish(struct shelf *shelf) {
    close_file(shelf, &shelf->current);
    close_file(shelf, &shelf->ready);
}

static bool failed(struct string *why, const char *what, const char *path) {
    string_clear(why);
    string_addf(why, "cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

bool shelf_has_free_space(struct shelf *shelf, int64_t for_bytes, struct string *why) {
    int64_t bytes = shelf->disk->free_bytes(shelf->disk->arg, shelf->folder);
    if (bytes < 0 && errno == ENOENT) {
        string_clear(why);
        string_addf(why, "the folder %s is gone: put it back, or start serve again", shelf->folder);
        return false;
    }
    if (bytes < 0)
        return failed(why, "ask for the free space of", shelf->folder);
    if (bytes - for_bytes >= shelf->least_free_bytes)
        return true;
    string_clear(why);
    string_addf(why, "only %" PRId64 " bytes are free on the file system of %s", bytes,
                shelf->folder);
    return false;
}

/* ---------------------------------------------------------------- making one */

/* What was begun and failed. That it is gone need not be synced: it holds nothing. */
static void discard(struct shelf *shelf, struct shelf_file *file) {
    char *path = segment_path(shelf->folder, file->number);
    shelf->disk->close(shelf->disk->arg, file->file);
    if (shelf->disk->remove(shelf->disk->arg, path) == 0)
        shelf->room += file->bytes;
    free(path);
    *file = NO_FILE;
}

static bool make(struct shelf *shelf, struct shelf_file *file, int64_t bytes, struct string *why) {
    if (shelf->room - shelf->others_bytes < bytes) {
        string_clear(why);
        string_addf(why,
                    "%s, with what other starts left beside it, is as large as "
                    "serve.spool.max_size lets it be",
                    shelf->folder);
        return false;
    }
    if (!shelf_has_free_space(shelf, bytes, why))
        return false;
    uint64_t number = shelf->next_number++;
    char *path = segment_path(shelf->folder, number);
    int opened = shelf->disk->open(shelf->disk->arg, path, O_RDWR | O_CREAT | O_EXCL);
    free(path);
    if (opened <
        0) /* without its name, which is another one at each try: so that it is said once */
        return failed(why, "make a segment in", shelf->folder);
    *file = (struct shelf_file){.file = opened, .number = number, .bytes = bytes};
    shelf->room -= bytes;
    return true;
}

static bool fill(struct shelf *shelf, struct shelf_file *file, struct string *why) {
    const struct disk *disk = shelf->disk;
    int64_t filled = file->filled + SLICE < file->bytes ? file->filled + SLICE : file->bytes;
    bool good = disk->allocate(disk->arg, file->file, filled) == 0 &&
                disk->sync_data(disk->arg, file->file) == 0;
    if (good && filled == file->bytes)
        good = disk->sync_folder(disk->arg, shelf->folder) == 0;
    if (!good) {
        failed(why, "fill a segment in", shelf->folder);
        discard(shelf, file);
        return false;
    }
    file->filled = filled;
    return true;
}

static bool is_filled(const struct shelf_file *file) {
    return file->file >= 0 && file->filled == file->bytes;
}

bool shelf_is_ready(const struct shelf *shelf) {
    return is_filled(&shelf->ready);
}

bool shelf_prepare(struct shelf *shelf, struct string *why) {
    assert(!shelf_is_ready(shelf));
    if (shelf->ready.file < 0 && !make(shelf, &shelf->ready, shelf->segment_bytes, why))
        return false;
    return fill(shelf, &shelf->ready, why);
}

/* ---------------------------------------------------------------- turning to the next */

bool shelf_takes(const struct shelf *shelf, int64_t bytes) {
    const struct shelf_file *current = &shelf->current;
    int64_t used = current->used ? current->used : SEGMENT_HEADER;
    return current->file >= 0 && used + bytes <= current->bytes;
}

/* Numbers rise with the sequences in them: what was made ready comes behind the one of its own
 * size. */
static bool move_ready_behind(struct shelf *shelf, struct string *why) {
    if (shelf->ready.file < 0)
        return true;
    char *from = segment_path(shelf->folder, shelf->ready.number);
    char *to = segment_path(shelf->folder, shelf->next_number);
    bool good = shelf->disk->rename(shelf->disk->arg, from, to) == 0 || failed(why, "rename", from);
    if (good)
        shelf->ready.number = shelf->next_number++;
    if (good && shelf->disk->sync_folder(shelf->disk->arg, shelf->folder) < 0)
        good = failed(why, "sync", shelf->folder);
    if (!good)
        discard(shelf, &shelf->ready);
    free(from);
    free(to);
    return good;
}

static bool turn_to_own_size(struct shelf *shelf, int64_t bytes, struct string *why) {
    struct shelf_file own = NO_FILE;
    if (!make(shelf, &own, SEGMENT_HEADER + bytes, why))
        return false;
    while (!is_filled(&own))
        if (!fill(shelf, &own, why))
            return false;
    if (!move_ready_behind(shelf, why)) {
        discard(shelf, &own);
        return false;
    }
    close_file(shelf, &shelf->current);
    shelf->current = own;
    return true;
}

bool shelf_turn(struct shelf *shelf, int64_t bytes, struct string *why) {
    if (SEGMENT_HEADER + bytes > shelf->segment_bytes)
        return turn_to_own_size(shelf, bytes, why);
    while (!shelf_is_ready(shelf))
        if (!shelf_prepare(shelf, why))
            return false;
    close_file(shelf, &shelf->current);
    shelf->current = shelf->ready;
    shelf->ready = NO_FILE;
    return true;
}

void shelf_give_up(struct shelf *shelf) {
    if (shelf->current.used) {
        close_file(shelf, &shelf->current);
        return;
    }
    discard(shelf, &shelf->current);
    shelf->disk->sync_folder(shelf->disk->arg, shelf->folder);
}

/* As well as it can: what is not given back now is taken until the spool is removed. */
int64_t shelf_put_away(struct shelf *shelf) {
    struct shelf_file *current = &shelf->current;
    const struct disk *disk = shelf->disk;
    if (shelf->ready.file >= 0)
        discard(shelf, &shelf->ready);
    if (current->used < current->bytes &&
        disk->punch(disk->arg, current->file, current->used, current->bytes) < 0)
        return current->bytes;
    return current->used;
}

/* ---------------------------------------------------------------- when one is not needed any more
 */

static bool use_again(struct shelf *shelf, uint64_t number, int64_t bytes) {
    const struct disk *disk = shelf->disk;
    char *from = segment_path(shelf->folder, number);
    char *to = segment_path(shelf->folder, shelf->next_number);
    int opened = disk->open(disk->arg, from, O_RDWR);
    bool good = opened >= 0 && disk->rename(disk->arg, from, to) == 0;
    if (good) {
        shelf->ready = (struct shelf_file){
            .file = opened, .number = shelf->next_number++, .bytes = bytes, .filled = bytes};
        if (disk->sync_folder(disk->arg, shelf->folder) < 0)
            discard(shelf, &shelf->ready);
    } else if (opened >= 0) {
        disk->close(disk->arg, opened);
    }
    free(from);
    free(to);
    return good;
}

bool shelf_retire(struct shelf *shelf, uint64_t number, int64_t bytes, bool again,
                  struct string *why) {
    const struct disk *disk = shelf->disk;
    if (again && bytes == shelf->segment_bytes && shelf->ready.file < 0 &&
        use_again(shelf, number, bytes))
        return true;
    char *path = segment_path(shelf->folder, number);
    bool good =
        disk->remove(disk->arg, path) == 0 || errno == ENOENT || failed(why, "remove", path);
    free(path);
    if (!good)
        return false;
    if (disk->sync_folder(disk->arg, shelf->folder) < 0)
        return failed(why, "sync", shelf->folder); /* it is asked again, and wins the room then */
    shelf->room += bytes;
    return true;
}
