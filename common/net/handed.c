#include "net/handed.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "net/address.h"

enum { FIRST = 3, MOST = 64 };

static int number_of(const char *name) {
    uint64_t number;
    const char *value = getenv(name);
    return value && text_to_uint(text_of(value), INT32_MAX, &number) ? (int)number : 0;
}

static bool accepts_tcp(int descriptor) {
    int accepts = 0, protocol = 0;
    socklen_t size = sizeof accepts;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) != 0)
        return false;
    size = sizeof protocol;
    getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &size);
    return accepts && protocol == IPPROTO_TCP;
}

/* As address_listen leaves its own. */
static void make_ours(int descriptor) {
    int on = 1;
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);
    fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool handed_init(struct handed *handed, struct string *why) {
    bool ours = number_of("LISTEN_PID") == (int)getpid();
    int count = ours ? number_of("LISTEN_FDS") : 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (count > MOST) {
        string_addf(why,
                    "%d sockets were handed over, and no more than %d are taken: see "
                    "ListenStream= of the socket unit",
                    count, MOST);
        return false;
    }
    for (int i = 0; i < count; i++) {
        if (!accepts_tcp(FIRST + i)) {
            string_addf(why,
                        "the socket that was handed over as descriptor %d is none to accept TCP "
                        "connections from: see ListenStream= and Accept= of the socket unit",
                        FIRST + i);
            return false;
        }
        make_ours(FIRST + i);
    }
    handed->count = (size_t)count;
    handed->taken = memory_new(handed->count * sizeof *handed->taken);
    return true;
}

/* Where they are bound, for a sentence. */
static void list(const struct handed *handed, bool all, struct string *why) {
    const char *between = "";
    for (size_t i = 0; i < handed->count; i++) {
        if (!all && handed->taken[i])
            continue;
        string_add_of(why, between);
        address_format_bound(FIRST + (int)i, why);
        between = ", ";
    }
}

int handed_take(struct handed *handed, struct text address, struct string *why) {
    for (size_t i = 0; i < handed->count; i++) {
        if (handed->taken[i] || !address_is_bound(address, FIRST + (int)i))
            continue;
        handed->taken[i] = true;
        return FIRST + (int)i;
    }
    string_addf(why, "of the sockets that were handed over none is bound to just %.*s, but to ",
                TEXT_ARG(address));
    list(handed, true, why);
    string_add_of(why, ": write the same address there and into ListenStream= of the socket unit");
    return -1;
}

bool handed_is_taken(const struct handed *handed, struct string *why) {
    for (size_t i = 0; i < handed->count; i++) {
        if (handed->taken[i])
            continue;
        string_add_of(why, "sockets were handed over that serve.listen does not name: ");
        list(handed, false, why);
        string_add_of(why, ": add them there, or remove their ListenStream= from the socket unit");
        return false;
    }
    return true;
}

void handed_finish(struct handed *handed) {
    for (size_t i = 0; i < handed->count; i++)
        if (!handed->taken[i])
            close(FIRST + (int)i);
    free(handed->taken);
    *handed = (struct handed){0};
}
