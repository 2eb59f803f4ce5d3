/* What stands in the pen and passes by the secrets of now, serve releases by itself: at the
 * start, when a reload has brought other secrets or accounts, and when more was penned since. */
#pragma once
#include "base/config.h"
#include "base/metrics.h"
#include "ledger/ledger.h"

struct releases;

struct releases_needs { /* all borrowed for its life */
    struct loop *loop;
    struct ledger *ledger;
    struct metrics *metrics;
};

/* The configuration is borrowed until another one is taken. */
struct releases *releases_create(const struct releases_needs *, const struct config *);
void releases_destroy(struct releases *); /* after the ledger, before the configuration */
void releases_take(struct releases *, const struct config *);
void releases_on_ledger(struct releases *); /* Redis is back */
