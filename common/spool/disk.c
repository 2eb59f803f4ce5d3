/* The real disk. */
#include "spool/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"

static int on_make_folder(void *arg, const char *path) {
    (void)arg;
    return mkdir(path, 0700);
}

static int on_open(void *arg, const char *path, int flags) {
    int file;
    (void)arg;
    do
        file = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    while (file < 0 && errno == EINTR);
    return file;
}

static int on_close(void *arg, int file) {
    (void)arg;
    return close(file);
}

static ssize_t on_write(void *arg, int file, const void *data, size_t size, int64_t at) {
    ssize_t put;
    (void)arg;
    do
        put = pwrite(file, data, size, at);
    while (put < 0 && errno == EINTR);
    return put;
}

static ssize_t on_read(void *arg, int file, void *data, size_t size, int64_t at) {
    ssize_t got;
    (void)arg;
    do
        got = pread(file, data, size, at);
    while (got < 0 && errno == EINTR);
    return got;
}

static int on_sync_data(void *arg, int file) {
    (void)arg;
    return fdatasync(file);
}

static int on_sync_folder(void *arg, const char *path) {
    (void)arg;
    return file_sync_folder(path) ? 0 : -1;
}

/* Zeros are written, and not only blocks reserved: a reserved block that is written for the first
 * time changes the file's metadata, and each fdatasync would write that too. */
static int on_allocate(void *arg, int file, int64_t bytes) {
    static const char zeros[1 << 16];
    struct stat about;
    if (fstat(file, &about) < 0)
        return -1;
    /* In one piece where the file system can; where there is no room, it says so here. */
    if (fallocate(file, FALLOC_FL_KEEP_SIZE, 0, bytes) < 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS)
        return -1;
    for (int64_t at = about.st_size; at < bytes;) {
        int64_t left = bytes - at;
        ssize_t put = on_write(arg, file, zeros,
                               left < (int64_t)sizeof zeros ? (size_t)left : sizeof zeros, at);
        if (put < 0)
            return -1;
        at += put;
    }
    return 0;
}

static int on_punch(void *arg, int file, int64_t from, int64_t up_to) {
    (void)arg;
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, up_to - from);
}

static int on_rename(void *arg, const char *from, const char *to) {
    (void)arg;
    return rename(from, to);
}

static int on_remove(void *arg, const char *path) {
    (void)arg;
    return remove(path);
}

static int64_t on_free_bytes(void *arg, const char *path) {
    struct statvfs about;
    (void)arg;
    if (statvfs(path, &about) < 0)
        return -1;
    return (int64_t)(about.f_bavail * about.f_frsize);
}

static int on_list(void *arg, const char *path, disk_name_fn *each, void *each_arg) {
    (void)arg;
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    const struct dirent *entry;
    errno = 0;
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            each(each_arg, entry->d_name);
        errno = 0;
    }
    int error = errno;
    closedir(folder);
    errno = error;
    return error ? -1 : 0;
}

static int on_lock(void *arg, int file) {
    (void)arg;
    return flock(file, LOCK_EX | LOCK_NB);
}

const struct disk disk_real = {
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
