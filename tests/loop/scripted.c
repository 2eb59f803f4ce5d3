#include "scripted.h"

#include <arpa/inet.h>
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"

struct peer {
    TAILQ_ENTRY(peer) entry;
    struct scripted *server;
    struct bufferevent *stream;
    const char *flood;
    bool closing;
};

struct scripted {
    struct loop *loop;
    struct ssl_ctx_st *tls;
    struct evconnlistener *listener;
    TAILQ_HEAD(, peer) peers;
    const struct scripted_answer *answers;
    size_t answer_count;
    size_t connections, requests;
    struct string last;
};

static void peer_close(struct peer *peer) {
    TAILQ_REMOVE(&peer->server->peers, peer, entry);
    bufferevent_free(peer->stream);
    free(peer);
}

static void on_sent(struct bufferevent *stream, void *arg) {
    struct peer *peer = arg;
    if (peer->flood)
        bufferevent_write(stream, peer->flood, strlen(peer->flood));
    else if (peer->closing)
        peer_close(peer);
}

static void answer(struct peer *peer) {
    struct scripted *server = peer->server;
    assert(server->answer_count);
    const struct scripted_answer *said = server->answers;
    if (server->answer_count > 1) {
        server->answers++;
        server->answer_count--;
    }
    peer->closing = said->then == SCRIPTED_CLOSE;
    peer->flood = said->flood;
    bufferevent_write(peer->stream, said->bytes, strlen(said->bytes));
    if (peer->closing && !*said->bytes)
        peer_close(peer);
}

/* Of head and body together, or 0 as long as the head is not there. */
static size_t request_bytes(struct evbuffer *input) {
    struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
    if (end.pos < 0)
        return 0;
    char *head = memory_new((size_t)end.pos + 1);
    evbuffer_copyout(input, head, (size_t)end.pos);
    const char *length = strcasestr(head, "\r\ncontent-length:");
    size_t body = length ? strtoul(length + 17, NULL, 10) : 0;
    free(head);
    return (size_t)end.pos + 4 + body;
}

static void on_bytes(struct bufferevent *stream, void *arg) {
    struct peer *peer = arg;
    struct scripted *server = peer->server;
    struct evbuffer *input = bufferevent_get_input(stream);
    size_t size = request_bytes(input);
    if (!size || evbuffer_get_length(input) < size)
        return;
    string_clear(&server->last);
    string_add(&server->last,
               text_slice((const char *)evbuffer_pullup(input, (ev_ssize_t)size), size));
    evbuffer_drain(input, size);
    server->requests++;
    answer(peer);
}

static void on_gone(struct bufferevent *stream, short what, void *arg) {
    (void)stream;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        peer_close(arg);
}

static void on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
                        struct sockaddr *address, int size, void *arg) {
    struct scripted *server = arg;
    struct peer *peer = memory_new(sizeof *peer);
    (void)listener;
    (void)address;
    (void)size;
    peer->server = server;
    peer->stream =
        server->tls
            ? bufferevent_openssl_socket_new(loop_base(server->loop), fd, SSL_new(server->tls),
                                             BUFFEREVENT_SSL_ACCEPTING,
                                             BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
            : bufferevent_socket_new(loop_base(server->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    assert(peer->stream);
    TAILQ_INSERT_TAIL(&server->peers, peer, entry);
    server->connections++;
    bufferevent_setcb(peer->stream, on_bytes, on_sent, on_gone, peer);
    bufferevent_enable(peer->stream, EV_READ | EV_WRITE);
}

struct scripted *scripted_start(struct loop *loop, const char *path, struct ssl_ctx_st *tls) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un there = {.sun_family = AF_UNIX};
    struct scripted *server = memory_new(sizeof *server);
    const struct sockaddr *address =
        path ? (const struct sockaddr *)&there : (const struct sockaddr *)&here;
    if (path)
        memcpy(there.sun_path, path, strlen(path));
    server->loop = loop;
    server->tls = tls;
    TAILQ_INIT(&server->peers);
    server->listener = evconnlistener_new_bind(
        loop_base(loop), on_accepted, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1,
        address, path ? (int)sizeof there : (int)sizeof here);
    assert(server->listener);
    return server;
}

void scripted_stop(struct scripted *server) {
    struct peer *peer;
    while ((peer = TAILQ_FIRST(&server->peers)))
        peer_close(peer);
    evconnlistener_free(server->listener);
    string_finish(&server->last);
    free(server);
}

unsigned scripted_port(const struct scripted *server) {
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    getsockname(evconnlistener_get_fd(server->listener), (struct sockaddr *)&address, &size);
    return ntohs(address.sin_port);
}

void scripted_script(struct scripted *server, const struct scripted_answer *answers, size_t count) {
    server->answers = answers;
    server->answer_count = count;
}

size_t scripted_connections(const struct scripted *server) {
    return server->connections;
}

size_t scripted_requests(const struct scripted *server) {
    return server->requests;
}

struct text scripted_last(const struct scripted *server) {
    return string_text(&server->last);
}
