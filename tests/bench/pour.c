/* Pours signed deliveries into a serve over TLS, as fast as they are answered, and costs next to
 * nothing itself, so that it is the server that is measured: each request is made and signed
 * before the clock begins, and no HTTP library stands between.
 *
 *     pour PORT PATH CA_FILE SECRET_FILE COUNT CONNECTIONS
 *
 * Prints how many were answered 200 "accepted", how long all of it took and how long half and
 * nearly all of the answers did, as one JSON object. What is not as it should be ends it. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/secret.h"
#include "cli/sample_event.h"
#include "kula/stamp.h"

enum { ANSWER_MOST = 2048, READY_MOST = 64 };

struct connection {
    int socket;
    SSL *ssl;
    size_t number; /* of the request that is being answered */
    int64_t sent_us;
    size_t held;
    char answer[ANSWER_MOST];
};

struct pour {
    struct sockaddr_in to;
    SSL_CTX *tls;
    struct string *requests;
    int64_t *took_us;
    size_t count, sent, answered, accepted;
    int ready;
};

static void die(const char *what) {
    fprintf(stderr, "pour: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static size_t number_of(const char *word) {
    uint64_t number;
    if (!text_to_uint(text_of(word), INT32_MAX, &number) || !number)
        die(word);
    return (size_t)number;
}

/* ---- Before the clock begins ---- */

static void make_request(struct string *request, const char *path, struct hmac *key, size_t n,
                         uint64_t run) {
    static const char type[] = "application.created";
    struct string body = {0};
    char id[48];
    int64_t now_ms = clock_wall_ms();
    snprintf(id, sizeof id, "evt_%016" PRIx64 "-%zu", run, n);
    sample_event_write(type, id, now_ms, n, &body);
    string_addf(request,
                "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: %zu\r\nX-Kula-Event-Id: %s\r\nX-Kula-Event: %s\r\n"
                "X-Kula-Timestamp: %" PRId64 "\r\nX-Kula-Signature: ",
                path, body.size, id, type, now_ms / 1000);
    stamp_kula((struct stamp_keys){&key, 1}, now_ms / 1000, string_text(&body), request);
    string_add_of(request, "\r\n\r\n");
    string_add(request, string_text(&body));
    string_finish(&body);
}

static void make_requests(struct pour *pour, const char *path, const char *secret_file) {
    struct secret secret;
    struct string why = {0};
    uint64_t run = random_bits();
    if (!secret_read(secret_file, &secret, &why))
        die(why.data);
    struct hmac *key = hmac_create(&secret);
    pour->requests = memory_new(pour->count * sizeof *pour->requests);
    pour->took_us = memory_new(pour->count * sizeof *pour->took_us);
    for (size_t n = 0; n < pour->count; n++)
        make_request(&pour->requests[n], path, key, n, run);
    hmac_destroy(key);
    secret_finish(&secret);
}

static SSL_CTX *trust(const char *ca_file) {
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (!tls || SSL_CTX_load_verify_file(tls, ca_file) != 1)
        die(ca_file);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(tls, 1); /* a record's head and the rest of it in one call */
    return tls;
}

/* ---- A connection ---- */

static void connection_open(struct connection *connection, const struct pour *pour) {
    int no_delay = 1;
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->socket < 0 ||
        connect(connection->socket, (const struct sockaddr *)&pour->to, sizeof pour->to) < 0)
        die("cannot connect");
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof no_delay);
    connection->ssl = SSL_new(pour->tls);
    if (!connection->ssl || SSL_set1_host(connection->ssl, "localhost") != 1 ||
        SSL_set_fd(connection->ssl, connection->socket) != 1 || SSL_connect(connection->ssl) != 1)
        die("no TLS");
    if (fcntl(connection->socket, F_SETFL, O_NONBLOCK) < 0)
        die("fcntl");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(pour->ready, EPOLL_CTL_ADD, connection->socket, &event) < 0)
        die("epoll_ctl");
}

static void connection_close(struct connection *connection) {
    SSL_free(connection->ssl);
    close(connection->socket);
}

/* It is short, and nothing is under way before it: the socket takes it whole. */
static void connection_send(struct connection *connection, struct pour *pour) {
    const struct string *request = &pour->requests[pour->sent];
    connection->number = pour->sent++;
    connection->held = 0;
    connection->sent_us = now_us();
    if (SSL_write(connection->ssl, request->data, (int)request->size) != (int)request->size)
        die("cannot send");
}

/* Where its body begins; NULL: the answer is not whole. */
static const char *body_of(const struct connection *connection) {
    static const char length[] = "\r\nContent-Length: ";
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *told = end ? strstr(connection->answer, length) : NULL;
    if (!told)
        return NULL;
    size_t head = (size_t)(end + 4 - connection->answer);
    size_t body = strtoul(told + sizeof length - 1, NULL, 10);
    return connection->held >= head + body ? end + 4 : NULL;
}

/* NULL: more is to come. */
static const char *connection_read(struct connection *connection) {
    const char *body = NULL;
    while (!body) {
        int got = SSL_read(connection->ssl, connection->answer + connection->held,
                           (int)(ANSWER_MOST - 1 - connection->held));
        if (got <= 0 && SSL_get_error(connection->ssl, got) == SSL_ERROR_WANT_READ)
            return NULL;
        if (got <= 0)
            die("no answer");
        connection->held += (size_t)got;
        connection->answer[connection->held] = '\0';
        body = body_of(connection);
    }
    return body;
}

/* serve closes a connection that has had a thousand. */
static void go_on(struct connection *connection, struct pour *pour) {
    if (strstr(connection->answer, "\r\nConnection: close")) {
        connection_close(connection);
        connection_open(connection, pour);
    }
    if (pour->sent < pour->count)
        connection_send(connection, pour);
}

static void on_readable(struct connection *connection, struct pour *pour) {
    const char *body = connection_read(connection);
    if (!body)
        return;
    pour->took_us[connection->number] = now_us() - connection->sent_us;
    pour->answered++;
    pour->accepted += strstr(connection->answer, " 200 ") && strstr(body, "\"accepted\"");
    go_on(connection, pour);
}

/* ---- All of them ---- */

static void pour_out(struct pour *pour) {
    struct epoll_event events[READY_MOST];
    while (pour->answered < pour->count) {
        int count = epoll_wait(pour->ready, events, READY_MOST, -1);
        if (count < 0)
            die("epoll_wait");
        for (int i = 0; i < count; i++)
            on_readable(events[i].data.ptr, pour);
    }
}

static int compare(const void *a, const void *b) {
    const int64_t *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

/* Of the sorted times. */
static double percentile_ms(const struct pour *pour, size_t percent) {
    size_t place = (pour->count - 1) * percent / 100;
    return (double)pour->took_us[place] / 1e3;
}

static void report(const struct pour *pour, int64_t all_us) {
    qsort(pour->took_us, pour->count, sizeof *pour->took_us, compare);
    printf("{\"accepted\":%zu,\"seconds\":%.3f,\"p50_ms\":%.2f,\"p99_ms\":%.2f}\n", pour->accepted,
           (double)all_us / 1e6, percentile_ms(pour, 50), percentile_ms(pour, 99));
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fputs("usage: pour PORT PATH CA_FILE SECRET_FILE COUNT CONNECTIONS\n", stderr);
        return EXIT_FAILURE;
    }
    struct pour pour = {
        .to = {.sin_family = AF_INET,
               .sin_port = htons((uint16_t)number_of(argv[1])),
               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
        .tls = trust(argv[3]),
        .count = number_of(argv[5]),
        .ready = epoll_create1(EPOLL_CLOEXEC),
    };
    size_t connections = number_of(argv[6]);
    connections = connections < pour.count ? connections : pour.count;
    struct connection *all = memory_new(connections * sizeof *all);
    make_requests(&pour, argv[2], argv[4]);
    for (size_t i = 0; i < connections; i++)
        connection_open(&all[i], &pour);
    int64_t from_us = now_us();
    for (size_t i = 0; i < connections; i++)
        connection_send(&all[i], &pour);
    pour_out(&pour);
    report(&pour, now_us() - from_us);
    for (size_t i = 0; i < connections; i++)
        connection_close(&all[i]);
    for (size_t i = 0; i < pour.count; i++)
        string_finish(&pour.requests[i]);
    free(pour.requests);
    free(pour.took_us);
    free(all);
    SSL_CTX_free(pour.tls);
    close(pour.ready);
    return EXIT_SUCCESS;
}
