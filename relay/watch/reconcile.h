/* A reconciliation reads in Kula's log what it gave up on, and tells each event of the last days
 * that the ledger does not have. The log goes back for a month: `webhook missed` lists all of it.
 */
#pragma once
#include "kula_api/kula_api.h"
#include "ledger/ledger.h"

struct reconcile;

struct reconcile_needs { /* all borrowed for its life */
    struct kula_api *api;
    struct ledger *ledger;
    const char *endpoint;
    int64_t dedup_window_ms; /* so long the ledger knows what it had */
};

struct reconcile *reconcile_create(const struct reconcile_needs *);
void reconcile_destroy(struct reconcile *); /* nothing is in flight any more */

/* Kula's last answer, borrowed: other than DONE, the rest was not read. `whole`: it came to its
 * end, which may be that of its ten pages; false too where Redis did not say what it has. */
typedef void reconcile_done_fn(void *arg, const struct kula_answer *last, bool whole);
/* One at a time. The webhook's id is borrowed until it is done. */
void reconcile_start(struct reconcile *, const char *webhook, reconcile_done_fn *, void *arg);
