#include "watch/reconcile.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "ledger/browse.h"

enum {
    /* Kula's last attempt comes 27 hours after the first, and it is looked once a day: so each
     * event that it gives up on is told. */
    TOLD_FOR_MS = 3 * 24 * 60 * 60 * 1000,
    PAGES_MOST = 10, /* each is a request of the account's */
    LINES_MOST = 100,
};

struct reconcile {
    struct reconcile_needs needs;
    const char *webhook;
    int64_t page;
    struct kula_answer *logs; /* of that page; owned */
    size_t at;                /* of these, is being looked for */
    size_t missed;
    reconcile_done_fn *fn;
    void *arg;
};

static void finish(struct reconcile *reconcile, bool whole) {
    struct kula_answer *last = reconcile->logs;
    reconcile->logs = NULL;
    if (reconcile->missed)
        log_error("events missed that Kula gave up on, see: kula-relay webhook missed endpoint=%s "
                  "id=%s count=%zu",
                  reconcile->needs.endpoint, reconcile->webhook, reconcile->missed);
    reconcile->fn(reconcile->arg, last, whole);
    kula_answer_destroy(last);
}

/* What Kula does not date is as good as new. What is older than the ledger's memory may have been
 * there all the same. */
static bool is_recent(const struct reconcile *reconcile, const struct kula_log *log) {
    int64_t created_s = kula_log_created_s(log);
    int64_t age_ms = created_s < 0 ? 0 : clock_wall_ms() - created_s * 1000;
    return age_ms < TOLD_FOR_MS && age_ms < reconcile->needs.dedup_window_ms;
}

static bool is_looked_for(const struct reconcile *reconcile, const struct kula_log *log) {
    return is_recent(reconcile, log) && !kula_log_is_ping(log);
}

static void tell_missed(struct reconcile *reconcile, const struct kula_log *log) {
    if (reconcile->missed++ < LINES_MOST)
        log_error("event missed endpoint=%s event=%.*s type=%.*s created=%.*s",
                  reconcile->needs.endpoint, TEXT_ARG(log->event_id), TEXT_ARG(log->event),
                  TEXT_ARG(log->created_at));
}

static void look_on(struct reconcile *);

static void on_remembers(void *arg, enum ledger_outcome outcome, bool remembered) {
    struct reconcile *reconcile = arg;
    if (outcome != LEDGER_DONE) {
        finish(reconcile, false);
        return;
    }
    if (!remembered)
        tell_missed(reconcile, &reconcile->logs->logs[reconcile->at]);
    reconcile->at++;
    look_on(reconcile);
}

static void on_logs(void *arg, struct kula_answer **place) {
    struct reconcile *reconcile = arg;
    kula_answer_destroy(reconcile->logs);
    reconcile->logs = *place;
    *place = NULL;
    reconcile->at = 0;
    if (reconcile->logs->outcome == KULA_DONE)
        look_on(reconcile);
    else
        finish(reconcile, false);
}

static void read_page(struct reconcile *reconcile) {
    static const struct kula_api_filter filter = {.status = "failed"};
    reconcile->page++;
    kula_api_logs(reconcile->needs.api, reconcile->webhook, &filter, reconcile->page, on_logs,
                  reconcile);
}

/* The newest come first: those of the other pages may be as recent as the last one here. */
static void come_to_end(struct reconcile *reconcile) {
    const struct kula_answer *logs = reconcile->logs;
    if (logs->more && logs->log_count && is_recent(reconcile, &logs->logs[logs->log_count - 1]))
        log_warning("Kula gave up on more than is looked at, see: kula-relay webhook missed "
                    "endpoint=%s id=%s looked_at=%d",
                    reconcile->needs.endpoint, reconcile->webhook, PAGES_MOST * KULA_API_PAGE);
    finish(reconcile, true);
}

static void look_on(struct reconcile *reconcile) {
    const struct kula_answer *logs = reconcile->logs;
    while (reconcile->at < logs->log_count && !is_looked_for(reconcile, &logs->logs[reconcile->at]))
        reconcile->at++;
    if (reconcile->at < logs->log_count)
        browse_remembers(reconcile->needs.ledger, reconcile->needs.endpoint,
                         logs->logs[reconcile->at].event_id, on_remembers, reconcile);
    else if (logs->more && reconcile->page < PAGES_MOST)
        read_page(reconcile);
    else
        come_to_end(reconcile);
}

void reconcile_start(struct reconcile *reconcile, const char *webhook, reconcile_done_fn *fn,
                     void *arg) {
    reconcile->webhook = webhook;
    reconcile->page = 0;
    reconcile->missed = 0;
    reconcile->fn = fn;
    reconcile->arg = arg;
    read_page(reconcile);
}

struct reconcile *reconcile_create(const struct reconcile_needs *needs) {
    struct reconcile *reconcile = memory_new(sizeof *reconcile);
    reconcile->needs = *needs;
    return reconcile;
}

void reconcile_destroy(struct reconcile *reconcile) {
    if (!reconcile)
        return;
    kula_answer_destroy(reconcile->logs);
    free(reconcile);
}
