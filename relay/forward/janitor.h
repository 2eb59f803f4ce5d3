/* The janitor keeps house in Redis: at a slow pace it trims the stream and looks
 * how full Redis is, and says early what will become trouble. */
#pragma once
#include "base/metrics.h"
#include "ledger/ledger.h"

struct config;
struct janitor;

/* All borrowed. It does nothing before it is started. */
struct janitor *janitor_create(struct loop *, struct ledger *, struct metrics *,
                               const struct config *);
void janitor_destroy(struct janitor *); /* after the ledger, which has its calls */
void janitor_start(struct janitor *);   /* again does nothing */
/* Another edition is in force: the next round, which comes soon, goes by it, and the old one is
 * needed no more. */
void janitor_change(struct janitor *, const struct config *);
