#include "net/supervisor.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"

struct supervisor {
    int descriptor;           /* -1: nobody wants to know */
    struct loop_timer *alive; /* while the loop turns */
    int64_t every_ms;         /* 0: nobody looks */
};

static void tell(const struct supervisor *supervisor, const char *words) {
    if (supervisor->descriptor >= 0 &&
        send(supervisor->descriptor, words, strlen(words), MSG_NOSIGNAL) < 0)
        log_debug("supervisor cannot be told words=%s", words);
}

static void on_alive(void *arg) {
    struct supervisor *supervisor = arg;
    tell(supervisor, "WATCHDOG=1");
    loop_timer_set(supervisor->alive, supervisor->every_ms);
}

/* Connected once, because later we may not be allowed to. */
static int connect_to(const char *path) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size < 2 || size >= sizeof to.sun_path || (*path != '/' && *path != '@'))
        return -1;
    memcpy(to.sun_path, path, size);
    if (*path == '@')
        to.sun_path[0] = '\0'; /* in the abstract namespace */
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor >= 0 && connect(descriptor, (struct sockaddr *)&to, length) < 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static uint64_t number_of(const char *name) {
    uint64_t number;
    return text_to_uint(text_of(getenv(name)), INT64_MAX, &number) ? number : 0;
}

/* Half of the time after which it takes us for stuck. */
static int64_t watchdog_ms(void) {
    uint64_t pid = number_of("WATCHDOG_PID");
    return pid && pid != (uint64_t)getpid() ? 0 : (int64_t)(number_of("WATCHDOG_USEC") / 2000);
}

struct supervisor *supervisor_create(struct loop *loop) {
    struct supervisor *supervisor = memory_new(sizeof *supervisor);
    const char *path = getenv("NOTIFY_SOCKET");
    supervisor->descriptor = path ? connect_to(path) : -1;
    supervisor->alive = loop_timer_create(loop, on_alive, supervisor);
    supervisor->every_ms = supervisor->descriptor < 0 ? 0 : watchdog_ms();
    if (path && supervisor->descriptor < 0)
        log_warning("supervisor cannot be told socket=%s", path);
    if (supervisor->every_ms)
        on_alive(supervisor);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return supervisor;
}

void supervisor_destroy(struct supervisor *supervisor) {
    if (!supervisor)
        return;
    if (supervisor->descriptor >= 0)
        close(supervisor->descriptor);
    loop_timer_destroy(supervisor->alive);
    free(supervisor);
}

static void tell_with_status(const struct supervisor *supervisor, const char *word,
                             const char *status) {
    struct string words = {0};
    string_add_of(&words, word);
    if (status)
        string_addf(&words, "%sSTATUS=%s", *word ? "\n" : "", status);
    tell(supervisor, words.data);
    string_finish(&words);
}

void supervisor_ready(struct supervisor *supervisor, const char *status) {
    tell_with_status(supervisor, "READY=1", status);
}

void supervisor_status(struct supervisor *supervisor, const char *status) {
    tell_with_status(supervisor, "", status);
}

void supervisor_stopping(struct supervisor *supervisor, const char *status) {
    tell_with_status(supervisor, "STOPPING=1", status);
}

void supervisor_reloading(struct supervisor *supervisor) {
    struct string words = {0};
    /* In milliseconds it would lie before it was asked for, and be taken for something else's. */
    string_addf(&words, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_steady_us());
    tell(supervisor, words.data);
    string_finish(&words);
}
