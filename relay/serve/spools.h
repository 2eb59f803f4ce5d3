/* The spools of this process: the one that it writes (none with durability:
 * ledger), and those that earlier starts left behind, each with the drain that
 * empties it into the ledger. */
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
bool spools_work(const struct spools *);             /* what is to be written can be */
void spools_on_ledger(struct spools *);              /* Redis is back */
void spools_count(struct spools *);                  /* into the metrics */
/* Up to where the ledger has the written one; 0 where there is none. */
uint64_t spools_confirmed(const struct spools *);
/* What earlier starts left and the ledger does not have yet. */
struct ledger_pen spools_left_behind(const struct spools *);
uint64_t spools_undrained(const struct spools *);
/* Nothing goes on its way any more: the ledger has all, or takes nothing. */
bool spools_are_quiet(const struct spools *);
