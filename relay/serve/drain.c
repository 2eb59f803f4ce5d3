#include "serve/drain.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

enum {
    BATCHES_AT_ONCE = 4,
    /* From one batch to the next under load, but for full ones: what Redis pays for an event falls
     * with the number of them in a batch. */
    GATHER_MS = 10,
    DEADLINE_MS = 10000,
    LOOK_EVERY_MS = 15000,
    AFTER_TROUBLE_MS = 500,
    /* Between Redis having an event and our having heard so, at the most. */
    HEARD_MS = 60000,
};

enum drain_state {
    DRAIN_ASKING,  /* what does the ledger have? */
    DRAIN_FLOWING, /* batches go out behind what it has */
    DRAIN_TURNING, /* a batch failed: when the others are back, it is asked */
};

struct drain {
    struct ledger *ledger;
    struct spool *spool;
    struct metric *resyncs;
    enum drain_state state;
    uint64_t confirmed; /* the last record that the ledger has */
    uint64_t sent;      /* the last record on the way to it */
    uint64_t looked_at; /* confirmed, when the look on the way was asked for */
    bool looking;
    unsigned batches;             /* on the way */
    bool in_trouble;              /* and it was said */
    bool unreadable;              /* at the last try nothing came out of the spool */
    int64_t sent_at_ms;           /* steady */
    struct drain *ahead, *behind; /* whom it follows, who follows it; NULL: nobody */
    struct loop_timer *look, *again, *gather;
};

static void flow(struct drain *);

static void say_trouble(struct drain *drain, struct text trouble) {
    if (!drain->in_trouble)
        log_warning("spool waits for redis spool=%s undrained=%" PRIu64 " reason=%.*s",
                    spool_id(drain->spool), spool_last(drain->spool) - drain->confirmed,
                    TEXT_ARG(trouble));
    drain->in_trouble = true;
}

static void say_no_trouble(struct drain *drain) {
    if (drain->in_trouble)
        log_info("spool drains again spool=%s undrained=%" PRIu64, spool_id(drain->spool),
                 spool_last(drain->spool) - drain->confirmed);
    drain->in_trouble = false;
}

/* ---- Whose turn is it? ---- */

/* So far as is known, it has what comes before all of those that follow it. One that cannot be read
 * is let pass: a bad disk would stand in everybody's way. */
static bool is_in_the_way(const struct drain *drain) {
    bool through = drain->state == DRAIN_FLOWING && drain->confirmed >= spool_last(drain->spool);
    return !through && !drain->unreadable;
}

/* NULL: it is its turn. */
static const struct drain *in_its_way(const struct drain *drain) {
    const struct drain *ahead = drain->ahead;
    while (ahead && !is_in_the_way(ahead))
        ahead = ahead->ahead;
    return ahead;
}

/* ---- What does the ledger have? ---- */

/* Nothing of it is left that could be appended again. */
static bool is_gone(const struct drain *drain) {
    return spool_removed(drain->spool) >= spool_last(drain->spool);
}

static void tell_what_is_forgotten(const struct drain *drain, uint64_t last) {
    uint64_t removed = spool_removed(drain->spool);
    if (!is_gone(drain)) {
        metric_add(drain->resyncs, 1);
        log_warning("redis forgot records, appending them again spool=%s from=%" PRIu64
                    " to=%" PRIu64,
                    spool_id(drain->spool), last + 1, drain->confirmed);
    }
    if (removed > last)
        log_error("records that redis forgot are no longer in the spool spool=%s from=%" PRIu64
                  " to=%" PRIu64,
                  spool_id(drain->spool), last + 1, removed);
}

static void go_back(struct drain *drain, uint64_t last) {
    if (last < drain->confirmed)
        tell_what_is_forgotten(drain, last);
    /* One that is gone would wait for ever for records that nobody can read, or remove. */
    drain->confirmed = drain->sent = is_gone(drain) ? spool_last(drain->spool) : last;
    spool_drained(drain->spool, drain->confirmed);
}

static void on_looked(void *arg, const struct ledger_look *look) {
    struct drain *drain = arg;
    drain->looking = false;
    loop_timer_set(drain->look, LOOK_EVERY_MS);
    if (look->outcome != LEDGER_DONE) {
        say_trouble(drain, look->outcome == LEDGER_REFUSED ? ledger_refusal(drain->ledger)
                                                           : ledger_trouble(drain->ledger));
        loop_timer_set(drain->again, AFTER_TROUBLE_MS);
        return;
    }
    spool_hold(drain->spool, clock_wall_ms() - look->owed_ms - HEARD_MS);
    if (drain->state == DRAIN_ASKING) {
        go_back(drain, look->last);
        drain->state = DRAIN_FLOWING;
    } else if (drain->state == DRAIN_FLOWING && look->last < drain->looked_at && !is_gone(drain)) {
        drain->state = DRAIN_TURNING;
    }
    /* Where something waits, only a batch says whether Redis takes it. */
    if (drain->confirmed >= spool_last(drain->spool))
        say_no_trouble(drain);
    flow(drain);
}

static void look(struct drain *drain) {
    if (drain->looking)
        return;
    drain->looking = true;
    drain->looked_at = drain->confirmed;
    ledger_look_at_spool(drain->ledger, spool_id(drain->spool), DEADLINE_MS, on_looked, drain);
}

static void ask(struct drain *drain) {
    drain->state = DRAIN_ASKING;
    look(drain);
}

static void on_look_due(void *arg) {
    look(arg);
}

/* ---- Batches ---- */

struct ledger_item drain_item(const struct record *record) {
    return (struct ledger_item){
        .event =
            {
                .id = record->id,
                .type = record->type,
                .endpoint = record->endpoint,
                .account = record->account,
                .created = record->created,
                .trace = record->trace,
                .body = record->body,
                .received_ms = record->received_ms,
            },
        .window_ms = record->window_ms,
        .pen = record->kind == RECORD_PEN,
        .reason = record->reason,
        .signature = record->signature,
    };
}

static void turn(struct drain *drain) {
    drain->state = DRAIN_TURNING;
    if (drain->batches == 0)
        loop_timer_set(drain->again, AFTER_TROUBLE_MS);
}

static void on_batched(void *arg, const struct ledger_batched *batched) {
    struct drain *drain = arg;
    drain->batches--;
    if (batched->outcome != LEDGER_DONE) {
        say_trouble(drain, batched->trouble);
        turn(drain);
        return;
    }
    if (drain->state != DRAIN_FLOWING || !batched->follows) {
        /* Those behind it do not follow either: when they are back, it is asked. */
        drain->state = DRAIN_TURNING;
        flow(drain);
        return;
    }
    say_no_trouble(drain);
    drain->confirmed = batched->last;
    spool_drained(drain->spool, drain->confirmed);
    flow(drain);
}

static bool send_batch(struct drain *drain) {
    struct record records[LEDGER_BATCH_ITEMS];
    struct ledger_item items[LEDGER_BATCH_ITEMS];
    int count =
        spool_read(drain->spool, drain->sent, records, LEDGER_BATCH_ITEMS, LEDGER_BATCH_BYTES);
    drain->unreadable = count <= 0;
    if (count < 0)
        turn(drain);
    if (count <= 0)
        return false;
    for (int i = 0; i < count; i++)
        items[i] = drain_item(&records[i]);
    uint64_t after = drain->sent;
    drain->sent = records[count - 1].sequence;
    drain->sent_at_ms = clock_steady_ms();
    drain->batches++;
    ledger_append_batch(drain->ledger,
                        &(struct ledger_batch){
                            .spool = spool_id(drain->spool),
                            .after = after,
                            .last = drain->sent,
                            .items = items,
                            .count = (size_t)count,
                            .deadline_ms = DEADLINE_MS,
                        },
                        on_batched, drain);
    return true;
}

static bool is_time(struct drain *drain) {
    uint64_t waiting = spool_last(drain->spool) - drain->sent;
    int64_t left_ms = drain->sent_at_ms + GATHER_MS - clock_steady_ms();
    if (waiting == 0)
        return false;
    if (waiting >= LEDGER_BATCH_ITEMS || left_ms <= 0)
        return true;
    if (!loop_timer_is_set(drain->gather))
        loop_timer_set(drain->gather, left_ms);
    return false;
}

static void on_gathered(void *arg) {
    flow(arg);
}

static void send_batches(struct drain *drain) {
    while (drain->state == DRAIN_FLOWING && drain->batches < BATCHES_AT_ONCE && is_time(drain) &&
           send_batch(drain))
        continue;
}

/* And then those that waited for it only. */
static void flow(struct drain *drain) {
    if (drain->state == DRAIN_TURNING && drain->batches == 0 && !loop_timer_is_set(drain->again))
        ask(drain);
    if (in_its_way(drain))
        return;
    send_batches(drain);
    while (!is_in_the_way(drain) && drain->behind) {
        drain = drain->behind;
        send_batches(drain);
    }
}

static void on_again(void *arg) {
    struct drain *drain = arg;
    if (drain->batches == 0)
        ask(drain);
}

/* ---- Its life ---- */

struct drain *drain_create(struct loop *loop, struct ledger *ledger, struct spool *spool,
                           struct metric *resyncs) {
    struct drain *drain = memory_new(sizeof *drain);
    drain->ledger = ledger;
    drain->spool = spool;
    drain->resyncs = resyncs;
    drain->look = loop_timer_create(loop, on_look_due, drain);
    drain->again = loop_timer_create(loop, on_again, drain);
    drain->gather = loop_timer_create(loop, on_gathered, drain);
    ask(drain);
    return drain;
}

void drain_destroy(struct drain *drain) {
    if (!drain)
        return;
    if (drain->ahead)
        drain->ahead->behind = drain->behind;
    if (drain->behind)
        drain->behind->ahead = drain->ahead;
    loop_timer_destroy(drain->look);
    loop_timer_destroy(drain->again);
    loop_timer_destroy(drain->gather);
    free(drain);
}

void drain_follow(struct drain *drain, struct drain *ahead) {
    drain->ahead = ahead;
    ahead->behind = drain;
}

void drain_wake(struct drain *drain) {
    flow(drain);
}

void drain_again(struct drain *drain) {
    if (drain->state != DRAIN_FLOWING)
        return;
    drain->state = DRAIN_TURNING;
    flow(drain);
}

uint64_t drain_confirmed(const struct drain *drain) {
    return drain->confirmed;
}

struct spool *drain_spool(const struct drain *drain) {
    return drain->spool;
}

bool drain_waits_for_redis(const struct drain *drain) {
    bool in_trouble = drain->in_trouble;
    for (const struct drain *one = in_its_way(drain); one && !in_trouble; one = in_its_way(one))
        in_trouble = one->in_trouble;
    return in_trouble || !ledger_connected(drain->ledger);
}

bool drain_is_empty(const struct drain *drain) {
    return drain->state == DRAIN_FLOWING && drain->batches == 0 && !drain->looking &&
           drain->confirmed >= spool_last(drain->spool);
}
