/* A courier's numbers and log lines: what an operator learns of one service. */
#pragma once
#include "base/metrics.h"
#include "forward/attempt.h"
#include "forward/pace.h"
#include "forward/verdict.h"

struct tally {
    const char *service;
    struct metric *delivered, *again, *never, *expired, *poisonous;
    struct metric *taken, *filtered, *dropped, *healed;
    struct metric *settled, *lease_lost, *unsettled;
    struct metric *in_flight, *owed, *unread, *seconds;
    struct metric *breaker_open, *window, *paused;
};

void tally_init(struct tally *, struct metrics *, const char *service); /* both borrowed */

void tally_verdict(struct tally *, const struct attempt *, const struct verdict *, int status,
                   int64_t took_ms);
void tally_settled(struct tally *, const struct attempt *, enum moves_settled);
void tally_haul(struct tally *, const struct moves_haul *);
void tally_healed(struct tally *, const struct moves_healed *);
/* What an attempt did to the breaker; `reason` of the failure that opened it. */
void tally_breaker(struct tally *, enum moves_breaker, const char *reason, int64_t probe_in_ms);
void tally_pace(struct tally *, const struct pace *);
