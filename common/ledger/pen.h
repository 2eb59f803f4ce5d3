/* The pen: what was answered 2xx and is no event yet. */
#pragma once
#include "ledger/ledger.h"

struct pen_entry {
    struct text pen_id; /* its place in the pen */
    struct text endpoint, reason, signature, body;
    int64_t received_ms;
};
struct pen_page { /* borrowed until the callback returns */
    enum ledger_outcome outcome;
    const struct pen_entry *items;
    size_t count;
    bool more;
};
typedef void pen_page_fn(void *arg, const struct pen_page *);
/* Up to `most` after a pen id ("0-0" is before the first), and about a mebibyte. */
void pen_after(struct ledger *, struct text after, size_t most, pen_page_fn *, void *arg);

/* These leave the pen; some may have gone before. `went`: of each, in order, whether it stood there
 * until now; borrowed until the callback returns, and none where the outcome is not DONE. */
typedef void pen_removed_fn(void *arg, enum ledger_outcome, const bool *went);
void pen_remove(struct ledger *, const struct text *pen_ids, size_t count, pen_removed_fn *,
                void *arg);
