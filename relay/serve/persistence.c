#include "serve/persistence.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "ledger/upkeep.h"

enum { ROUND_MS = 60000, DEADLINE_MS = 10000 };

static const char why[] = "Redis keeps nothing on its disk: set appendonly yes there, or give "
                          "serve a spool (durability: spool)";

struct persistence {
    struct persistence_needs needs;
    struct loop_timer *round;
    enum { PERSISTENCE_UNKNOWN, PERSISTENCE_KEPT, PERSISTENCE_LACKING } state;
    bool was_kept; /* at some time since the start */
    bool told_refused;
};

static const struct metric_family appends_family = {
    "kula_relay_redis_appends",
    METRIC_GAUGE,
    "1 where Redis appends what it is told to a file, 0 where a restart of it forgets.",
    {NULL}};

static void note_kept(struct persistence *persistence) {
    if (persistence->state == PERSISTENCE_LACKING)
        log_info("redis keeps what it is told again");
    persistence->state = PERSISTENCE_KEPT;
    persistence->was_kept = true;
}

/* What was accepted before stands in a Redis that forgets, and what comes now is no better off
 * anywhere else: so only a start is refused. */
static void note_lacking(struct persistence *persistence) {
    bool news = persistence->state != PERSISTENCE_LACKING;
    persistence->state = PERSISTENCE_LACKING;
    if (!news)
        return;
    log_error("redis forgets at a restart what came since its last snapshot reason=%s",
              "its append-only file is off: set appendonly yes");
    if (persistence->needs.alone && !persistence->was_kept)
        persistence->needs.on_refused(persistence->needs.arg, why);
}

static void on_look(void *arg, const struct upkeep_redis *redis) {
    struct persistence *persistence = arg;
    loop_timer_set(persistence->round, ROUND_MS);
    if (redis->outcome == LEDGER_REFUSED && !persistence->told_refused) {
        persistence->told_refused = true;
        log_warning("cannot ask whether redis keeps what it is told reason=%s",
                    "INFO is not allowed to this user: give it +info");
    }
    if (redis->outcome != LEDGER_DONE)
        return;
    metric_set(metrics_series(persistence->needs.metrics, &appends_family, NULL, NULL),
               redis->appends);
    if (redis->appends)
        note_kept(persistence);
    else
        note_lacking(persistence);
}

static void look(void *arg) {
    struct persistence *persistence = arg;
    upkeep_look_at_redis(persistence->needs.ledger, DEADLINE_MS, on_look, persistence);
}

struct persistence *persistence_create(const struct persistence_needs *needs) {
    struct persistence *persistence = memory_new(sizeof *persistence);
    persistence->needs = *needs;
    persistence->round = loop_timer_create(needs->loop, look, persistence);
    return persistence;
}

void persistence_destroy(struct persistence *persistence) {
    if (!persistence)
        return;
    loop_timer_destroy(persistence->round);
    free(persistence);
}

void persistence_on_ledger(struct persistence *persistence) {
    loop_timer_cancel(persistence->round);
    look(persistence);
}

bool persistence_lacks(const struct persistence *persistence) {
    return persistence->state == PERSISTENCE_LACKING;
}
