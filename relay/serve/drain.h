/* A drain carries one spool into the ledger: in order, in batches, several on
 * the way at a time. Of several spools the younger one waits for the older one.
 *
 * It never guesses what the ledger has. It asks at every connect and every 15 s,
 * and goes back to what it is told: whatever Redis forgot is appended again. */
#pragma once
#include "base/metrics.h"
#include "ledger/ledger.h"
#include "spool/spool.h"

struct drain;

/* All borrowed for the drain's life. Starts by asking. */
struct drain *drain_create(struct loop *, struct ledger *, struct spool *, struct metric *resyncs);
void drain_destroy(struct drain *); /* only after the ledger, so that none of its answers come */

/* Sends nothing while `ahead`, or what that follows, has something that the ledger has not, but for
 * one that cannot be read. Until either is destroyed. */
void drain_follow(struct drain *, struct drain *ahead);

void drain_wake(struct drain *);  /* there may be something to read */
void drain_again(struct drain *); /* Redis is back: ask before going on */

/* A record as the ledger is told of it; texts are the record's. */
struct ledger_item drain_item(const struct record *);

uint64_t drain_confirmed(const struct drain *); /* the ledger has the spool up to here */
struct spool *drain_spool(const struct drain *);
/* It is away, or takes nothing, of this one or of one that is waited for. */
bool drain_waits_for_redis(const struct drain *);
/* The ledger has all that was synced, and is asked nothing: it may be destroyed. */
bool drain_is_empty(const struct drain *);
