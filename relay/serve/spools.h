/* The spools of this process: the one that it writes, and those that earlier
 * starts left behind, each with the drain that empties it into the ledger. */
#pragma once
#include "base/config.h"
#include "base/metrics.h"
#include "ledger/ledger.h"
#include "spool/spool.h"

struct spools;

struct spools_needs { /* all borrowed for its life */
    struct loop *loop;
    const struct config *config;
    struct ledger *ledger;
    struct metrics *metrics;
};

/* NULL with a sentence where what was left behind cannot be read: that is not an
 * empty spool. Where only writing is impossible it is there all the same, and
 * tries again: then a 2xx waits for the ledger. */
struct spools *spools_create(const struct spools_needs *, struct string *why);
void spools_destroy(struct spools *); /* after the ledger */

struct spool *spools_writing(const struct spools *); /* NULL while none can be made */
void spools_on_ledger(struct spools *);              /* Redis is back */
void spools_set_gauges(struct spools *);
bool spools_are_empty(const struct spools *);
