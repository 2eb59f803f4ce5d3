/* Does Redis keep what it is told? One whose append-only file is off forgets at a restart what
 * came since its last snapshot. With a spool that is an alarm, because the spool has it for a
 * while; where a 2xx waits for Redis alone it is no place to begin with. It is asked at every
 * connect and once a minute. */
#pragma once
#include "base/metrics.h"
#include "ledger/ledger.h"

struct persistence;

struct persistence_needs { /* all borrowed for its life */
    struct loop *loop;
    struct ledger *ledger;
    struct metrics *metrics;
    bool alone; /* nobody but Redis has what was answered 2xx */
    /* `alone`, and Redis was never found to keep anything: once. */
    void (*on_refused)(void *arg, const char *why);
    void *arg;
};

struct persistence *persistence_create(const struct persistence_needs *);
void persistence_destroy(struct persistence *);     /* after the ledger */
void persistence_on_ledger(struct persistence *);   /* Redis is connected */
bool persistence_lacks(const struct persistence *); /* as far as is known */
