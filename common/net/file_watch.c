#include "net/file_watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/text.h"

/* What tells one content from another, without reading it. */
struct look {
    bool there;
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec written, touched; /* `touched` too: it cannot be set back */
};

struct watched {
    LIST_ENTRY(watched) entry;
    char *path;
    struct look last;
    bool listed; /* since the restart */
};

struct file_watch {
    LIST_HEAD(watched_list, watched) files;
    struct loop_timer *next_look;
    int64_t every_ms;
    bool restless; /* something had changed at the last look */
    loop_fn *on_change;
    void *arg;
};

static struct look look_at(const char *path) {
    struct look look = {0};
    struct stat about;
    if (stat(path, &about) == 0)
        look = (struct look){.there = true,
                             .device = about.st_dev,
                             .inode = about.st_ino,
                             .bytes = about.st_size,
                             .written = about.st_mtim,
                             .touched = about.st_ctim};
    return look;
}

static bool same_time(struct timespec a, struct timespec b) {
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool same_look(const struct look *a, const struct look *b) {
    return a->there == b->there && a->device == b->device && a->inode == b->inode &&
           a->bytes == b->bytes && same_time(a->written, b->written) &&
           same_time(a->touched, b->touched);
}

static void forget(struct watched *file) {
    LIST_REMOVE(file, entry);
    free(file->path);
    free(file);
}

static bool look_at_all(struct file_watch *watch) {
    bool changed = false;
    struct watched *file, *next;
    for (file = LIST_FIRST(&watch->files); file; file = next) {
        next = LIST_NEXT(file, entry);
        if (!file->listed) {
            forget(file);
            continue;
        }
        struct look now = look_at(file->path);
        changed = changed || !same_look(&now, &file->last);
        file->last = now;
    }
    return changed;
}

static void on_look(void *arg) {
    struct file_watch *watch = arg;
    bool changed = look_at_all(watch), rested = watch->restless && !changed;
    watch->restless = changed;
    loop_timer_set(watch->next_look, watch->every_ms);
    if (rested)
        watch->on_change(watch->arg);
}

struct file_watch *file_watch_create(struct loop *loop, int64_t every_ms, loop_fn *on_change,
                                     void *arg) {
    struct file_watch *watch = memory_new(sizeof *watch);
    LIST_INIT(&watch->files);
    watch->every_ms = every_ms;
    watch->on_change = on_change;
    watch->arg = arg;
    watch->next_look = loop_timer_create(loop, on_look, watch);
    loop_timer_set(watch->next_look, watch->every_ms);
    return watch;
}

void file_watch_destroy(struct file_watch *watch) {
    if (!watch)
        return;
    while (!LIST_EMPTY(&watch->files))
        forget(LIST_FIRST(&watch->files));
    loop_timer_destroy(watch->next_look);
    free(watch);
}

void file_watch_restart(struct file_watch *watch) {
    struct watched *file;
    LIST_FOREACH (file, &watch->files, entry)
        file->listed = false;
}

void file_watch_add(struct file_watch *watch, const char *path) {
    struct watched *file;
    if (!path)
        return;
    LIST_FOREACH (file, &watch->files, entry) {
        if (strcmp(file->path, path) != 0)
            continue;
        file->listed = true;
        return;
    }
    file = memory_new(sizeof *file);
    *file = (struct watched){.path = text_copy(text_of(path)), .listed = true};
    LIST_INSERT_HEAD(&watch->files, file, entry);
}
