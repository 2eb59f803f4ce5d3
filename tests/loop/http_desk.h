/* A server with a handler that does as the test says, for tests of http_server;
 * each of them runs twice, over plain HTTP and over TLS. */
#pragma once
#include "http_house.h"
#include "net/http_server.h"

enum { DESK_LIMIT = 64 * 1024 }; /* of a body */

/* Answered 200 with method, path and body. "/refused" is refused with 404. */
#define GET     "GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST    "POST /hook?x=y HTTP/1.1\r\nHost: a\r\nX-Name: v\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

struct desk {
    struct http_server *server;
    struct loop_timer *later;
    int port;
    bool encrypted;                                 /* this run of the tests */
    enum { DESK_NOW, DESK_LATER, DESK_NEVER } when; /* the handler answers */
    size_t answer_bytes;                            /* at least so many */
    bool trusts;                                    /* whoever is answered */
    bool proxied;                                   /* reopened so: wants the PROXY protocol */
    bool beside;                                    /* reopened so: others may listen there too */
    struct string pieces;                           /* of bodies, as they came */
    struct http_exchange *held[16];                 /* not answered yet, in the order they came */
    size_t held_count;
    size_t request_count;
    size_t fault_counts[HTTP_FAULTS];
};
extern struct desk desk;

int desk_set_up(void **state);
int desk_tear_down(void **state);
/* Runs the tests of both worlds; how many failed. */
int desk_run(int (*plain)(void), int (*with_tls)(void));

void desk_reopen(struct http_limits); /* in place of the usual one */
struct peer *desk_connect(void);
struct peer *desk_connect_after(struct text preface); /* which comes before TLS */
bool desk_is_empty(void *nothing);                    /* nobody is connected */
void desk_wait_held(size_t count);
void desk_answer_first(void);

void desk_assert_answer(struct peer *, int status, const char *body);
void desk_assert_still_serves(void);
/* Refused with this status, in a way that the client can read; closed after that. */
void desk_assert_refused(const char *request, int status);
