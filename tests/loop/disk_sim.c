#include "disk_sim.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "platter.h"

/* Descriptors start where no real one is: one that strays into the kernel fails there. */
enum { FIRST_DESCRIPTOR = 1000000 };

struct descriptor {
    struct node *node; /* NULL: closed */
    int flags;
};

struct disk_sim {
    struct disk disk;
    pthread_mutex_t mutex;
    pthread_cond_t released;
    struct platter platter;
    struct descriptor *descriptors;
    size_t descriptor_count;
    uint64_t changes, cut_at, fail_at;
    int fail_at_error;
    bool cut, read_only;
    struct {
        int error, times, skip;
    } faults[DISK_SIM_CALLS];
    int64_t room, bytes_read;
    bool syncs_held;
    unsigned syncs_waiting;
};

const char *disk_sim_call_name(enum disk_sim_call call) {
    static const char *const names[DISK_SIM_CALLS] = {
        [DISK_SIM_MAKE_FOLDER] = "make_folder",
        [DISK_SIM_OPEN] = "open",
        [DISK_SIM_WRITE] = "write",
        [DISK_SIM_READ] = "read",
        [DISK_SIM_SYNC_DATA] = "sync_data",
        [DISK_SIM_SYNC_FOLDER] = "sync_folder",
        [DISK_SIM_ALLOCATE] = "allocate",
        [DISK_SIM_PUNCH] = "punch",
        [DISK_SIM_RENAME] = "rename",
        [DISK_SIM_REMOVE] = "remove",
        [DISK_SIM_LIST] = "list",
        [DISK_SIM_LOCK] = "lock",
    };
    assert(call < DISK_SIM_CALLS);
    return names[call];
}

/* ---------------------------------------------------------------- faults */

static int failed(int error) {
    errno = error;
    return -1;
}

/* What is to go wrong with this call; 0: nothing. */
static int fault_of(struct disk_sim *sim, enum disk_sim_call call) {
    if (sim->cut)
        return EIO;
    if (sim->faults[call].times == 0)
        return 0;
    if (sim->faults[call].skip > 0) {
        sim->faults[call].skip--;
        return 0;
    }
    if (sim->faults[call].times > 0)
        sim->faults[call].times--;
    return sim->faults[call].error;
}

static int fault_of_change(struct disk_sim *sim, enum disk_sim_call call) {
    if (sim->cut)
        return EIO;
    sim->changes++;
    if (sim->changes == sim->cut_at) {
        sim->cut = true;
        sim->syncs_held = false; /* nobody waits for a disk without power */
        pthread_cond_broadcast(&sim->released);
        return EIO;
    }
    if (sim->read_only)
        return EROFS;
    if (sim->changes == sim->fail_at)
        return sim->fail_at_error;
    return fault_of(sim, call);
}

/* To what size this file may grow, when it wants to be so large. */
static size_t roomy_size(const struct disk_sim *sim, const struct node *node, size_t size) {
    if (sim->room < 0 || size <= node->seen.size)
        return size;
    int64_t more = sim->room - platter_used(&sim->platter);
    if (more <= 0)
        return node->seen.size;
    size_t most = node->seen.size + (size_t)more;
    return size < most ? size : most;
}

static struct disk_sim *locked(void *arg) {
    struct disk_sim *sim = arg;
    pthread_mutex_lock(&sim->mutex);
    return sim;
}

static int unlocked(struct disk_sim *sim, int error) {
    pthread_mutex_unlock(&sim->mutex);
    return error ? failed(error) : 0;
}

/* ---------------------------------------------------------------- the calls on paths */

static int create(struct disk_sim *sim, enum disk_sim_call call, const char *path) {
    int error = platter_parent_fault(&sim->platter, path);
    if (!error && sim->room >= 0 && platter_used(&sim->platter) >= sim->room)
        error = ENOSPC;
    bool was_cut = sim->cut;
    int fault = fault_of_change(sim, call);
    /* When the power goes in this very call, it may have been done all the same. */
    if (!error && (!fault || (sim->cut && !was_cut)))
        platter_move(&sim->platter, NULL, path,
                     platter_node(&sim->platter, call == DISK_SIM_MAKE_FOLDER));
    return fault ? fault : error;
}

static int on_make_folder(void *arg, const char *path) {
    struct disk_sim *sim = locked(arg);
    if (!sim->cut && platter_find(&sim->platter, path))
        return unlocked(sim, EEXIST);
    return unlocked(sim, create(sim, DISK_SIM_MAKE_FOLDER, path));
}

static int open_fault(struct disk_sim *sim, const char *path, int flags) {
    struct node *node = platter_find(&sim->platter, path);
    if (sim->cut)
        return EIO;
    if (!node && (flags & O_CREAT))
        return create(sim, DISK_SIM_OPEN, path);
    if (!node)
        return ENOENT;
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return EEXIST;
    if (node->folder ? (flags & O_ACCMODE) != O_RDONLY : (flags & O_DIRECTORY) != 0)
        return node->folder ? EISDIR : ENOTDIR;
    assert(!(flags & (O_TRUNC | O_APPEND)));
    if (sim->read_only && (flags & O_ACCMODE) != O_RDONLY)
        return EROFS;
    return fault_of(sim, DISK_SIM_OPEN);
}

static int on_open(void *arg, const char *path, int flags) {
    struct disk_sim *sim = locked(arg);
    int error = open_fault(sim, path, flags);
    if (error)
        return unlocked(sim, error);
    size_t count = sim->descriptor_count++;
    sim->descriptors =
        memory_resize(sim->descriptors, sim->descriptor_count * sizeof *sim->descriptors);
    sim->descriptors[count] = (struct descriptor){platter_find(&sim->platter, path), flags};
    unlocked(sim, 0);
    return FIRST_DESCRIPTOR + (int)count;
}

static int on_rename(void *arg, const char *from, const char *to) {
    struct disk_sim *sim = locked(arg);
    int error =
        !platter_find(&sim->platter, from) ? ENOENT : platter_parent_fault(&sim->platter, to);
    bool was_cut = sim->cut;
    int fault = fault_of_change(sim, DISK_SIM_RENAME);
    if (!error && (!fault || (sim->cut && !was_cut)))
        platter_move(&sim->platter, from, to, NULL);
    return unlocked(sim, fault ? fault : error);
}

static int remove_fault(const struct disk_sim *sim, const char *path) {
    struct name *name;
    if (!platter_find(&sim->platter, path))
        return ENOENT;
    TAILQ_FOREACH (name, &sim->platter.seen, next)
        if (platter_is_in(name->path, path))
            return ENOTEMPTY;
    return 0;
}

static int on_remove(void *arg, const char *path) {
    struct disk_sim *sim = locked(arg);
    int error = remove_fault(sim, path);
    bool was_cut = sim->cut;
    int fault = fault_of_change(sim, DISK_SIM_REMOVE);
    if (!error && (!fault || (sim->cut && !was_cut)))
        platter_move(&sim->platter, path, NULL, NULL);
    return unlocked(sim, fault ? fault : error);
}

static int on_sync_folder(void *arg, const char *path) {
    struct disk_sim *sim = locked(arg);
    struct node *folder = platter_find(&sim->platter, path);
    int error = fault_of_change(sim, DISK_SIM_SYNC_FOLDER);
    if (error || !folder || !folder->folder)
        return unlocked(sim, error ? error : folder ? ENOTDIR : ENOENT);
    platter_sync_folder(&sim->platter, path);
    return unlocked(sim, 0);
}

static int64_t on_free_bytes(void *arg, const char *path) {
    struct disk_sim *sim = locked(arg);
    (void)path;
    int64_t bytes = sim->room < 0 ? INT64_C(1) << 40 : sim->room - platter_used(&sim->platter);
    int status = unlocked(sim, sim->cut ? EIO : 0);
    return status < 0 ? status : bytes < 0 ? 0 : bytes;
}

static int on_list(void *arg, const char *path, disk_name_fn *each, void *each_arg) {
    struct disk_sim *sim = locked(arg);
    struct node *folder = platter_find(&sim->platter, path);
    int error = fault_of(sim, DISK_SIM_LIST);
    if (error || !folder || !folder->folder)
        return unlocked(sim, error ? error : folder ? ENOTDIR : ENOENT);
    /* A copy: what is called back may use the disk. */
    struct names names;
    struct name *name;
    platter_names_in(&sim->platter, path, &names);
    unlocked(sim, 0);
    TAILQ_FOREACH (name, &names, next)
        each(each_arg, name->path + platter_parent_size(name->path) + 1);
    platter_names_clear(&names);
    return 0;
}

/* ---------------------------------------------------------------- the calls on descriptors */

static struct node *node_of(const struct disk_sim *sim, int file) {
    size_t at = (size_t)(file - FIRST_DESCRIPTOR);
    return file >= FIRST_DESCRIPTOR && at < sim->descriptor_count ? sim->descriptors[at].node
                                                                  : NULL;
}

static bool may_write(const struct disk_sim *sim, int file) {
    return (sim->descriptors[file - FIRST_DESCRIPTOR].flags & O_ACCMODE) != O_RDONLY;
}

static int on_close(void *arg, int file) {
    struct disk_sim *sim = locked(arg);
    struct node *node = node_of(sim, file);
    if (!node)
        return unlocked(sim, EBADF);
    if (node->locker == file)
        node->locker = 0;
    sim->descriptors[file - FIRST_DESCRIPTOR].node = NULL;
    return unlocked(sim, 0);
}

static ssize_t on_write(void *arg, int file, const void *data, size_t size, int64_t at) {
    struct disk_sim *sim = locked(arg);
    struct node *node = node_of(sim, file);
    if (!node || !may_write(sim, file))
        return unlocked(sim, EBADF);
    bool was_cut = sim->cut;
    int error = fault_of_change(sim, DISK_SIM_WRITE);
    size_t from = (size_t)at, end = roomy_size(sim, node, from + size);
    if (!error && size && end <= from)
        error = ENOSPC;
    size_t done = end > from ? end - from : 0;
    if (done && error != ENOSPC && !was_cut)
        platter_write(node, from, data, error && !sim->cut ? done / 2 : done);
    unlocked(sim, 0);
    return error ? failed(error) : (ssize_t)done;
}

static ssize_t on_read(void *arg, int file, void *data, size_t size, int64_t at) {
    struct disk_sim *sim = locked(arg);
    struct node *node = node_of(sim, file);
    int error = !node ? EBADF : node->folder ? EISDIR : fault_of(sim, DISK_SIM_READ);
    if (error)
        return unlocked(sim, error);
    size_t left = (size_t)at < node->seen.size ? node->seen.size - (size_t)at : 0;
    if (size > left)
        size = left;
    if (size)
        memcpy(data, node->seen.data + at, size);
    sim->bytes_read += (int64_t)size;
    unlocked(sim, 0);
    return (ssize_t)size;
}

static int on_sync_data(void *arg, int file) {
    struct disk_sim *sim = locked(arg);
    struct node *node = node_of(sim, file);
    if (!node)
        return unlocked(sim, EBADF);
    sim->syncs_waiting++;
    while (sim->syncs_held)
        pthread_cond_wait(&sim->released, &sim->mutex);
    sim->syncs_waiting--;
    int error = fault_of_change(sim, DISK_SIM_SYNC_DATA);
    if (!error)
        platter_sync(node);
    else if (!sim->cut)
        platter_forget(node); /* taken for clean, and never on the disk */
    return unlocked(sim, error);
}

static int on_allocate(void *arg, int file, int64_t bytes) {
    struct disk_sim *sim = locked(arg);
    struct node *node = node_of(sim, file);
    if (!node || !may_write(sim, file))
        return unlocked(sim, EBADF);
    int error = fault_of_change(sim, DISK_SIM_ALLOCATE);
    size_t from = node->seen.size, size = (size_t)bytes;
    if (!error && roomy_size(sim, node, size) < size)
        error = ENOSPC;
    if (!error && size > from) {
        char *zeros = memory_new(size - from);
        platter_write(node, from, zeros, size - from);
        free(zeros);
    }
    return unlocked(sim, error);
}

static int on_punch(void *arg, int file, int64_t from, int64_t up_to) {
    struct disk_sim *sim = locked(arg);
    struct node *node = node_of(sim, file);
    if (!node || !may_write(sim, file))
        return unlocked(sim, EBADF);
    assert(from < up_to && (size_t)up_to <= node->seen.size);
    int error = fault_of_change(sim, DISK_SIM_PUNCH);
    if (!error)
        platter_punch(node, (size_t)from, (size_t)up_to);
    return unlocked(sim, error);
}

static int on_lock(void *arg, int file) {
    struct disk_sim *sim = locked(arg);
    struct node *node = node_of(sim, file);
    int error = !node ? EBADF : fault_of(sim, DISK_SIM_LOCK);
    if (!error && node->locker && node->locker != file)
        error = EWOULDBLOCK;
    if (!error)
        node->locker = file;
    return unlocked(sim, error);
}

/* ---------------------------------------------------------------- the disk as a whole */

struct disk_sim *disk_sim_create(void) {
    struct disk_sim *sim = memory_new(sizeof *sim);
    sim->disk = (struct disk){
        .arg = sim,
        .make_folder = on_make_folder,
        .open = on_open,
        .close = on_close,
        .write = on_write,
        .read = on_read,
        .sync_data = on_sync_data,
        .sync_folder = on_sync_folder,
        .allocate = on_allocate,
        .punch = on_punch,
        .rename = on_rename,
        .remove = on_remove,
        .free_bytes = on_free_bytes,
        .list = on_list,
        .lock = on_lock,
    };
    pthread_mutex_init(&sim->mutex, NULL);
    pthread_cond_init(&sim->released, NULL);
    platter_init(&sim->platter);
    sim->room = -1;
    return sim;
}

struct disk_sim *disk_sim_copy(struct disk_sim *from) {
    struct disk_sim *sim = disk_sim_create();
    locked(from);
    platter_copy(&sim->platter, &from->platter);
    unlocked(from, 0);
    return sim;
}

void disk_sim_destroy(struct disk_sim *sim) {
    if (!sim)
        return;
    platter_finish(&sim->platter);
    pthread_cond_destroy(&sim->released);
    pthread_mutex_destroy(&sim->mutex);
    free(sim->descriptors);
    free(sim);
}

const struct disk *disk_sim_disk(struct disk_sim *sim) {
    return &sim->disk;
}

void disk_sim_cut_at(struct disk_sim *sim, uint64_t nth) {
    locked(sim);
    sim->cut_at = nth ? sim->changes + nth : 0;
    unlocked(sim, 0);
}

bool disk_sim_is_cut(struct disk_sim *sim) {
    locked(sim);
    bool cut = sim->cut;
    unlocked(sim, 0);
    return cut;
}

uint64_t disk_sim_changes(struct disk_sim *sim) {
    locked(sim);
    uint64_t changes = sim->changes;
    unlocked(sim, 0);
    return changes;
}

void disk_sim_reboot(struct disk_sim *sim, enum disk_sim_loss loss, uint64_t seed) {
    struct node *node;
    locked(sim);
    assert(!sim->syncs_waiting);
    if (loss != DISK_SIM_KILLED)
        platter_lose(&sim->platter, loss == DISK_SIM_TORN, seed);
    platter_keep(&sim->platter);
    SLIST_FOREACH (node, &sim->platter.nodes, next) {
        platter_forget(node);
        node->locker = 0;
    }
    for (size_t i = 0; i < sim->descriptor_count; i++)
        sim->descriptors[i].node = NULL;
    sim->cut = sim->read_only = sim->syncs_held = false;
    sim->cut_at = sim->fail_at = 0;
    memset(sim->faults, 0, sizeof sim->faults);
    sim->room = -1;
    unlocked(sim, 0);
}

void disk_sim_fail(struct disk_sim *sim, enum disk_sim_call call, int error, int times) {
    disk_sim_fail_after(sim, 0, call, error, times);
}

void disk_sim_fail_after(struct disk_sim *sim, int skip, enum disk_sim_call call, int error,
                         int times) {
    locked(sim);
    sim->faults[call].skip = skip;
    sim->faults[call].error = error;
    sim->faults[call].times = times;
    unlocked(sim, 0);
}

void disk_sim_fail_at(struct disk_sim *sim, uint64_t nth, int error) {
    locked(sim);
    sim->fail_at = nth ? sim->changes + nth : 0;
    sim->fail_at_error = error;
    unlocked(sim, 0);
}

void disk_sim_room(struct disk_sim *sim, int64_t bytes) {
    locked(sim);
    sim->room = bytes;
    unlocked(sim, 0);
}

int64_t disk_sim_used(struct disk_sim *sim) {
    locked(sim);
    int64_t bytes = platter_used(&sim->platter);
    unlocked(sim, 0);
    return bytes;
}

int64_t disk_sim_bytes_read(struct disk_sim *sim) {
    locked(sim);
    int64_t bytes = sim->bytes_read;
    unlocked(sim, 0);
    return bytes;
}

void disk_sim_read_only(struct disk_sim *sim, bool read_only) {
    locked(sim);
    sim->read_only = read_only;
    unlocked(sim, 0);
}

void disk_sim_hold_syncs(struct disk_sim *sim, bool held) {
    locked(sim);
    sim->syncs_held = held;
    pthread_cond_broadcast(&sim->released);
    unlocked(sim, 0);
}

unsigned disk_sim_syncs_held(struct disk_sim *sim) {
    locked(sim);
    unsigned waiting = sim->syncs_held ? sim->syncs_waiting : 0;
    unlocked(sim, 0);
    return waiting;
}

/* ---------------------------------------------------------------- looking at it */

static int by_name(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

size_t disk_sim_files(struct disk_sim *sim, char ***paths) {
    size_t count = 0;
    struct name *name;
    *paths = NULL;
    locked(sim);
    TAILQ_FOREACH (name, &sim->platter.seen, next) {
        if (name->node->folder)
            continue;
        *paths = memory_resize(*paths, (count + 1) * sizeof **paths);
        (*paths)[count++] = text_copy(text_of(name->path));
    }
    unlocked(sim, 0);
    if (count)
        qsort(*paths, count, sizeof **paths, by_name);
    return count;
}

struct text disk_sim_content(struct disk_sim *sim, const char *path) {
    locked(sim);
    struct node *node = platter_find(&sim->platter, path);
    assert(node && !node->folder);
    struct text content = text_slice(node->seen.data, node->seen.size);
    unlocked(sim, 0);
    return content;
}

void disk_sim_put(struct disk_sim *sim, const char *path, struct text content) {
    locked(sim);
    platter_put(&sim->platter, path, content);
    unlocked(sim, 0);
}
