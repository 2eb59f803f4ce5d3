/* A house for tests of HTTP: the loop, and raw clients that run on the same
 * thread, so that a test can be as clumsy or as rude as it likes on the byte.
 *
 * Waiting is for facts; a fact that does not come within a minute fails the
 * test. */
#pragma once
#include "base/text.h"
#include "net/loop.h"

struct ssl_st;
struct ssl_ctx_st;

extern struct loop *house_loop;

void house_open(void);
void house_close(void);
void house_turn(void); /* the loop once, then all peers */
/* Until it is true. */
void house_wait(bool (*fact)(void *arg), void *arg);
/* Until at least so much time has passed, the loop running: for what must not happen. */
void house_pass(int64_t ms);

/* A client: what it is to send goes out as the loop turns, what it gets is kept. */
struct peer {
    struct peer *next;
    int fd;
    struct ssl_st *ssl; /* NULL: plain */
    bool shaken;        /* TLS is there */
    bool deaf;          /* does not read */
    bool ended;         /* the server has closed, in an orderly way or not */
    bool reset;         /* not */
    struct string out;
    size_t sent; /* of it */
    struct string got;
};

struct answer {
    int status;
    bool close;
    struct string head;
    struct string body;
};

/* On loopback; tls is NULL for plain. */
struct peer *peer_connect(int port, struct ssl_ctx_st *tls);
void peer_start_tls(struct peer *, struct ssl_ctx_st *); /* on one that was plain so far */
void peer_send(struct peer *, const char *);
void peer_send_text(struct peer *, struct text);
size_t peer_unsent(const struct peer *);
void peer_push(struct peer *);  /* what the kernel takes of it, while the loop stands still */
void peer_flush(struct peer *); /* until all is sent */
void peer_send_bytewise(struct peer *, const char *); /* the server sees every byte alone */
void peer_half_close(struct peer *);
void peer_hang_up(struct peer **);
void peer_reset(struct peer **); /* with a RST */

/* Waits for one whole answer, which is then taken off `got`. 100 Continue is one. */
struct answer peer_answer(struct peer *, bool has_body);
void answer_finish(struct answer *);
int peer_status(struct peer *); /* of the next answer, of which nothing else matters */
void peer_wait_end(struct peer *);
