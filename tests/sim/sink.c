/* A service that costs next to nothing, so that it is not what is measured: answers every POST with
 * 200. Prints its port, then, at each line that it is sent, how many it has answered, and the
 * nanoseconds from the first answer to the last.
 *
 *     sink [MS]    each answer comes so much later
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PEERS = 4096, MOST_BYTES = 1 << 16, MOST_EVENTS = 256 };

struct peer { /* by its descriptor */
    char bytes[MOST_BYTES];
    size_t size;
    size_t body_left;     /* to be passed over */
    int64_t answer_at_ms; /* 0: nothing is to be answered */
};

static struct peer *peers[MOST_PEERS];
static long delay_ms;
static unsigned long answered;
static int64_t first_ns, last_ns; /* answers */
static unsigned late;             /* peers that are to be answered later */

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int64_t now_ms(void) {
    return now_ns() / 1000000;
}

static void answer(int descriptor) {
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    peers[descriptor]->answer_at_ms = 0;
    last_ns = now_ns();
    if (!answered++)
        first_ns = last_ns;
    if (write(descriptor, ok, sizeof ok - 1) != (ssize_t)sizeof ok - 1)
        perror("sink: write");
}

static size_t content_length(const char *head, const char *end) {
    static const char name[] = "\r\ncontent-length:";
    for (const char *at = head; at + sizeof name < end; at++)
        if (strncasecmp(at, name, sizeof name - 1) == 0)
            return strtoul(at + sizeof name - 1, NULL, 10);
    return 0;
}

/* False while something of the request is still to come. */
static int take_request(struct peer *peer) {
    char *end = memmem(peer->bytes, peer->size, "\r\n\r\n", 4);
    if (!peer->body_left) {
        if (!end)
            return 0;
        size_t head = (size_t)(end - peer->bytes) + 4;
        peer->body_left = content_length(peer->bytes, end + 2);
        peer->size -= head;
        memmove(peer->bytes, peer->bytes + head, peer->size);
    }
    size_t passed = peer->size < peer->body_left ? peer->size : peer->body_left;
    peer->body_left -= passed;
    peer->size -= passed;
    memmove(peer->bytes, peer->bytes + passed, peer->size);
    return peer->body_left == 0;
}

static void on_readable(int descriptor) {
    struct peer *peer = peers[descriptor];
    ssize_t got = read(descriptor, peer->bytes + peer->size, sizeof peer->bytes - peer->size);
    if (got <= 0) {
        late -= peer->answer_at_ms != 0;
        free(peer);
        peers[descriptor] = NULL;
        close(descriptor);
        return;
    }
    peer->size += (size_t)got;
    if (!take_request(peer))
        return;
    if (!delay_ms) {
        answer(descriptor);
        return;
    }
    peer->answer_at_ms = now_ms() + delay_ms;
    late++;
}

static void answer_late(void) {
    int64_t now = now_ms();
    for (int i = 0; late && i < MOST_PEERS; i++)
        if (peers[i] && peers[i]->answer_at_ms && peers[i]->answer_at_ms <= now) {
            late--;
            answer(i);
        }
}

static void watch(int epoll, int descriptor) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = descriptor};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) != 0)
        abort();
}

static void on_caller(int epoll, int door) {
    int one = 1, descriptor = accept(door, NULL, NULL);
    if (descriptor < 0)
        return;
    if (descriptor >= MOST_PEERS)
        abort();
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    peers[descriptor] = calloc(1, sizeof *peers[descriptor]);
    watch(epoll, descriptor);
}

static void on_asked(void) {
    char line[64];
    if (read(STDIN_FILENO, line, sizeof line) <= 0)
        exit(0);
    printf("%lu %lld\n", answered, (long long)(last_ns - first_ns));
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct epoll_event ready[MOST_EVENTS];
    int door = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0);
    delay_ms = argc > 1 ? atol(argv[1]) : 0;
    if (bind(door, (struct sockaddr *)&address, size) != 0 || listen(door, 1024) != 0 ||
        getsockname(door, (struct sockaddr *)&address, &size) != 0)
        abort();
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    watch(epoll, door);
    watch(epoll, STDIN_FILENO);
    for (;;) {
        int count = epoll_wait(epoll, ready, MOST_EVENTS, late ? 1 : -1);
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == door)
                on_caller(epoll, door);
            else if (ready[i].data.fd == STDIN_FILENO)
                on_asked();
            else
                on_readable(ready[i].data.fd);
        }
        answer_late();
    }
}
