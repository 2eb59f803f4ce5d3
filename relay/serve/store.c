#include "serve/store.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/memory.h"
#include "serve/drain.h"
#include "serve/spools.h"
#include "serve/unmatched.h"

/* However late it is, a Redis across the network has to be able to answer. */
enum { ASK_LEAST_MS = 250 };

/* A quarter of the spool at most is for what anybody can send. */
enum { SPOOL_SHARE_OF_UNMATCHED = 4 };

struct store {
    struct store_needs needs;
    struct unmatched unmatched; /* what may be penned of it */
    LIST_HEAD(putting_list, putting) puttings;
};

/* One record on its way, until all that were asked have spoken: that may be after
 * whoever put it was told. */
struct putting {
    LIST_ENTRY(putting) link;
    struct store *store;
    struct record record; /* its texts are there until somebody is told */
    int64_t until_ms;
    unsigned asked; /* spool and ledger, who have not spoken yet */
    bool ledger_asked;
    bool pen_full;               /* so said the ledger */
    struct string trouble;       /* this too */
    struct loop_timer *patience; /* with the spool, then until the deadline; NULL: no spool */
    store_fn *fn;                /* NULL: told */
    void *arg;
};

static bool is_unmatched(const struct record *record) {
    return record->kind == RECORD_PEN && text_is(record->reason, LEDGER_UNMATCHED);
}

/* NULL: there is none, or it cannot write. */
static struct spool *usable_spool(const struct store *store) {
    struct spool *spool = store->needs.spools ? spools_writing(store->needs.spools) : NULL;
    return spool && spool_writable(spool) ? spool : NULL;
}

/* ---- Telling ---- */

static void putting_destroy(struct putting *putting) {
    LIST_REMOVE(putting, link);
    loop_timer_destroy(putting->patience);
    string_finish(&putting->trouble);
    free(putting);
}

static store_fn *hush(struct putting *putting) {
    store_fn *fn = putting->fn;
    putting->fn = NULL;
    if (putting->patience)
        loop_timer_cancel(putting->patience);
    return fn;
}

static void tell(struct putting *putting, const struct stored *stored) {
    store_fn *fn = hush(putting);
    fn(putting->arg, stored);
}

static struct text trouble_of(const struct putting *putting) {
    struct text away = ledger_trouble(putting->store->needs.ledger);
    if (putting->trouble.size)
        return string_text(&putting->trouble);
    return away.size ? away : text_of("no answer in time");
}

static void tell_not_stored(struct putting *putting) {
    tell(putting, &(struct stored){
                      .outcome = putting->pen_full ? LEDGER_PEN_FULL : LEDGER_NOT_STORED,
                      .trouble = trouble_of(putting),
                  });
}

static void hear(struct putting *putting, const struct stored *stored) {
    bool yes = stored->outcome == LEDGER_STORED || stored->outcome == LEDGER_DUPLICATE;
    assert(putting->asked > 0);
    putting->asked--;
    if (putting->fn && yes)
        tell(putting, stored);
    else if (putting->fn && putting->asked == 0)
        tell_not_stored(putting);
    if (putting->asked == 0)
        putting_destroy(putting);
}

/* ---- Asking ---- */

static int64_t left_ms(const struct putting *putting) {
    int64_t left_ms = putting->until_ms - clock_steady_ms();
    return left_ms > ASK_LEAST_MS ? left_ms : ASK_LEAST_MS;
}

static void on_appended(void *arg, const struct ledger_appended *appended) {
    struct putting *putting = arg;
    putting->pen_full = appended->stored == LEDGER_PEN_FULL;
    string_add(&putting->trouble, appended->trouble);
    hear(putting, &(struct stored){
                      .outcome = appended->stored,
                      .where = "ledger",
                      .stream_id = appended->stream_id,
                  });
}

static void ask_ledger(struct putting *putting) {
    struct ledger_item item = drain_item(&putting->record);
    item.most = putting->store->unmatched.most;
    putting->asked++;
    putting->ledger_asked = true;
    ledger_append(putting->store->needs.ledger, &item, left_ms(putting), on_appended, putting);
}

/* The spool had its time, or cannot: from now on it is the deadline that counts. */
static void turn_to_ledger(struct putting *putting) {
    ask_ledger(putting);
    loop_timer_set(putting->patience, left_ms(putting));
}

/* Unknown is not stored: should it turn up later, Kula's next try is told as duplicate. */
static void on_spooled(void *arg, enum spool_put put) {
    struct putting *putting = arg;
    if (put != SPOOL_SYNCED && putting->fn && !putting->ledger_asked)
        turn_to_ledger(putting);
    hear(putting, &(struct stored){
                      .outcome = put == SPOOL_SYNCED ? LEDGER_STORED : LEDGER_NOT_STORED,
                      .where = "spool",
                  });
}

/* The disk takes long: ask the ledger too, and at the deadline wait for nobody. */
static void on_patience_over(void *arg) {
    struct putting *putting = arg;
    if (putting->ledger_asked)
        tell_not_stored(putting);
    else
        turn_to_ledger(putting);
}

static void ask_spool(struct putting *putting, struct spool *spool) {
    struct store *store = putting->store;
    struct record *record = &putting->record;
    int64_t patience_ms = left_ms(putting);
    putting->asked++;
    putting->patience = loop_timer_create(store->needs.loop, on_patience_over, putting);
    loop_timer_set(putting->patience,
                   patience_ms < SPOOL_PATIENCE_MS ? patience_ms : SPOOL_PATIENCE_MS);
    spool_put(spool, record, on_spooled, putting);
    if (is_unmatched(record))
        unmatched_put(&store->unmatched, record->sequence,
                      (int64_t)(record->signature.size + record->body.size));
}

void store_put(struct store *store, const struct record *record, int64_t until_ms, store_fn *fn,
               void *arg) {
    struct putting *putting = memory_new(sizeof *putting);
    struct spool *spool = usable_spool(store);
    putting->store = store;
    putting->record = *record;
    putting->until_ms = until_ms;
    putting->fn = fn;
    putting->arg = arg;
    LIST_INSERT_HEAD(&store->puttings, putting, link);
    if (spool)
        ask_spool(putting, spool);
    else
        ask_ledger(putting);
}

bool store_has_room(struct store *store, const struct record *record) {
    struct unmatched_elsewhere elsewhere;
    if (!is_unmatched(record) || !usable_spool(store))
        return true; /* without a spool the ledger says so itself */
    elsewhere.left_behind = spools_left_behind(store->needs.spools);
    elsewhere.ledger_known = ledger_pen_holds(store->needs.ledger, &elsewhere.ledger);
    unmatched_drained(&store->unmatched, spools_confirmed(store->needs.spools));
    return unmatched_fits(&store->unmatched, &elsewhere,
                          (int64_t)(record->signature.size + record->body.size));
}

/* ---- Its life ---- */

struct store *store_create(const struct store_needs *needs, const struct config *config) {
    struct store *store = memory_new(sizeof *store);
    store->needs = *needs;
    LIST_INIT(&store->puttings);
    unmatched_init(&store->unmatched);
    store->unmatched.spool_bytes = config->spool_max_bytes / SPOOL_SHARE_OF_UNMATCHED;
    store_set_pen(store, config);
    return store;
}

void store_set_pen(struct store *store, const struct config *config) {
    store->unmatched.most = (struct ledger_pen){config->pen_max_events, config->pen_max_bytes};
}

void store_close(struct store *store) {
    struct putting *putting;
    LIST_FOREACH (putting, &store->puttings, link)
        hush(putting);
}

void store_destroy(struct store *store) {
    if (!store)
        return;
    while (!LIST_EMPTY(&store->puttings))
        putting_destroy(LIST_FIRST(&store->puttings));
    unmatched_finish(&store->unmatched);
    free(store);
}
