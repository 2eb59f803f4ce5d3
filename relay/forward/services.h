/* The services that are delivered to, a courier for each. They come, change and go with
 * the editions of the configuration; one that goes settles what it has in flight first,
 * and what it is owed stays in the ledger. */
#pragma once
#include "base/config.h"
#include "base/metrics.h"
#include "ledger/ledger.h"
#include "net/http_client.h"

struct services;

struct services_needs { /* all borrowed for their life */
    struct loop *loop;
    struct ledger *ledger;
    struct http_client *client;
    struct metrics *metrics;
    loop_fn
        *on_open; /* the ledger knows all of them: at the start, and whenever that was renewed */
    loop_fn *on_rest; /* one asks nothing of the ledger: arm the bell, or leave */
    void *arg;
};

struct services *services_create(const struct services_needs *, const struct config *);
void services_destroy(struct services *); /* after the ledger, which has their calls */

/* The ledger is there, or is back, and may have forgotten anything: it is put right, then
 * they take. */
void services_open(struct services *);
/* Another edition is in force. What is in flight keeps to the one that it began with. */
void services_change(struct services *, const struct config *);
bool services_hold(const struct services *, const struct config *); /* does anything still? */
void services_wake(struct services *);                              /* the stream may have grown */
void services_stop(struct services *); /* none takes more; what is in flight is still settled */
bool services_done(const struct services *); /* stopped, and nothing is in flight */

size_t services_count(const struct services *); /* in the edition that is in force */
/* The first place in the stream at which one of them waits for the bell; empty: none does. */
struct text services_wait_at(const struct services *);
