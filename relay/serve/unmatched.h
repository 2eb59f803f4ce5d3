/* How much of what no secret matches may still be kept under `unmatched: pen`.
 *
 * Anybody can send that, so it has a bound of its own, and what is authentic is never refused for
 * it. The bound holds for what stands in Redis, for what is in our spool on its way there, and for
 * what earlier starts left in theirs: of that nobody knows how much was unmatched, so all of it
 * counts. It is asked before the 2xx, because afterwards nothing may be let go any more. While
 * Redis was not heard there is no room: a start must not open the pen anew. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "ledger/ledger.h"

struct unmatched_waiting;

struct unmatched {
    struct ledger_pen most;
    int64_t spool_bytes; /* of them in spools at most: the rest of the disk is for what is Kula's */
    STAILQ_HEAD(, unmatched_waiting) waiting; /* in our spool, by their numbers */
    struct ledger_pen sum;                    /* of these */
};

/* What is known of the other places. */
struct unmatched_elsewhere {
    bool ledger_known;
    struct ledger_pen ledger, left_behind;
};

void unmatched_init(struct unmatched *);
void unmatched_finish(struct unmatched *);

bool unmatched_fits(const struct unmatched *, const struct unmatched_elsewhere *, int64_t bytes);
/* It has got this number in our spool. */
void unmatched_put(struct unmatched *, uint64_t sequence, int64_t bytes);
/* The ledger has our spool up to here. */
void unmatched_drained(struct unmatched *, uint64_t up_to);
