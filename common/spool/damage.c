#include "spool/damage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { PIECE = 4096 };

static char *path_of_copy(const char *folder, uint64_t segment, int64_t at) {
    struct string path = {0};
    string_addf(&path, "%s/damaged-%" PRIu64 "-%" PRId64, folder, segment, at);
    return path.data;
}

static int copy(const struct disk *disk, int from, int to, struct segment_span span) {
    char piece[PIECE];
    for (int64_t done = 0; done < span.bytes;) {
        int64_t left = span.bytes - done;
        ssize_t got =
            disk->read(disk->arg, from, piece, left < PIECE ? (size_t)left : PIECE, span.at + done);
        if (got <= 0)
            return (int)got; /* 0: the file was cut off */
        if (disk->write(disk->arg, to, piece, (size_t)got, done) != got)
            return -1;
        done += got;
    }
    return disk->sync_data(disk->arg, to);
}

static int copy_to(const struct disk *disk, const char *from_path, const char *to_path,
                   struct segment_span span) {
    int from = disk->open(disk->arg, from_path, O_RDONLY);
    if (from < 0)
        return -1;
    /* It may be there from an earlier start that found the same. */
    int to = disk->open(disk->arg, to_path, O_RDWR | O_CREAT);
    int status = to < 0 ? -1 : copy(disk, from, to, span);
    int error = errno;
    if (to >= 0)
        disk->close(disk->arg, to);
    disk->close(disk->arg, from);
    errno = error;
    return status;
}

void damage_set_aside(const struct disk *disk, const char *folder, uint64_t segment,
                      struct segment_span span) {
    char *from = segment_path(folder, segment), *to = path_of_copy(folder, segment, span.at);
    if (copy_to(disk, from, to, span) < 0 || disk->sync_folder(disk->arg, folder) < 0)
        log_warning("spool damage not copied aside file=%s reason=%s", to, strerror(errno));
    free(to);
    free(from);
}

bool damage_is_copy(const char *name) {
    return text_starts(text_of(name), "damaged-");
}

void damage_find_copy(const struct disk *disk, const char *folder, uint64_t segment, int64_t at,
                      char *name, size_t size) {
    char *path = path_of_copy(folder, segment, at);
    int file = disk->open(disk->arg, path, O_RDONLY);
    snprintf(name, size, "%s", file < 0 ? "" : strrchr(path, '/') + 1);
    if (file >= 0)
        disk->close(disk->arg, file);
    free(path);
}
