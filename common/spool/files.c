#include "spool/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void on_name(void *arg, const char *name) {
    struct files *files = arg;
    uint64_t number;
    if (!segment_name_parse(name, &number))
        return;
    files->all = memory_resize(files->all, (files->count + 1) * sizeof *files->all);
    files->all[files->count++] = (struct file){.number = number};
}

static int by_number(const void *left, const void *right) {
    const struct file *a = left, *b = right;
    return a->number < b->number ? -1 : a->number > b->number;
}

bool files_refuse(struct files *files, uint64_t number, const char *what) {
    char *path = segment_path(files->folder, number);
    string_addf(files->why, "%s: %s", path, what);
    free(path);
    return false;
}

int files_open(struct files *files, struct file *file) {
    char *path = segment_path(files->folder, file->number);
    int opened = files->disk->open(files->disk->arg, path, O_RDONLY);
    file->gone = opened < 0 && errno == ENOENT && files->may_go;
    if (opened < 0 && !file->gone)
        files_refuse(files, file->number, strerror(errno));
    free(path);
    return opened;
}

static ssize_t read_header(const struct disk *disk, int file, char *header) {
    ssize_t held = 0;
    while (held < SEGMENT_HEADER) {
        ssize_t got =
            disk->read(disk->arg, file, header + held, (size_t)(SEGMENT_HEADER - held), held);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        held += got;
    }
    return held;
}

static bool look_at_header(struct files *files, struct file *file) {
    char header[SEGMENT_HEADER];
    int opened = files_open(files, file);
    if (opened < 0)
        return file->gone;
    ssize_t size = read_header(files->disk, opened, header);
    int error = errno;
    files->disk->close(files->disk->arg, opened);
    if (size < 0)
        return files_refuse(files, file->number, strerror(error));
    file->begun = segment_header_decode(text_slice(header, (size_t)size), files->spool,
                                        file->number, &file->header);
    if (file->begun == SEGMENT_OTHER_VERSION)
        return files_refuse(files, file->number,
                            "its format has a version that this program does not know");
    if (file->begun == SEGMENT_OTHER_SPOOL)
        return files_refuse(files, file->number,
                            "it belongs to another spool than its folder says");
    return true;
}

bool files_is_changed(struct files *files, const struct file *file) {
    struct string why = {0};
    struct files look = *files;
    struct file now = *file;
    look.why = &why;
    bool known = look_at_header(&look, &now);
    string_finish(&why);
    return known && (now.gone || now.begun != file->begun);
}

bool files_list(struct files *files) {
    if (files->disk->list(files->disk->arg, files->folder, on_name, files) < 0) {
        string_addf(files->why, "cannot list %s: %s", files->folder, strerror(errno));
        return false;
    }
    if (files->count)
        qsort(files->all, files->count, sizeof *files->all, by_number);
    for (size_t i = 0; i < files->count; i++)
        if (!look_at_header(files, &files->all[i]))
            return false;
    return true;
}

/* Found without asking the disk for more than reads. */
static int64_t size_of(const struct disk *disk, int file, int64_t expected) {
    char byte;
    ssize_t got = expected > 0 ? disk->read(disk->arg, file, &byte, 1, expected - 1) : 0;
    int64_t low = 0, high = expected > 0 ? expected : INT64_C(1) << 40;
    if (got == 1)
        return expected;
    while (got >= 0 && low < high) { /* a byte is there below `low`, and none from `high` on */
        int64_t middle = low + (high - low) / 2;
        got = disk->read(disk->arg, file, &byte, 1, middle);
        if (got == 1)
            low = middle + 1;
        else
            high = middle;
    }
    return got < 0 ? -1 : low;
}

int64_t files_size(const struct files *files, const struct file *file, int opened) {
    int64_t expected = file->begun == SEGMENT_BEGUN ? file->header.bytes : 0;
    return size_of(files->disk, opened, expected);
}

void files_finish(struct files *files) {
    free(files->all);
    files->all = NULL;
    files->count = 0;
}
