/* An attempt is one POST of one event to one service.
 *
 * It owns a copy of what it carries: the ledger's reply is gone before the
 * service answers. The courier that made it keeps it on its list until it is
 * settled, which may take as long as Redis is away, and without its body. */
#pragma once
#include <sys/queue.h>

#include "ledger/moves.h"
#include "net/http_client.h"

struct config_service;
struct courier;
struct signer;

struct attempt {
    LIST_ENTRY(attempt) attempts; /* in struct courier */
    struct courier *courier;
    const struct config_service *service; /* of the edition in which it began */
    struct ledger_event event;            /* texts in `kept`, the body in `kept_body` */
    struct text lease;                    /* the same */
    unsigned failed;                      /* attempts settled before this one */
    int64_t first_ms;        /* Redis' time of the first of them; 0 where there is none */
    int64_t taken_ms;        /* Redis' time when this one was handed out */
    bool probe;              /* of an open breaker */
    unsigned round;          /* see pace_start */
    enum moves_verdict move; /* when it was judged */
    int64_t again_at_ms;     /* with MOVES_DEFER; steady time */
    /* Of an ordered service; they may be asked for when its lanes are put together anew. NULL:
     * none.
     */
    char *lane;       /* its key */
    char *after_dead; /* the event before it in its lane, a dead letter */
    char *kept, *kept_body;
};

struct attempt *attempt_create(const struct moves_taken *, int64_t now_ms);
/* False where the entry is not an event of ours: no body, or an id or type that is
 * missing or could not stand in a header. Such a one is never sent. */
bool attempt_sendable(const struct attempt *);
/* The attempt is `arg` of the callback, and must live until then. */
void attempt_send(struct attempt *, const struct config_service *, struct signer *,
                  struct http_client *, http_done_fn *);
void attempt_forget_body(struct attempt *); /* once it is answered */
void attempt_destroy(struct attempt *);
