#include "serve/spools.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "serve/drain.h"

enum {
    TEND_MS = 1000, /* how often it is seen whether one is done with, or can be made at last */
    LOOK_ROUND_MS = 10000, /* how often for those whose process has gone */
    SAY_AGAIN_MS = 60000,  /* of what may go on for hours */
};

struct spools {
    struct spools_needs needs;
    struct drain **drains; /* of the oldest spool first; of the written one, once there is one, last
                            */
    size_t count;
    struct spool *writing; /* NULL: it could not be made yet */
    bool complained;
    struct loop_timer *tend;
    struct loop_timer *look_round;
    struct spool_search *search;
    struct string cannot_adopt; /* why, as it was last said */
    struct metric *resyncs;
    struct spool_figures gone; /* of those that are done with: counters do not fall */
    int64_t owed_said;         /* how many had gone when that was last in the log */
    int64_t say_owed_at_ms;    /* not before; steady */
};

enum {
    DEPTH,
    DEPTH_BYTES,
    OLDEST,
    BYTES,
    WRITABLE,
    SYNCS,
    SYNC_TIME,
    DAMAGED,
    DAMAGED_BYTES,
    FAILURES,
    OWED_LET_GO,
    LEFT,
    FIGURES
};

static const struct metric_family families[FIGURES] = {
    [DEPTH] = {"kula_relay_spool_undrained_records", METRIC_GAUGE,
               "Records on disk that the ledger does not have yet."},
    [DEPTH_BYTES] = {"kula_relay_spool_undrained_bytes", METRIC_GAUGE,
                     "Bytes of records that the ledger does not have yet."},
    [OLDEST] = {"kula_relay_spool_oldest_undrained_timestamp_seconds", METRIC_GAUGE,
                "When the oldest of them was received; 0 where there is none."},
    [BYTES] = {"kula_relay_spool_bytes", METRIC_GAUGE, "Bytes that the spools take on disk."},
    [WRITABLE] = {"kula_relay_spool_writable", METRIC_GAUGE,
                  "1 while deliveries are written to the spool, 0 while a 2xx waits for Redis."},
    [SYNCS] = {"kula_relay_spool_syncs_total", METRIC_COUNTER, "Syncs of the spool to disk."},
    [SYNC_TIME] = {"kula_relay_spool_sync_seconds_total", METRIC_COUNTER_MS,
                   "Time that syncs took, all together."},
    [DAMAGED] = {"kula_relay_spool_damaged_records_total", METRIC_COUNTER,
                 "Records that could not be read back."},
    [DAMAGED_BYTES] = {"kula_relay_spool_damaged_bytes_total", METRIC_COUNTER,
                       "Bytes that could not be read back; they are kept aside."},
    [FAILURES] = {"kula_relay_spool_write_failures_total", METRIC_COUNTER,
                  "Writes and syncs that failed."},
    [OWED_LET_GO] = {"kula_relay_spool_owed_let_go_records_total", METRIC_COUNTER,
                     "Records that a service may still be owed and that Redis alone has since, "
                     "because there was no room to keep them."},
    [LEFT] = {"kula_relay_spool_left_behind", METRIC_GAUGE,
              "Spools of earlier starts that are not done with yet."},
};
static const struct metric_family resyncs_family = {
    "kula_relay_spool_resyncs_total", METRIC_COUNTER,
    "How often Redis was found to have forgotten records, which were appended again."};

/* Of the written one, for the others have all they will ever have when their drains begin. */
static void on_readable(void *arg) {
    struct spools *spools = arg;
    if (spools->writing)
        drain_wake(spools->drains[spools->count - 1]);
}

static void on_writable(void *arg, bool writable) {
    struct spools *spools = arg;
    if (!spools->writing) /* one of those that are only drained */
        return;
    if (writable)
        log_info("spool is written again spool=%s", spool_id(spools->writing));
    else
        log_error("spool cannot be written, a 2xx waits for redis spool=%s reason=%.*s",
                  spool_id(spools->writing), TEXT_ARG(spool_trouble(spools->writing)));
}

static bool is_written(const struct spools *spools) {
    return spools->needs.config->durability == CONFIG_DURABILITY_SPOOL;
}

static struct spool_options options_of(struct spools *spools) {
    const struct config *config = spools->needs.config;
    return (struct spool_options){
        .directory = config->spool_directory,
        .max_bytes = config->spool_max_bytes,
        .keep_ms = config->spool_keep_ms,
        .on_readable = on_readable,
        .on_state = on_writable,
        .arg = spools,
    };
}

/* The written one stays the last, and each follows the one before it: so a start on a backlog turns
 * nothing round. */
static void add_drain(struct spools *spools, struct spool *spool) {
    struct drain *drain =
        drain_create(spools->needs.loop, spools->needs.ledger, spool, spools->resyncs);
    size_t at = spools->count++;
    spools->drains = memory_resize(spools->drains, spools->count * sizeof(struct drain *));
    for (; at > 0 && spool != spools->writing &&
           drain_spool(spools->drains[at - 1]) == spools->writing;
         at--)
        spools->drains[at] = spools->drains[at - 1];
    spools->drains[at] = drain;
    if (at > 0)
        drain_follow(drain, spools->drains[at - 1]);
    if (at + 1 < spools->count)
        drain_follow(spools->drains[at + 1], drain);
}

static void add_adopted(struct spools *spools, struct spool **adopted, int count) {
    for (int i = 0; i < count; i++)
        add_drain(spools, adopted[i]);
}

static bool adopt(struct spools *spools, struct string *why) {
    struct spool_options options = options_of(spools);
    struct spool **adopted;
    int count = spool_adopt(spools->needs.loop, &options, &adopted, why);
    add_adopted(spools, adopted, count);
    free(adopted);
    return count >= 0;
}

/* Beside us another one may have stopped while Redis was away, or been killed, and not come back.
 */
static void on_look_round(void *arg) {
    struct spools *spools = arg;
    spool_search(spools->search);
    loop_timer_set(spools->look_round, LOOK_ROUND_MS);
}

static void on_found(void *arg, struct spool **adopted, int count, struct text trouble) {
    struct spools *spools = arg;
    add_adopted(spools, adopted, count);
    if (trouble.size && !text_equal(trouble, string_text(&spools->cannot_adopt)))
        log_error("spool cannot be adopted reason=%.*s", TEXT_ARG(trouble));
    string_clear(&spools->cannot_adopt);
    string_add(&spools->cannot_adopt, trouble);
}

static int64_t bytes_of_others(const struct spools *spools) {
    int64_t bytes = 0;
    for (size_t i = 0; i < spools->count; i++) {
        struct spool_figures figures;
        spool_figures(drain_spool(spools->drains[i]), &figures);
        if (drain_spool(spools->drains[i]) != spools->writing)
            bytes += figures.bytes;
    }
    return bytes;
}

/* A folder that cannot be written is no reason to turn deliveries away: it is said, and tried
 * again. */
static void make_writing(struct spools *spools) {
    struct spool_options options = options_of(spools);
    options.others_bytes = bytes_of_others(spools);
    struct string why = {0};
    spools->writing = spool_create(spools->needs.loop, &options, &why);
    if (spools->writing) {
        log_info("spool opened spool=%s directory=%s", spool_id(spools->writing),
                 options.directory);
        add_drain(spools, spools->writing);
    } else if (!spools->complained) {
        log_error("spool cannot be made, a 2xx waits for redis reason=%s", why.data);
    }
    spools->complained = !spools->writing;
    string_finish(&why);
}

static void add_figures(const struct spool *spool, struct spool_figures *sum) {
    struct spool_figures figures;
    spool_figures(spool, &figures);
    sum->undrained += figures.undrained;
    sum->undrained_bytes += figures.undrained_bytes;
    sum->bytes += figures.bytes;
    sum->syncs += figures.syncs;
    sum->sync_ms_total += figures.sync_ms_total;
    sum->damaged_records += figures.damaged_records;
    sum->damaged_bytes += figures.damaged_bytes;
    sum->write_failures += figures.write_failures;
    sum->owed_let_go += figures.owed_let_go;
    if (figures.oldest_undrained_ms &&
        (!sum->oldest_undrained_ms || figures.oldest_undrained_ms < sum->oldest_undrained_ms))
        sum->oldest_undrained_ms = figures.oldest_undrained_ms;
}

static struct spool_figures sum_up(const struct spools *spools) {
    struct spool_figures sum = spools->gone;
    for (size_t i = 0; i < spools->count; i++)
        add_figures(drain_spool(spools->drains[i]), &sum);
    return sum;
}

/* Left by an earlier start, and the ledger was asked and has all of it. */
static bool is_settled(const struct spools *spools, const struct drain *drain) {
    return drain_spool(drain) != spools->writing && drain_is_empty(drain);
}

static void forget(struct spools *spools, size_t i) {
    drain_destroy(spools->drains[i]);
    spools->count--;
    for (; i < spools->count; i++)
        spools->drains[i] = spools->drains[i + 1];
}

/* Later than asked: a thread removes it, and the disk may be slow. */
static void remove_one(struct spools *spools, size_t i) {
    struct spool *spool = drain_spool(spools->drains[i]);
    struct spool_figures gone = spools->gone;
    char *id = text_copy(text_of(spool_id(spool)));
    add_figures(spool, &gone);
    if (spool_remove(&spool)) {
        log_info("spool is done with spool=%s", id);
        gone.undrained = 0;
        gone.bytes = gone.undrained_bytes = gone.oldest_undrained_ms = 0;
        spools->gone = gone;
        forget(spools, i);
    }
    free(id);
}

/* One at a time: each is a thread. */
static void remove_done(struct spools *spools) {
    for (size_t i = 0; i < spools->count; i++) {
        if (!is_settled(spools, spools->drains[i]) ||
            !spool_is_done(drain_spool(spools->drains[i])))
            continue;
        remove_one(spools, i);
        return;
    }
}

static int64_t let_go(struct spools *spools, int64_t bytes, enum spool_goes goes) {
    int64_t gone = 0;
    for (size_t i = 0; i < spools->count && gone < bytes; i++)
        if (is_settled(spools, spools->drains[i]))
            gone += spool_let_go(drain_spool(spools->drains[i]), bytes - gone, goes);
    return gone;
}

/* max_size is for all of them together. Of what earlier starts left, the oldest goes before
 * anything is refused: what is only kept, and only then what a service may be owed, for Redis has
 * that too. What is not in the ledger stays, whatever happens. */
static void make_room(struct spools *spools) {
    int64_t bytes = spool_shortage(spools->writing);
    bytes -= let_go(spools, bytes, SPOOL_KEPT);
    let_go(spools, bytes, SPOOL_OWED);
    spool_share(spools->writing, bytes_of_others(spools));
}

static void say_what_went(struct spools *spools) {
    int64_t records = sum_up(spools).owed_let_go - spools->owed_said, now_ms = clock_steady_ms();
    if (!records || now_ms < spools->say_owed_at_ms)
        return;
    log_warning("spool has no room for all that services may be owed, redis alone has the oldest "
                "now: raise serve.spool.max_size or free the disk, and see kula-relay service list "
                "records=%" PRId64 " directory=%s",
                records, spools->needs.config->spool_directory);
    spools->owed_said += records;
    spools->say_owed_at_ms = now_ms + SAY_AGAIN_MS;
}

static void on_tend(void *arg) {
    struct spools *spools = arg;
    if (spools->writing)
        make_room(spools);
    say_what_went(spools);
    remove_done(spools);
    if (!spools->writing && is_written(spools))
        make_writing(spools);
    loop_timer_set(spools->tend, TEND_MS);
}

struct spools *spools_create(const struct spools_needs *needs, struct string *why) {
    struct spools *spools = memory_new(sizeof *spools);
    spools->needs = *needs;
    spools->tend = loop_timer_create(needs->loop, on_tend, spools);
    spools->resyncs = metrics_series(needs->metrics, &resyncs_family, NULL, NULL);
    spools->look_round = loop_timer_create(needs->loop, on_look_round, spools);
    struct spool_options options = options_of(spools);
    spools->search = spool_search_create(needs->loop, &options, on_found);
    if (!adopt(spools, why)) {
        spools_destroy(spools);
        return NULL;
    }
    if (is_written(spools))
        make_writing(spools);
    loop_timer_set(spools->tend, TEND_MS);
    loop_timer_set(spools->look_round, LOOK_ROUND_MS);
    return spools;
}

void spools_destroy(struct spools *spools) {
    if (!spools)
        return;
    spool_search_destroy(spools->search);
    for (size_t i = 0; i < spools->count; i++) {
        struct spool *spool = drain_spool(spools->drains[i]);
        drain_destroy(spools->drains[i]);
        spool_destroy(spool);
    }
    free(spools->drains);
    loop_timer_destroy(spools->tend);
    loop_timer_destroy(spools->look_round);
    string_finish(&spools->cannot_adopt);
    free(spools);
}

struct spool *spools_writing(const struct spools *spools) {
    return spools->writing;
}

void spools_on_ledger(struct spools *spools) {
    for (size_t i = 0; i < spools->count; i++)
        drain_again(spools->drains[i]);
}

bool spools_work(const struct spools *spools) {
    return !is_written(spools) || (spools->writing && spool_writable(spools->writing));
}

bool spools_are_quiet(const struct spools *spools) {
    for (size_t i = 0; i < spools->count; i++)
        if (!drain_is_empty(spools->drains[i]) && !drain_waits_for_redis(spools->drains[i]))
            return false;
    return true;
}

uint64_t spools_confirmed(const struct spools *spools) {
    return spools->writing ? drain_confirmed(spools->drains[spools->count - 1]) : 0;
}

struct ledger_pen spools_left_behind(const struct spools *spools) {
    struct ledger_pen left = {0};
    for (size_t i = 0; i < spools->count; i++) {
        struct spool_figures figures;
        if (drain_spool(spools->drains[i]) == spools->writing)
            continue;
        spool_figures(drain_spool(spools->drains[i]), &figures);
        left.events += (int64_t)figures.undrained;
        left.bytes += figures.undrained_bytes;
    }
    return left;
}

uint64_t spools_undrained(const struct spools *spools) {
    return sum_up(spools).undrained;
}

void spools_count(struct spools *spools) {
    struct spool_figures sum = sum_up(spools);
    const int64_t values[FIGURES] = {
        [DEPTH] = (int64_t)sum.undrained,
        [DEPTH_BYTES] = sum.undrained_bytes,
        [OLDEST] = sum.oldest_undrained_ms / 1000,
        [BYTES] = sum.bytes,
        [WRITABLE] = spools->writing && spool_writable(spools->writing),
        [SYNCS] = sum.syncs,
        [SYNC_TIME] = sum.sync_ms_total,
        [DAMAGED] = sum.damaged_records,
        [DAMAGED_BYTES] = sum.damaged_bytes,
        [FAILURES] = sum.write_failures,
        [OWED_LET_GO] = sum.owed_let_go,
        [LEFT] = (int64_t)(spools->count - (spools->writing != NULL)),
    };
    for (size_t i = 0; i < FIGURES; i++) {
        if (i == WRITABLE && !is_written(spools))
            continue; /* a 0 is an alarm */
        struct metric *series = metrics_series(spools->needs.metrics, &families[i], NULL, NULL);
        if (families[i].kind == METRIC_GAUGE)
            metric_set(series, values[i]);
        else
            metric_add(series, values[i] - metric_value(series));
    }
}
