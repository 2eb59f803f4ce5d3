/* What the spool asks of a disk: few calls, as a table, so that a test can put
 * a disk below it that loses power, fills up, fails or is slow.
 *
 * All return 0 (or a size, or a descriptor) or -1 with errno. Paths are whole. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef void disk_name_fn(void *arg, const char *name);

struct disk {
    void *arg;
    int (*make_folder)(void *arg, const char *path);
    int (*open)(void *arg, const char *path, int flags); /* mode 0600, close-on-exec */
    int (*close)(void *arg, int file);
    ssize_t (*write)(void *arg, int file, const void *data, size_t size, int64_t at);
    ssize_t (*read)(void *arg, int file, void *data, size_t size, int64_t at);
    int (*sync_data)(void *arg, int file); /* fdatasync */
    int (*sync_folder)(void *arg, const char *path);
    int (*allocate)(void *arg, int file, int64_t bytes); /* fills with zeros, to its blocks */
    /* Gives the blocks behind `from` back; the file keeps its size, and zeros are read there. */
    int (*punch)(void *arg, int file, int64_t from, int64_t up_to);
    int (*rename)(void *arg, const char *from, const char *to);
    int (*remove)(void *arg, const char *path); /* a file, or an empty folder */
    int64_t (*free_bytes)(void *arg, const char *path);
    /* Each name in the folder but "." and "..", in no order. */
    int (*list)(void *arg, const char *path, disk_name_fn *, void *name_arg);
    /* flock, exclusive, without waiting: EWOULDBLOCK where another descriptor has it. Until
     * closed, or until the process dies. */
    int (*lock)(void *arg, int file);
};

extern const struct disk disk_real;
