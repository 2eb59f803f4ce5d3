#include "http_house.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/memory.h"

enum { TICK_MS = 2, PATIENCE_MS = 60 * 1000, HEAD_MOST = 16 * 1024 };

struct loop *house_loop;
static struct loop_timer *ticker;
static struct peer *peers;

/* ---- The house ---- */

static void on_tick(void *arg) {
    (void)arg;
    loop_timer_set(ticker, TICK_MS);
}

void house_open(void) {
    house_loop = loop_create();
    ticker = loop_timer_create(house_loop, on_tick, NULL);
    loop_timer_set(ticker, TICK_MS);
}

void house_close(void) {
    while (peers) {
        struct peer *peer = peers;
        peer_hang_up(&peer);
    }
    loop_timer_destroy(ticker);
    loop_destroy(house_loop);
}

static void pump(struct peer *);

void house_turn(void) {
    loop_turn(house_loop);
    for (struct peer *peer = peers; peer; peer = peer->next)
        pump(peer);
}

void house_wait(bool (*fact)(void *), void *arg) {
    int64_t until = clock_steady_ms() + PATIENCE_MS;
    while (!fact(arg)) {
        if (clock_steady_ms() > until)
            fail_msg("waited in vain");
        house_turn();
    }
}

void house_pass(int64_t ms) {
    int64_t until = clock_steady_ms() + ms;
    while (clock_steady_ms() < until)
        house_turn();
}

/* ---- Peers ---- */

void peer_start_tls(struct peer *peer, SSL_CTX *tls) {
    peer->ssl = SSL_new(tls);
    SSL_set_fd(peer->ssl, peer->fd);
    SSL_set_connect_state(peer->ssl);
}

struct peer *peer_connect(int port, SSL_CTX *tls) {
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct peer *peer = memory_new(sizeof *peer);
    int on = 1;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(peer->fd >= 0);
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int connected = connect(peer->fd, (struct sockaddr *)&to, sizeof to);
    assert_true(connected == 0 || errno == EINPROGRESS);
    if (tls)
        peer_start_tls(peer, tls);
    peer->next = peers;
    peers = peer;
    return peer;
}

static void end(struct peer *peer, bool reset) {
    peer->ended = true;
    peer->reset = reset;
}

/* Whether an OpenSSL call only needs patience; notes the end otherwise. */
static bool goes_on(struct peer *peer, int result) {
    int error = SSL_get_error(peer->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return true;
    end(peer, error == SSL_ERROR_SYSCALL && errno == ECONNRESET);
    ERR_clear_error();
    return false;
}

static void shake(struct peer *peer) {
    ERR_clear_error();
    int result = SSL_do_handshake(peer->ssl);
    if (result == 1)
        peer->shaken = true;
    else
        goes_on(peer, result);
}

size_t peer_unsent(const struct peer *peer) {
    return peer->out.size - peer->sent;
}

static ssize_t write_some(struct peer *peer) {
    struct text next = text_slice(peer->out.data + peer->sent, peer_unsent(peer));
    if (peer->ssl) {
        ERR_clear_error();
        int result = SSL_write(peer->ssl, next.data, (int)next.size);
        if (result <= 0)
            goes_on(peer, result);
        return result;
    }
    return send(peer->fd, next.data, next.size, MSG_NOSIGNAL);
}

static void send_on(struct peer *peer) {
    while (peer_unsent(peer)) {
        ssize_t sent = write_some(peer);
        if (sent <= 0)
            return; /* also where the server reads no more: it may still have something to say */
        peer->sent += (size_t)sent;
    }
    string_clear(&peer->out);
    peer->sent = 0;
}

static ssize_t read_some(struct peer *peer, char *piece, size_t size) {
    if (peer->ssl) {
        ERR_clear_error();
        int result = SSL_read(peer->ssl, piece, (int)size);
        if (result <= 0)
            goes_on(peer, result);
        return result;
    }
    ssize_t result = recv(peer->fd, piece, size, 0);
    if (result == 0)
        end(peer, false);
    else if (result < 0 && errno != EAGAIN && errno != ENOTCONN)
        end(peer, true);
    return result;
}

static void read_on(struct peer *peer) {
    char piece[65536];
    ssize_t size;
    while (!peer->ended && (size = read_some(peer, piece, sizeof piece)) > 0)
        string_add(&peer->got, text_slice(piece, (size_t)size));
}

static void pump(struct peer *peer) {
    if (peer->ssl && !peer->shaken && !peer->ended)
        shake(peer);
    if (peer->ssl && !peer->shaken)
        return;
    if (!peer->ended)
        send_on(peer);
    if (!peer->ended && !peer->deaf)
        read_on(peer);
}

void peer_send_text(struct peer *peer, struct text t) {
    string_add(&peer->out, t);
}

void peer_send(struct peer *peer, const char *text) {
    peer_send_text(peer, text_of(text));
}

void peer_push(struct peer *peer) {
    pump(peer);
}

static bool all_sent(void *arg) {
    struct peer *peer = arg;
    return peer_unsent(peer) == 0 || peer->ended;
}

void peer_flush(struct peer *peer) {
    house_wait(all_sent, peer);
}

void peer_send_bytewise(struct peer *peer, const char *text) {
    for (; *text; text++) {
        peer_send_text(peer, text_slice(text, 1));
        peer_flush(peer);
        house_turn();
    }
}

void peer_half_close(struct peer *peer) {
    peer_flush(peer);
    if (peer->ssl)
        SSL_shutdown(peer->ssl);
    shutdown(peer->fd, SHUT_WR);
}

void peer_hang_up(struct peer **taken) {
    struct peer *peer = *taken;
    struct peer **link = &peers;
    while (*link != peer)
        link = &(*link)->next;
    *link = peer->next;
    SSL_free(peer->ssl);
    close(peer->fd);
    string_finish(&peer->out);
    string_finish(&peer->got);
    free(peer);
    *taken = NULL;
}

void peer_reset(struct peer **peer) {
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt((*peer)->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    peer_hang_up(peer);
}

/* ---- Answers ---- */

/* Only where a head may be: the whole of a long answer would be searched in each turn. */
static size_t head_size(const struct peer *peer) {
    size_t size = peer->got.size < HEAD_MOST ? peer->got.size : HEAD_MOST;
    const char *end = size ? memmem(peer->got.data, size, "\r\n\r\n", 4) : NULL;
    return end ? (size_t)(end - peer->got.data) + 4 : 0;
}

static size_t body_size(const struct peer *peer) {
    static const char name[] = "Content-Length: ";
    const char *length = memmem(peer->got.data, head_size(peer), name, sizeof name - 1);
    return length ? strtoul(length + sizeof name - 1, NULL, 10) : 0;
}

static bool has_head(void *arg) {
    return head_size(arg) > 0;
}

static bool has_all(void *arg) {
    return has_head(arg) && ((struct peer *)arg)->got.size >= head_size(arg) + body_size(arg);
}

struct answer peer_answer(struct peer *peer, bool has_body) {
    struct answer answer = {0};
    house_wait(has_body ? has_all : has_head, peer);
    size_t head = head_size(peer);
    size_t body = has_body ? body_size(peer) : 0;
    string_add(&answer.head, text_slice(peer->got.data, head));
    string_add(&answer.body, text_slice(peer->got.data + head, body));
    peer->got.size -= head + body;
    memmove(peer->got.data, peer->got.data + head + body, peer->got.size + 1);
    assert_true(text_starts(string_text(&answer.head), "HTTP/1.1 "));
    answer.status = atoi(answer.head.data + strlen("HTTP/1.1 "));
    answer.close = strstr(answer.head.data, "\r\nConnection: close\r\n");
    return answer;
}

void answer_finish(struct answer *answer) {
    string_finish(&answer->head);
    string_finish(&answer->body);
}

int peer_status(struct peer *peer) {
    struct answer answer = peer_answer(peer, true);
    answer_finish(&answer);
    return answer.status;
}

static bool has_ended(void *arg) {
    return ((struct peer *)arg)->ended;
}

void peer_wait_end(struct peer *peer) {
    house_wait(has_ended, peer);
}
