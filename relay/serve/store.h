/* The store makes a delivery durable: in the spool, or where there is none or it cannot write, in
 * the ledger. When the spool takes long the ledger is asked too. The first that has it answers for
 * both; that it is not stored is said only when none is left to ask, or time is up. */
#pragma once
#include "base/config.h"
#include "ledger/ledger.h"
#include "spool/record.h"

struct spools;
struct store;

struct store_needs { /* all borrowed for its life */
    struct loop *loop;
    struct ledger *ledger;
    struct spools *spools; /* NULL: a 2xx waits for the ledger */
};

struct store *store_create(const struct store_needs *, const struct config *);
/* Nobody is told any more, and nothing more is asked: before ledger and spools go. */
void store_close(struct store *);
void store_destroy(struct store *); /* after ledger and spools, whose last words it hears */

/* How much may be penned of what no secret matches. The configuration is read and not kept. */
void store_set_pen(struct store *, const struct config *);
/* Of what no secret matches: may it still be put? True for all else. Asked before the spool has
 * it, because what stands there is the ledger's to take. */
bool store_has_room(struct store *, const struct record *);

struct stored {
    enum ledger_stored outcome; /* the spool's is STORED: it does not know duplicates */
    const char *where;          /* "spool" or "ledger"; NULL where neither has it */
    struct text stream_id;      /* of the ledger's; until the callback returns */
    struct text trouble;        /* not stored: why, for people; until the callback returns */
};
typedef void store_fn(void *arg, const struct stored *);

/* `until_ms` is steady time; however late it is, the ledger is asked once. The record's texts are
 * borrowed until the callback. */
void store_put(struct store *, const struct record *, int64_t until_ms, store_fn *, void *arg);
