/* The pulse of each endpoint: what comes of its deliveries is counted, told to Redis, and heard
 * from there with what every other serve and `watch` know. So a gauge and an alarm go by all of
 * them, and by what was before a restart.
 *
 * It never keeps an answer waiting: counting is an addition, and telling comes up to a second
 * later. While Redis is away it goes by what it last heard, and what it has counted since. */
#pragma once
#include "base/metrics.h"
#include "net/loop.h"
#include "serve/answers.h"

struct config;
struct ledger;
struct pulse;

struct pulse_needs { /* all borrowed for its life */
    struct loop *loop;
    struct ledger *ledger;
    struct metrics *metrics;
    const struct config *config; /* of the first edition */
};

struct pulse *pulse_start(const struct pulse_needs *);
void pulse_stop(struct pulse *); /* after the ledger */

/* Another edition's endpoints; those that have gone are asked for no longer. */
void pulse_set_endpoints(struct pulse *, const struct config *);

void pulse_note(struct pulse *, const char *endpoint, enum answer);

/* Stopping: what was counted is told at once. True when that is done, or Redis is away. */
bool pulse_is_told(struct pulse *);
