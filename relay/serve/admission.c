#include "serve/admission.h"

#include <sys/resource.h>

#include "base/log.h"
#include "net/admin.h"

/* Of the connections allowed, one in so many may be in its TLS handshake. */
enum { HANDSHAKES_SHARE = 4 };

/* Descriptors that are not Kula's connections. */
enum {
    OTHERS = 64,                    /* listeners, Redis, spool, epoll, log */
    CROWDS = 2 * HTTP_SERVER_CROWD, /* Kula's server and admin's: who is told that it is too many */
    DESCRIPTORS_OF_OURS = OTHERS + ADMIN_CONNECTIONS + CROWDS,
};

void admission_raise_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* where it stays low, connections_possible tells */
}

/* Without this the accepting socket would fail for want of a descriptor, and
 * the loop would spin on it. */
static size_t connections_possible(size_t asked) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= asked + DESCRIPTORS_OF_OURS)
        return asked;
    size_t possible =
        limit.rlim_cur > DESCRIPTORS_OF_OURS ? limit.rlim_cur - DESCRIPTORS_OF_OURS : 1;
    log_warning("fewer connections than configured connections=%zu possible=%zu "
                "open_files_limit=%zu",
                asked, possible, (size_t)limit.rlim_cur);
    return possible;
}

void admission_init(struct admission *admission, const struct config *config) {
    *admission = (struct admission){
        .body_bytes = (size_t)config->body_limit_bytes,
        .bytes_in_flight = (size_t)config->bytes_in_flight,
        .connections = connections_possible((size_t)config->connections),
    };
}

struct http_limits admission_limits(const struct admission *admission) {
    return (struct http_limits){
        .body_bytes = admission->body_bytes,
        .connections = admission->connections,
        .handshakes = admission->connections / HANDSHAKES_SHARE + 1,
    };
}

uint64_t admission_needs(const struct admission *admission, const struct http_head *head) {
    return head->has_length ? head->body_bytes : admission->body_bytes;
}

bool admission_allows(const struct admission *admission, size_t held_bytes,
                      const struct http_head *head) {
    uint64_t more = admission_needs(admission, head);
    /* One alone always passes: a body over the whole bound would be refused for ever. */
    if (more == 0 || held_bytes == 0)
        return true;
    /* Nor can promises of long bodies keep short ones out: each connection has a share of its own.
     * All shares together are as much again, and so much is the end: a body may still be held when
     * its connection has gone, and the next one would have a share too. */
    if (admission->connections && held_bytes <= 2 * admission->bytes_in_flight &&
        more <= admission->bytes_in_flight / admission->connections)
        return true;
    return held_bytes <= admission->bytes_in_flight &&
           more <= admission->bytes_in_flight - held_bytes;
}
