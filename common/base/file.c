#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sandbox.h"

enum { PATIENCE_MS = 2000 };

/* False with errno. Of a plain file there is always more, or its end. */
static bool wait_for_more(int file, int64_t until_ms) {
    struct pollfd wanted = {.fd = file, .events = POLLIN};
    int64_t left_ms = until_ms - clock_steady_ms();
    int ready = left_ms > 0 ? poll(&wanted, 1, (int)left_ms) : 0;
    if (ready == 0)
        errno = ETIMEDOUT;
    return ready > 0 || (ready < 0 && errno == EINTR);
}

static ssize_t read_all(int file, char *buffer, size_t room) {
    int64_t until_ms = clock_steady_ms() + PATIENCE_MS;
    size_t size = 0;
    while (size < room) {
        ssize_t more = read(file, buffer + size, room - size);
        if (more == 0)
            break;
        if (more > 0)
            size += (size_t)more;
        else if (errno != EINTR && !(errno == EAGAIN && wait_for_more(file, until_ms)))
            return -1;
    }
    return (ssize_t)size;
}

ssize_t file_read(const char *path, void *buffer, size_t room) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return -1;
    ssize_t size = read_all(file, buffer, room);
    int error = errno;
    close(file);
    errno = error;
    return size;
}

bool file_write(int file, struct text content) {
    while (content.size) {
        ssize_t written = write(file, content.data, content.size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written == 0)
            errno = ENOSPC;
        if (written <= 0)
            return false;
        content = text_slice(content.data + written, content.size - (size_t)written);
    }
    return fsync(file) == 0;
}

bool file_sync_folder(const char *folder) {
    int file = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0)
        return false;
    bool fine = fsync(file) == 0;
    int error = errno;
    close(file);
    errno = error;
    return fine;
}

void file_add_reason(int error, const char *path, const char *what, struct string *why) {
    string_add_of(why, strerror(error));
    if (error == EACCES && sandbox_hides(path))
        string_add_of(why, "; a running process keeps to the folders that its configuration named "
                           "at its start: restart it, and this holds from then on");
    else if (error == EACCES || error == EPERM)
        string_addf(why, "; let this program's user, whose id is %u, %s", (unsigned)geteuid(),
                    what);
    if (error == EROFS)
        string_add_of(why, "; a container needs a volume there");
}
