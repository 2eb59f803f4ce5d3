/* Dead letters: what a service will not get unless a person says so. */
#pragma once
#include "ledger/ledger.h"

struct dead_letter {
    struct text dead_id;       /* its place among the service's dead letters */
    struct ledger_event event; /* stream_id: of the entry that died */
    struct text reason;
    int status; /* of the last attempt; 0 where there was no answer */
    unsigned tries;
};
struct dead_page { /* borrowed until the callback returns */
    enum ledger_outcome outcome;
    const struct dead_letter *items;
    size_t count;
    bool more;
};
typedef void dead_page_fn(void *arg, const struct dead_page *);
/* Up to `most` after a dead id ("0" is before the first), and about a mebibyte. */
void dead_after(struct ledger *, const char *service, struct text after, size_t most,
                dead_page_fn *, void *arg);

/* `found` false: there is no such dead letter (any more). */
typedef void dead_moved_fn(void *arg, enum ledger_outcome, bool found);
/* revive: into the stream again, addressed to this service, and out of the dead
 * letters, in one script. Not repeatable: AWAY may hide that it happened. */
void dead_revive(struct ledger *, const char *service, struct text dead_id, dead_moved_fn *,
                 void *arg);
void dead_drop(struct ledger *, const char *service, struct text dead_id, dead_moved_fn *,
               void *arg);
