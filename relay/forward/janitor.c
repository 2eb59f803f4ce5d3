#include "forward/janitor.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "ledger/upkeep.h"

enum {
    ROUND_MS = 15000,
    SOON_MS = 1000, /* while Redis is short of room, or could not be asked */
    DEADLINE_MS = 30000,
};

/* How full Redis is, of its maxmemory. At FULL what nobody is owed any more goes before its time:
 * history is worth less than the next event. */
enum janitor_fill { JANITOR_FINE, JANITOR_NEAR, JANITOR_FULL };
enum { FINE_PERCENT = 75, NEAR_PERCENT = 80, FULL_PERCENT = 90 };

struct janitor {
    struct ledger *ledger;
    const struct config *config;
    struct loop_timer *round;
    bool started;
    enum janitor_fill fill;
    int64_t refusals; /* as Redis last told; -1: it was not asked yet */
    bool told_evicts, told_refused;
    char *held_by; /* the group that keeps what is past its time; NULL: none does */
    struct metric *trimmed, *dead_trimmed, *events, *held, *used, *limit;
};

static const struct metric_family trimmed_family = {
    "kula_relay_trimmed_total", METRIC_COUNTER, "Events trimmed from the stream.", {NULL}};
static const struct metric_family dead_trimmed_family = {"kula_relay_dead_trimmed_total",
                                                         METRIC_COUNTER,
                                                         "Dead letters older than retention.dead.",
                                                         {NULL}};
static const struct metric_family events_family = {
    "kula_relay_stream_events", METRIC_GAUGE, "Events that stand in the stream.", {NULL}};
static const struct metric_family held_family = {
    "kula_relay_trim_held",
    METRIC_GAUGE,
    "Whether what a service is owed, or a foreign group, keeps what is past its time.",
    {NULL}};
static const struct metric_family used_family = {
    "kula_relay_redis_memory_used_bytes", METRIC_GAUGE, "Redis' used_memory.", {NULL}};
static const struct metric_family limit_family = {"kula_relay_redis_memory_limit_bytes",
                                                  METRIC_GAUGE,
                                                  "Redis' maxmemory; 0: none, or we may not ask.",
                                                  {NULL}};

static void on_round(void *);

struct janitor *janitor_create(struct loop *loop, struct ledger *ledger, struct metrics *metrics,
                               const struct config *config) {
    struct janitor *janitor = memory_new(sizeof *janitor);
    *janitor = (struct janitor){
        .ledger = ledger,
        .config = config,
        .refusals = -1,
        .round = loop_timer_create(loop, on_round, janitor),
        .trimmed = metrics_series(metrics, &trimmed_family, NULL, NULL),
        .dead_trimmed = metrics_series(metrics, &dead_trimmed_family, NULL, NULL),
        .events = metrics_series(metrics, &events_family, NULL, NULL),
        .held = metrics_series(metrics, &held_family, NULL, NULL),
        .used = metrics_series(metrics, &used_family, NULL, NULL),
        .limit = metrics_series(metrics, &limit_family, NULL, NULL),
    };
    return janitor;
}

void janitor_destroy(struct janitor *janitor) {
    if (!janitor)
        return;
    loop_timer_destroy(janitor->round);
    free(janitor->held_by);
    free(janitor);
}

void janitor_start(struct janitor *janitor) {
    if (janitor->started)
        return;
    janitor->started = true;
    loop_timer_set(janitor->round, 0);
}

void janitor_change(struct janitor *janitor, const struct config *config) {
    janitor->config = config;
    if (loop_timer_is_set(janitor->round)) /* else a round is under way, or it has not started */
        loop_timer_set(janitor->round, 0);
}

static void rest(struct janitor *janitor, enum ledger_outcome outcome) {
    bool soon = outcome != LEDGER_DONE || janitor->fill != JANITOR_FINE;
    loop_timer_set(janitor->round, soon ? SOON_MS : ROUND_MS);
}

/* Trim */

static void tell_held(struct janitor *janitor, const struct upkeep_trimmed *trimmed) {
    struct text was = text_of(janitor->held_by);
    metric_set(janitor->held, trimmed->held_by.size > 0);
    if (text_equal(trimmed->held_by, was))
        return;
    if (trimmed->held_by.size)
        log_warning("the stream is not trimmed, for this group has not had what is past its time "
                    "group=%.*s age_ms=%" PRId64 " events=%" PRId64,
                    TEXT_ARG(trimmed->held_by), trimmed->held_for_ms, trimmed->length);
    else
        log_info("the stream is trimmed again");
    free(janitor->held_by);
    janitor->held_by = trimmed->held_by.size ? text_copy(trimmed->held_by) : NULL;
}

static void on_trimmed(void *arg, const struct upkeep_trimmed *trimmed) {
    struct janitor *janitor = arg;
    if (trimmed->outcome != LEDGER_DONE) {
        rest(janitor, trimmed->outcome);
        return;
    }
    metric_add(janitor->trimmed, trimmed->removed);
    metric_add(janitor->dead_trimmed, trimmed->dead_removed);
    metric_set(janitor->events, trimmed->length);
    if (janitor->fill !=
        JANITOR_FULL) /* else nothing is too young, and what is owed always holds */
        tell_held(janitor, trimmed);
    if (trimmed->dead_removed)
        log_warning("dead letters are gone for good, they were older than "
                    "forward.retention.dead dead_letters=%" PRId64,
                    trimmed->dead_removed);
    for (size_t i = 0; i < trimmed->passed_count; i++)
        log_warning("a foreign group was passed over, what it had not had is trimmed group=%.*s",
                    TEXT_ARG(trimmed->passed[i]));
    if (trimmed->more)
        loop_timer_set(janitor->round, 0);
    else
        rest(janitor, LEDGER_DONE);
}

/* Memory */

/* Somebody was refused since the last look. Of a small maxmemory the buffers of those who write
 * take a good part, and are free again when Redis is asked how full it is. */
static bool refuses(struct janitor *janitor, const struct upkeep_redis *memory) {
    bool more = janitor->refusals >= 0 && memory->refusals > janitor->refusals;
    janitor->refusals = memory->refusals;
    return more;
}

/* Each state is left a step below where it began, so that none flickers. */
static enum janitor_fill fill_of(enum janitor_fill was, bool refuses,
                                 const struct upkeep_redis *memory) {
    if (!memory->limit_bytes)
        return JANITOR_FINE;
    if (refuses)
        return JANITOR_FULL;
    int64_t percent = memory->used_bytes * 100 / memory->limit_bytes;
    if (percent >= (was == JANITOR_FULL ? NEAR_PERCENT : FULL_PERCENT))
        return JANITOR_FULL;
    return percent >= (was == JANITOR_FINE ? NEAR_PERCENT : FINE_PERCENT) ? JANITOR_NEAR
                                                                          : JANITOR_FINE;
}

static void tell_fill(struct janitor *janitor, const struct upkeep_redis *memory) {
    enum janitor_fill fill = fill_of(janitor->fill, refuses(janitor, memory), memory);
    if (fill == janitor->fill)
        return;
    janitor->fill = fill;
    switch (fill) {
    case JANITOR_FINE:
        log_info("redis has room again used_bytes=%" PRId64 " maxmemory=%" PRId64,
                 memory->used_bytes, memory->limit_bytes);
        return;
    case JANITOR_NEAR:
        log_warning("redis is near its memory limit used_bytes=%" PRId64 " maxmemory=%" PRId64,
                    memory->used_bytes, memory->limit_bytes);
        return;
    case JANITOR_FULL:
        log_error("redis is nearly full: what no service is owed is trimmed before its time, and "
                  "what comes in waits in the spool used_bytes=%" PRId64 " maxmemory=%" PRId64,
                  memory->used_bytes, memory->limit_bytes);
        return;
    }
}

static void tell_once(bool *told, bool wrong, const char *sentence) {
    if (wrong && !*told)
        log_warning("cannot rely on redis' memory reason=%s", sentence);
    *told = wrong;
}

static void on_memory(void *arg, const struct upkeep_redis *memory) {
    struct janitor *janitor = arg;
    if (memory->outcome == LEDGER_AWAY) {
        rest(janitor, memory->outcome);
        return;
    }
    metric_set(janitor->used, memory->used_bytes);
    metric_set(janitor->limit, memory->limit_bytes);
    tell_once(
        &janitor->told_refused, memory->outcome == LEDGER_REFUSED,
        "INFO is not allowed to this user, so nobody says when it is nearly full: give it +info");
    tell_once(&janitor->told_evicts, memory->evicts,
              "at its limit it throws keys away, events too: set maxmemory-policy noeviction");
    tell_fill(janitor, memory);
    int64_t keep_ms = janitor->fill == JANITOR_FULL ? 0 : janitor->config->retention.events_ms;
    upkeep_trim(janitor->ledger, janitor->config, keep_ms, DEADLINE_MS, on_trimmed, janitor);
}

/* Memory first: how full it is decides what is kept. */
static void on_round(void *arg) {
    struct janitor *janitor = arg;
    upkeep_look_at_redis(janitor->ledger, DEADLINE_MS, on_memory, janitor);
}
