/* The ledger is what stands in Redis: the stream of events, and for each
 * service what it is still owed.
 *
 * Only this room names a key. Every move is one Lua script, so a process may
 * be killed between any two of them and nothing is half done. This header has
 * the connection and the two moves of `serve`; moves.h has those of `forward`,
 * browse.h what the command line reads, audit.h the balance. */
#pragma once
#include "net/redis.h"

struct config;
struct ledger;

enum ledger_outcome {
    LEDGER_DONE,
    LEDGER_AWAY, /* Redis was not to be had before the deadline; what was asked may have happened */
    LEDGER_REFUSED, /* Redis said no; ledger_trouble has its words */
};

struct ledger_event { /* an entry of the stream; whoever hands it out says how long it lives */
    struct text stream_id;
    struct text id, type, endpoint, account, created, trace, body;
    int64_t received_ms;
    struct text to;     /* revived for this service only; else empty */
    struct text origin; /* of a revived one, the stream id of the first; else empty */
};

/* Connects by the configuration (borrowed for the ledger's life). `name` is the
 * program's, for CLIENT LIST. on_state may be NULL. NULL with a sentence where no
 * retry could mend it. */
struct ledger *ledger_create(struct loop *, const struct config *, const char *name,
                             void (*on_state)(void *arg, bool connected), void *arg,
                             struct string *why);
void ledger_destroy(struct ledger *);
bool ledger_connected(const struct ledger *);
struct text ledger_trouble(const struct ledger *); /* for people; empty when all is well */

/* append: in the stream and remembered, or told as seen before. May be sent
 * again after a lost reply: the script then says duplicate, and that is the truth. */
enum ledger_stored {
    LEDGER_STORED,
    LEDGER_DUPLICATE,
    LEDGER_NOT_STORED, /* not before the deadline; a lost reply may hide that it was */
};
typedef void ledger_append_fn(void *arg, enum ledger_stored, struct text stream_id);
struct ledger_append {
    struct ledger_event event; /* stream_id, to and origin are not looked at */
    int64_t window_ms;         /* for how long the id is remembered */
    int64_t deadline_ms;       /* from now */
};
void ledger_append(struct ledger *, const struct ledger_append *, ledger_append_fn *, void *arg);

/* pen: keeps an authentic delivery that we cannot read. */
struct ledger_pen {
    struct text endpoint, reason, signature, body;
    int64_t received_ms;
    int64_t deadline_ms;
};
void ledger_pen(struct ledger *, const struct ledger_pen *, ledger_append_fn *, void *arg);
