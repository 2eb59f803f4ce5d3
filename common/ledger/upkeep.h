/* The upkeep of the ledger: what nobody is owed any more leaves it, and how full
 * Redis is. */
#pragma once
#include "ledger/ledger.h"

struct config;

/* trim: a page of the oldest entries leaves the stream: those older than
 * `keep_ms`, and the oldest where there are too many. Never what a service of
 * ours is owed, has not read or notes: one whose name is in the configuration or
 * in the ledger. A group that is not ours holds it back for retention.foreign,
 * then it is passed over. Dead letters leave theirs by age. */
struct upkeep_trimmed { /* borrowed until the callback returns */
    enum ledger_outcome outcome;
    int64_t removed, dead_removed, length;
    bool more;           /* there is more to remove: ask again */
    struct text held_by; /* the group that keeps what is past its time; empty: none does */
    int64_t held_for_ms; /* the age of what it keeps */
    const struct text *passed;
    size_t passed_count; /* groups not ours, which lose what they had not read */
};
typedef void upkeep_trim_fn(void *arg, const struct upkeep_trimmed *);
void upkeep_trim(struct ledger *, const struct config *, int64_t keep_ms, int64_t deadline_ms,
                 upkeep_trim_fn *, void *arg);

struct upkeep_redis {             /* borrowed until the callback returns */
    enum ledger_outcome outcome;  /* REFUSED: we may not ask */
    struct text program, version; /* "redis" or "valkey", and its own */
    bool appends;                 /* all that it is told to a file: its AOF is on */
    int64_t used_bytes;
    int64_t limit_bytes; /* 0: none */
    int64_t refusals;    /* commands, anybody's, that had no room, since Redis started */
    bool evicts;         /* at the limit it throws keys away, ours too, and says nothing */
};
typedef void upkeep_redis_fn(void *arg, const struct upkeep_redis *);
void upkeep_look_at_redis(struct ledger *, int64_t deadline_ms, upkeep_redis_fn *, void *arg);
