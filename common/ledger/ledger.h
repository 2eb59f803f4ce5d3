/* The ledger is what stands in Redis: the stream of events, and for each
 * service what it is still owed.
 *
 * Only this room names a key. Every move is one Lua script, so a process may
 * be killed between any two of them and nothing is half done. This header has
 * the connection and the one move of `serve`; moves.h has those of `forward`,
 * browse.h what the command line reads, audit.h the balance. */
#pragma once
#include "net/redis.h"

struct config;
struct ledger;

enum ledger_outcome {
    LEDGER_DONE,
    LEDGER_AWAY, /* Redis was not to be had before the deadline; what was asked may have happened */
    LEDGER_REFUSED, /* Redis said no; ledger_refusal has its words */
};

struct ledger_event { /* an entry of the stream; whoever hands it out says how long it lives */
    struct text stream_id;
    struct text id, type, endpoint, account, created, trace, body;
    int64_t received_ms;
    struct text to;     /* revived for this service only; else empty */
    struct text origin; /* of a revived one, the stream id of the first; else empty */
};

/* Connects by the configuration (borrowed for the ledger's life). `name` is the
 * program's, for CLIENT LIST. A ledger that a program of another layout has made counts as away,
 * so that nobody touches it. on_state may be NULL. NULL with a sentence where no
 * retry could mend it. */
struct ledger *ledger_create(struct loop *, const struct config *, const char *name,
                             void (*on_state)(void *arg, bool connected), void *arg,
                             struct string *why);
void ledger_destroy(struct ledger *);
bool ledger_connected(const struct ledger *);
/* For people: why Redis is away, empty when connected; and how it refused last, empty where it
 * never did. Until the next callback. */
struct text ledger_trouble(const struct ledger *);
struct text ledger_refusal(const struct ledger *);

/* What no secret matches anybody can send, so of that the pen is bounded: by how many and by the
 * bytes of bodies and signatures. It is known by its reason. */
#define LEDGER_UNMATCHED "unmatched"
struct ledger_pen {
    int64_t events, bytes;
};
/* How much the pen holds of it, as Redis last said: with an append, or when it was asked about a
 * spool. False: not yet. */
bool ledger_pen_holds(const struct ledger *, struct ledger_pen *);

/* append: events stand in the stream and are remembered, or are told as seen
 * before; what is for the pen stands in the pen. The only way in. */
struct ledger_item {
    struct ledger_event event; /* stream_id, to and origin are not looked at */
    int64_t window_ms;         /* for how long the id is remembered */
    bool pen;                  /* it is no event (yet): no id and no type, but these */
    struct text reason, signature;
    struct ledger_pen most; /* of an unmatched one from the door: not beyond that */
};
enum ledger_stored {
    LEDGER_STORED,
    LEDGER_DUPLICATE,
    LEDGER_PEN_FULL,   /* nor will it be, before somebody makes room in the pen */
    LEDGER_NOT_STORED, /* not before the deadline; a lost reply may hide that it was */
};

/* One item straight from the door. May be sent again after a lost reply: the
 * script then says duplicate, and that is the truth. */
struct ledger_appended { /* its texts: until the callback returns */
    enum ledger_stored stored;
    struct text stream_id;
    struct text trouble; /* not stored: in Redis' words, or why it is away; empty: it was silent */
};
typedef void ledger_append_fn(void *arg, const struct ledger_appended *);
void ledger_append(struct ledger *, const struct ledger_item *, int64_t deadline_ms,
                   ledger_append_fn *, void *arg);

/* A batch of a spool's records. It names the last record that the ledger is
 * thought to have; where that is wrong nothing is appended, and the answer says
 * what it has. What is remembered, but stands in the stream no longer though
 * nobody trimmed it, is added again. The pen takes all of it, however full it is: what stands in a
 * spool was answered 2xx. One that is refused may be sent again and again: of it the pen keeps
 * nothing, and events that are stored by then are duplicates. */
enum { LEDGER_BATCH_ITEMS = 64, LEDGER_BATCH_BYTES = 1 << 20 }; /* a longer item goes alone */
struct ledger_batch {
    const char *spool;
    uint64_t after,
        last; /* sequences: of the record before the first item, and of the last item's */
    const struct ledger_item *items; /* borrowed until the call returns */
    size_t count;
    int64_t deadline_ms;
};
struct ledger_batched {
    enum ledger_outcome outcome;
    bool follows;
    uint64_t last; /* with DONE: the number of the last record that the ledger has */
    size_t stored, duplicate;
    struct text trouble; /* without DONE: in Redis' words; until the callback returns */
};
typedef void ledger_batch_fn(void *arg, const struct ledger_batched *);
void ledger_append_batch(struct ledger *, const struct ledger_batch *, ledger_batch_fn *,
                         void *arg);

/* What the ledger has of a spool, and how long ago it got the oldest event that a service is still
 * owed; 0: none is, or just now. By one clock, Redis', which need not go as ours does. */
struct ledger_look {
    enum ledger_outcome outcome;
    uint64_t last;
    int64_t owed_ms;
};
typedef void ledger_look_fn(void *arg, const struct ledger_look *);
void ledger_look_at_spool(struct ledger *, const char *spool, int64_t deadline_ms, ledger_look_fn *,
                          void *arg);
