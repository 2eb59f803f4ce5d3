#include "spool/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/random.h"
#include "spool/damage.h"

/* A survey holds the lock for a moment, to see whether anybody does. */
enum { LOCK_TRIES = 5, CREATE_TRIES = 8 };

static bool failed(struct string *why, const char *what, const char *path) {
    string_addf(why, "cannot %s %s: %s", what, path, strerror(errno));
    return false;
}

/* ---------------------------------------------------------------- making */

static char *parent_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash)
        return text_copy(text_of("."));
    return text_copy(text_slice(path, slash == path ? 1 : (size_t)(slash - path)));
}

static bool make_synced(const struct disk *disk, const char *path) {
    char *parent = parent_of(path);
    bool good =
        disk->make_folder(disk->arg, path) == 0 && disk->sync_folder(disk->arg, parent) == 0;
    free(parent);
    return good;
}

/* With those above it that are missing. */
static bool make_with_parents(const struct disk *disk, const char *directory) {
    if (make_synced(disk, directory) || errno == EEXIST)
        return true;
    if (errno != ENOENT)
        return false;
    char *parent = parent_of(directory);
    bool good = strcmp(parent, directory) != 0 && make_with_parents(disk, parent);
    free(parent);
    return good && (make_synced(disk, directory) || errno == EEXIST);
}

static char *without_last_slashes(const char *directory) {
    size_t size = strlen(directory);
    while (size > 1 && directory[size - 1] == '/')
        size--;
    return memory_copy(directory, size);
}

bool folder_make_directory(const struct disk *disk, const char *directory) {
    char *clean = without_last_slashes(directory);
    bool good = make_with_parents(disk, clean);
    int error = errno;
    free(clean);
    errno = error;
    return good;
}

static void name(struct folder *folder, const char *directory, const char *id) {
    struct string path = {0};
    memcpy(folder->id, id, FOLDER_ID);
    folder->id[FOLDER_ID] = '\0';
    folder->spool = strtoull(folder->id, NULL, 16);
    string_addf(&path, "%s/%s", directory, folder->id);
    folder->path = path.data;
    folder->lock = -1;
}

/* What fails after the folder was made takes it away again: each further try would leave one more.
 */
static enum folder_locked make_locked(struct folder *folder, const struct disk *disk,
                                      const char *directory) {
    char id[FOLDER_ID + 1];
    random_hex(id, FOLDER_ID);
    name(folder, directory, id);
    if (disk->make_folder(disk->arg, folder->path) < 0)
        return FOLDER_FAILED;
    enum folder_locked locked = FOLDER_FAILED;
    if (disk->sync_folder(disk->arg, directory) == 0)
        locked = folder_lock(folder, disk);
    if (locked == FOLDER_FAILED) {
        int error = errno;
        folder_remove(folder->path, disk, directory);
        errno = error;
    }
    return locked;
}

bool folder_create(struct folder *folder, const struct disk *disk, const char *directory,
                   struct string *why) {
    *folder = (struct folder){.lock = -1};
    if (!folder_make_directory(disk, directory))
        return failed(why, "make", directory);
    for (int i = 0; i < CREATE_TRIES; i++) {
        enum folder_locked locked = make_locked(folder, disk, directory);
        if (locked == FOLDER_LOCKED)
            return true;
        if (locked == FOLDER_FAILED)
            break;
        folder_finish(folder, disk); /* somebody found it between the two, and takes it for left */
    }
    failed(why, "make a spool in", directory);
    folder_finish(folder, disk);
    return false;
}

bool folder_named(struct folder *folder, const char *directory, const char *id) {
    if (strlen(id) != FOLDER_ID || strspn(id, "0123456789abcdef") != FOLDER_ID)
        return false;
    name(folder, directory, id);
    return true;
}

/* ---------------------------------------------------------------- the lock */

/* A disk in trouble may have become read-only: what is on it can still be drained. */
static int open_lock(const struct disk *disk, const char *path) {
    int file = disk->open(disk->arg, path, O_RDWR | O_CREAT);
    if (file >= 0 || errno != EROFS)
        return file;
    file = disk->open(disk->arg, path, O_RDONLY);
    if (file < 0)
        errno = EROFS;
    return file;
}

static int try_lock(const struct disk *disk, int file) {
    int tries = LOCK_TRIES;
    while (disk->lock(disk->arg, file) < 0) {
        if (errno != EWOULDBLOCK || --tries == 0)
            return -1;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    return 0;
}

static void on_any_name(void *arg, const char *entry) {
    (void)arg;
    (void)entry;
}

enum folder_locked folder_lock(struct folder *folder, const struct disk *disk) {
    struct string path = {0};
    string_addf(&path, "%s/lock", folder->path);
    int file = open_lock(disk, path.data);
    string_finish(&path);
    if (file < 0)
        return errno == ENOENT || errno == ENOTDIR ? FOLDER_GONE : FOLDER_FAILED;
    /* Its owner may have removed it all between the two calls, and let go of the lock then. */
    int status = try_lock(disk, file);
    if (status == 0)
        status = disk->list(disk->arg, folder->path, on_any_name, NULL);
    if (status == 0) {
        folder->lock = file;
        return FOLDER_LOCKED;
    }
    int error = errno;
    disk->close(disk->arg, file);
    errno = error;
    return error == EWOULDBLOCK ? FOLDER_HELD : error == ENOENT ? FOLDER_GONE : FOLDER_FAILED;
}

/* ---------------------------------------------------------------- removing */

struct entries {
    char **names;
    size_t count;
    bool copies; /* of damage */
};

static void on_name(void *arg, const char *entry) {
    struct entries *entries = arg;
    if (damage_is_copy(entry)) {
        entries->copies = true;
        return;
    }
    entries->names = memory_resize(entries->names, (entries->count + 1) * sizeof *entries->names);
    entries->names[entries->count++] = text_copy(text_of(entry));
}

static bool is_last_to_go(const char *entry) {
    return strcmp(entry, "checkpoint") == 0 || strcmp(entry, "lock") == 0;
}

static bool remove_entries(const char *folder, const struct disk *disk,
                           const struct entries *entries, bool last) {
    bool good = true;
    for (size_t i = 0; i < entries->count && good; i++) {
        if (is_last_to_go(entries->names[i]) != last)
            continue;
        struct string path = {0};
        string_addf(&path, "%s/%s", folder, entries->names[i]);
        good = disk->remove(disk->arg, path.data) == 0 || errno == ENOENT;
        string_finish(&path);
    }
    return good;
}

bool folder_remove(const char *folder, const struct disk *disk, const char *directory) {
    struct entries entries = {0};
    bool good = disk->list(disk->arg, folder, on_name, &entries) == 0;
    good = good && remove_entries(folder, disk, &entries, false);
    good = good && remove_entries(folder, disk, &entries, true);
    if (good && !entries.copies)
        good = disk->remove(disk->arg, folder) == 0;
    good = good && disk->sync_folder(disk->arg, entries.copies ? folder : directory) == 0;
    for (size_t i = 0; i < entries.count; i++)
        free(entries.names[i]);
    free(entries.names);
    return good;
}

void folder_finish(struct folder *folder, const struct disk *disk) {
    if (folder->path && folder->lock >= 0)
        disk->close(disk->arg, folder->lock);
    free(folder->path);
    *folder = (struct folder){.lock = -1};
}
