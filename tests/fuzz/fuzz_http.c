/* The door on bytes that somebody has made up, cut anywhere: whatever they are,
 * server, gate and libevhtp's parser behind it see the requests that the guard sees in
 * one piece of them, in order, answer each once, and end the connection.
 *
 * The last bytes of the input say how it is cut, and whether answers come at once. */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "net/http_guard.h"
#include "net/http_server.h"

enum { BODY_LIMIT = 1024, SEEN_MOST = 64, TURNS_MOST = 10000, A_DAY_MS = 86400000 };

/* What became of one request. */
struct seen {
    int fault; /* HTTP_FAULTS: it was whole */
    size_t path_bytes;
    size_t body_bytes;
    uint32_t body_sum;
};

struct story {
    struct seen seen[SEEN_MOST];
    size_t count;
};

static struct loop *loop;
static struct http_server *server;
static struct sockaddr_un address;
static socklen_t address_size;
static struct story heard;            /* by the handler */
static struct http_exchange *waiting; /* for its answer */
static bool answers_at_once;

static void add(struct story *story, struct seen seen) {
    if (story->count < SEEN_MOST)
        story->seen[story->count++] = seen;
}

static struct seen whole(struct text path, struct text body) {
    struct seen seen = {HTTP_FAULTS, path.size, body.size, 0};
    for (size_t i = 0; i < body.size; i++)
        seen.body_sum = seen.body_sum * 31 + (unsigned char)body.data[i];
    return seen;
}

/* ---- What the guard sees in one piece ---- */

static void read_whole(struct text input, struct story *story) {
    bool closes = false;
    while (input.size && !closes) {
        struct http_guard guard;
        http_guard_init(&guard, BODY_LIMIT);
        enum http_guard_verdict verdict = http_guard_feed(&guard, &input);
        if (verdict == HTTP_GUARD_HEAD)
            verdict = http_guard_feed(&guard, &input);
        if (verdict == HTTP_GUARD_WHOLE)
            add(story, whole(http_guard_path(&guard), http_guard_body(&guard)));
        else if (verdict == HTTP_GUARD_REFUSED)
            add(story, (struct seen){.fault = (int)guard.fault});
        closes = verdict == HTTP_GUARD_REFUSED || guard.close;
        http_guard_finish(&guard);
    }
}

/* ---- The server ---- */

static bool on_head(void *arg, const struct http_head *head, struct http_answer *refusal) {
    (void)arg;
    (void)refusal;
    assert(head->body_bytes <= BODY_LIMIT);
    return true;
}

static void answer_waiting(void) {
    struct http_answer answer = {.status = 200, .body = text_of("{}")};
    if (waiting)
        http_exchange_answer(&waiting, &answer);
}

static void on_request(void *arg, struct http_exchange *exchange) {
    (void)arg;
    assert(!waiting); /* one of a connection at a time */
    add(&heard, whole(http_exchange_path(exchange), http_exchange_body(exchange)));
    waiting = exchange;
    if (answers_at_once)
        answer_waiting();
}

static void on_fault(void *arg, const struct http_exchange *exchange, enum http_fault fault,
                     struct text peer, struct http_answer *answer) {
    (void)exchange;
    (void)arg;
    (void)peer;
    add(&heard, (struct seen){.fault = (int)fault});
    *answer = (struct http_answer){.status = 400, .body = text_of("{}")};
}

static void start(void) {
    static const struct http_handler handler = {
        .on_head = on_head, .on_request = on_request, .on_fault = on_fault};
    /* What it makes of bytes, and not of a machine that is too slow for them. */
    const struct http_limits limits = {
        .body_bytes = BODY_LIMIT,
        .request_ms = A_DAY_MS,
        .body_ms = A_DAY_MS,
        .idle_ms = A_DAY_MS,
        .drain_ms = A_DAY_MS,
        .age_ms = A_DAY_MS,
    };
    log_start("fuzz", LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    loop = loop_create();
    server = http_server_create(loop, &handler, &limits);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    address.sun_family = AF_UNIX;
    /* Without a name the kernel gives it one. */
    int bound = bind(listener, (struct sockaddr *)&address, sizeof address.sun_family);
    address_size = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &address_size);
    int listening = listen(listener, 8);
    assert(bound == 0 && listening == 0);
    http_server_listen(server, listener, NULL);
}

/* ---- The client ---- */

struct client {
    int fd;
    size_t answers;
    struct string got;
    bool ended;
};

static void take_answers(struct client *client) {
    char bytes[4096];
    ssize_t size = recv(client->fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size > 0)
        string_add(&client->got, text_slice(bytes, (size_t)size));
    client->ended = client->ended || size == 0 || (size < 0 && errno == ECONNRESET);
}

static void turn(struct client *client) {
    event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    answer_waiting();
    take_answers(client);
}

static void send_piece(struct client *client, struct text piece) {
    for (unsigned turns = 0; piece.size && turns < TURNS_MOST; turns++) {
        ssize_t sent = send(client->fd, piece.data, piece.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0)
            piece = text_slice(piece.data + sent, piece.size - (size_t)sent);
        else if (errno != EAGAIN)
            return; /* it reads no more */
        turn(client);
    }
}

/* Nothing of a request is in an answer, so each begins where this stands. */
static size_t count_answers(const struct string *got) {
    static const char start_of[] = "HTTP/1.1 ", interim[] = "HTTP/1.1 100";
    size_t count = 0;
    const char *at = got->data ? got->data : "";
    while ((at = strstr(at, start_of))) {
        count += strncmp(at, interim, sizeof interim - 1) != 0;
        at += sizeof start_of - 1;
    }
    return count;
}

static void send_cut(struct client *client, struct text input, uint32_t cuts) {
    while (input.size) {
        cuts = cuts * 1103515245 + 12345;
        size_t size = cuts % 7 == 0 ? input.size : (cuts >> 16) % 40 + 1;
        size = size < input.size ? size : input.size;
        send_piece(client, text_slice(input.data, size));
        input = text_slice(input.data + size, input.size - size);
    }
}

static size_t talk(struct text input, uint32_t cuts) {
    struct client client = {.fd = socket(AF_UNIX, SOCK_STREAM, 0)};
    int connected = connect(client.fd, (struct sockaddr *)&address, address_size);
    assert(connected == 0);
    send_cut(&client, input, cuts);
    shutdown(client.fd, SHUT_WR);
    for (unsigned turns = 0; !client.ended && turns < TURNS_MOST; turns++)
        turn(&client);
    assert(client.ended);
    close(client.fd);
    for (unsigned turns = 0; http_server_connections(server) && turns < TURNS_MOST; turns++)
        event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    assert(http_server_connections(server) == 0 && http_server_body_bytes(server) == 0);
    size_t answers = count_answers(&client.got);
    string_finish(&client.got);
    return answers;
}

static bool is_same(const struct seen *a, const struct seen *b) {
    return a->fault == b->fault && a->path_bytes == b->path_bytes &&
           a->body_bytes == b->body_bytes && a->body_sum == b->body_sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct text input = text_slice((const char *)data, size);
    struct story told = {0};
    uint32_t cuts = size > 1 ? (uint32_t)data[size - 1] << 8 | data[size - 2] : 0;
    if (!server)
        start();
    heard.count = 0;
    answers_at_once = cuts & 1;
    read_whole(input, &told);
    size_t answers = talk(input, cuts);
    assert(heard.count == told.count);
    for (size_t i = 0; i < told.count; i++)
        assert(is_same(&heard.seen[i], &told.seen[i]));
    assert(answers == told.count || told.count == SEEN_MOST);
    return 0;
}
