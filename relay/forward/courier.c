#include "forward/courier.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "forward/attempt.h"
#include "forward/signer.h"
#include "forward/verdict.h"

enum {
    /* How much longer than an attempt a lease holds: time to settle. */
    LEASE_SPARE_MS = 5000,
    LEDGER_DEADLINE_MS = 30000,
    /* A result is worth waiting for: unsettled, the event would be sent again. */
    SETTLE_DEADLINE_MS = 600000,
    AFTER_TROUBLE_MS = 1000,
    AFTER_DUE_MS = 2, /* the settle is on its way: by Redis' clock it comes due a little later */
};

/* What it asks of the ledger: one thing at a time. */
enum courier_state {
    COURIER_CLOSED, /* nothing, until it is opened */
    COURIER_HEALING,
    COURIER_TAKING,
    COURIER_RESTING, /* nothing; the bell, a due time or a free slot wakes it */
};

struct courier_series {
    struct metric *delivered, *again, *never;
    struct metric *taken, *filtered, *dropped, *healed;
    struct metric *settled, *lease_lost, *unsettled;
    struct metric *in_flight, *owed, *seconds;
};

struct courier {
    const struct courier_house *house;
    const struct config_service *service;
    struct signer *signer;
    struct courier_series series;
    enum courier_state state;
    bool stopped;
    bool heal_wanted; /* before the next take */
    bool take_wanted; /* woken while busy or without a free slot */
    bool drained;     /* the last take came to the end of the stream */
    struct string place;
    struct loop_timer *due;
    int64_t due_at_ms;             /* steady time, while the timer is set */
    LIST_HEAD(, attempt) attempts; /* sent or being settled: each holds a slot */
    size_t in_flight;
};

static const struct metric_family attempts_family = {"kula_relay_attempts_total",
                                                     METRIC_COUNTER,
                                                     "Attempts by what follows from them.",
                                                     {"service", "outcome"}};
static const struct metric_family taken_family = {
    "kula_relay_taken_total", METRIC_COUNTER, "Events handed out by the ledger.", {"service"}};
static const struct metric_family filtered_family = {"kula_relay_filtered_total",
                                                     METRIC_COUNTER,
                                                     "Events that the service does not want.",
                                                     {"service"}};
static const struct metric_family dropped_family = {
    "kula_relay_dropped_total",
    METRIC_COUNTER,
    "Owed events whose entry was gone from the stream: lost to the service.",
    {"service"}};
static const struct metric_family healed_family = {
    "kula_relay_healed_total",
    METRIC_COUNTER,
    "Owed events and groups that were put back where they belong.",
    {"service"}};
static const struct metric_family settled_family = {"kula_relay_settled_total",
                                                    METRIC_COUNTER,
                                                    "Settled attempts by what the ledger said.",
                                                    {"service", "result"}};
static const struct metric_family in_flight_family = {
    "kula_relay_attempts_in_flight", METRIC_GAUGE, "Attempts sent and not settled.", {"service"}};
static const struct metric_family owed_family = {
    "kula_relay_owed", METRIC_GAUGE, "Events owed at the last look.", {"service"}};
static const struct metric_family seconds_family = {"kula_relay_attempt_seconds",
                                                    METRIC_HISTOGRAM,
                                                    "From sending to the service's answer.",
                                                    {"service"}};

static struct courier_series make_series(struct metrics *metrics, const char *name) {
    return (struct courier_series){
        .delivered = metrics_series(metrics, &attempts_family, name, "delivered"),
        .again = metrics_series(metrics, &attempts_family, name, "again"),
        .never = metrics_series(metrics, &attempts_family, name, "never"),
        .taken = metrics_series(metrics, &taken_family, name, NULL),
        .filtered = metrics_series(metrics, &filtered_family, name, NULL),
        .dropped = metrics_series(metrics, &dropped_family, name, NULL),
        .healed = metrics_series(metrics, &healed_family, name, NULL),
        .settled = metrics_series(metrics, &settled_family, name, "settled"),
        .lease_lost = metrics_series(metrics, &settled_family, name, "lease_lost"),
        .unsettled = metrics_series(metrics, &settled_family, name, "unsettled"),
        .in_flight = metrics_series(metrics, &in_flight_family, name, NULL),
        .owed = metrics_series(metrics, &owed_family, name, NULL),
        .seconds = metrics_series(metrics, &seconds_family, name, NULL),
    };
}

static void on_due(void *arg) {
    courier_wake(arg);
}

struct courier *courier_create(const struct courier_house *house,
                               const struct config_service *service) {
    struct courier *courier = memory_new(sizeof *courier);
    courier->house = house;
    courier->service = service;
    courier->signer = signer_create(service);
    courier->series = make_series(house->metrics, service->name);
    courier->due = loop_timer_create(house->loop, on_due, courier);
    LIST_INIT(&courier->attempts);
    return courier;
}

static void add_attempt(struct courier *courier, struct attempt *attempt) {
    attempt->courier = courier;
    LIST_INSERT_HEAD(&courier->attempts, attempt, attempts);
    metric_set(courier->series.in_flight, (int64_t)++courier->in_flight);
}

static void end_attempt(struct attempt *attempt) {
    struct courier *courier = attempt->courier;
    LIST_REMOVE(attempt, attempts);
    metric_set(courier->series.in_flight, (int64_t)--courier->in_flight);
    attempt_destroy(attempt);
}

void courier_destroy(struct courier *courier) {
    if (!courier)
        return;
    while (!LIST_EMPTY(&courier->attempts))
        end_attempt(LIST_FIRST(&courier->attempts));
    loop_timer_destroy(courier->due);
    signer_destroy(courier->signer);
    string_finish(&courier->place);
    free(courier);
}

static size_t free_slots(const struct courier *courier) {
    return (size_t)courier->service->concurrency - courier->in_flight;
}

struct text courier_waits_at(const struct courier *courier) {
    bool waits = courier->state == COURIER_RESTING && !courier->stopped && courier->drained &&
                 free_slots(courier) > 0;
    return waits ? string_text(&courier->place) : (struct text){0};
}

bool courier_done(const struct courier *courier) {
    /* While Redis is away a take has not been sent: nothing is handed out by it. */
    bool handed_out = courier->state == COURIER_TAKING && ledger_connected(courier->house->ledger);
    return courier->stopped && !handed_out && courier->in_flight == 0;
}

/* The timer only ever moves nearer: a look too many costs one call, one too few an event's time. */
static void look_again_in(struct courier *courier, int64_t delay_ms) {
    int64_t at_ms = clock_steady_ms() + delay_ms;
    if (loop_timer_is_set(courier->due) && courier->due_at_ms <= at_ms)
        return;
    courier->due_at_ms = at_ms;
    loop_timer_set(courier->due, delay_ms);
}

/* Settle */

static void on_settled(void *arg, enum moves_settled settled) {
    struct attempt *attempt = arg;
    struct courier *courier = attempt->courier;
    switch (settled) {
    case MOVES_SETTLED:
        metric_add(courier->series.settled, 1);
        break;
    case MOVES_LEASE_LOST:
        metric_add(courier->series.lease_lost, 1);
        break;
    case MOVES_UNSETTLED:
        metric_add(courier->series.unsettled, 1);
        log_warning("attempt not settled, will be made again service=%s event=%.*s",
                    courier->service->name, TEXT_ARG(attempt->event.id));
        break;
    }
    end_attempt(attempt);
    if (courier->stopped)
        courier->house->on_rest(courier->house->arg);
    if (courier->stopped || courier->state != COURIER_RESTING)
        return;
    if (settled == MOVES_UNSETTLED) {
        /* The next one would be sent as much in vain. */
        look_again_in(courier, AFTER_TROUBLE_MS);
        return;
    }
    /* At the stream's end with nothing due a take would find nothing: the bell rings when it would.
     */
    if (!courier->drained || courier->take_wanted)
        courier_wake(courier);
    else
        courier->house->on_rest(courier->house->arg);
}

static void settle(struct attempt *attempt, const struct verdict *verdict, int status,
                   int64_t took_ms) {
    moves_settle(attempt->courier->house->ledger,
                 &(struct moves_settle){
                     .service = attempt->courier->service->name,
                     .stream_id = attempt->event.stream_id,
                     .lease = attempt->lease,
                     .event_id = attempt->event.id,
                     .revived = attempt->event.to.size > 0,
                     .verdict = verdict->move,
                     .delay_ms = verdict->delay_ms,
                     .hold_ms = verdict->hold_ms,
                     .reason = verdict->reason,
                     .status = status,
                     .took_ms = took_ms,
                     .deadline_ms = SETTLE_DEADLINE_MS,
                 },
                 on_settled, attempt);
}

/* Judge */

static void note_verdict(const struct attempt *attempt, const struct verdict *verdict, int status,
                         int64_t took_ms) {
    struct courier *courier = attempt->courier;
    const char *name = courier->service->name;
    struct text id = attempt->event.id, type = attempt->event.type;
    switch (verdict->move) {
    case MOVES_DONE:
        metric_add(courier->series.delivered, 1);
        log_info("delivered service=%s event=%.*s type=%.*s attempt=%u status=%d ms=%" PRId64, name,
                 TEXT_ARG(id), TEXT_ARG(type), attempt->failed + 1, status, took_ms);
        return;
    case MOVES_DEFER:
        metric_add(courier->series.again, 1);
        log_warning("attempt failed service=%s event=%.*s type=%.*s attempt=%u status=%d reason=%s "
                    "next_ms=%" PRId64,
                    name, TEXT_ARG(id), TEXT_ARG(type), attempt->failed + 1, status,
                    verdict->reason, verdict->delay_ms);
        return;
    case MOVES_BURY:
        metric_add(courier->series.never, 1);
        log_error("dead letter service=%s event=%.*s type=%.*s attempt=%u status=%d reason=%s",
                  name, TEXT_ARG(id), TEXT_ARG(type), attempt->failed + 1, status, verdict->reason);
        return;
    }
}

static void on_answered(void *arg, const struct http_result *result) {
    struct attempt *attempt = arg;
    struct courier *courier = attempt->courier;
    if (result->outcome == HTTP_STOPPED)
        return;
    struct verdict verdict =
        verdict_of(courier->service, &(struct verdict_case){
                                         .result = result,
                                         .failed = attempt->failed,
                                         .first_ms = attempt->first_ms,
                                         .now_ms = attempt->taken_ms + result->took_ms,
                                         .random = random_bits(),
                                     });
    metric_observe_ms(courier->series.seconds, result->took_ms);
    note_verdict(attempt, &verdict, result->status, result->took_ms);
    settle(attempt, &verdict, result->status, result->took_ms);
    if (verdict.move == MOVES_DEFER)
        look_again_in(courier, verdict.delay_ms + AFTER_DUE_MS);
}

/* Take */

static void start_attempt(struct courier *courier, const struct moves_taken *taken,
                          int64_t now_ms) {
    struct attempt *attempt = attempt_create(taken, now_ms);
    add_attempt(courier, attempt);
    if (attempt_sendable(attempt)) {
        attempt_send(attempt, courier->service, courier->signer, courier->house->client,
                     on_answered);
        return;
    }
    struct verdict verdict = {.move = MOVES_BURY,
                              .reason = "the entry is no event of ours: id or type is missing"};
    note_verdict(attempt, &verdict, 0, 0);
    settle(attempt, &verdict, 0, 0);
}

static void heal(struct courier *);
static void take(struct courier *);

/* The one way from a finished call to the next: heal before take, and rest when nothing is wanted.
 */
static void go_on(struct courier *courier) {
    courier->state = COURIER_RESTING;
    if (courier->stopped)
        courier->house->on_rest(courier->house->arg);
    else if (courier->heal_wanted)
        heal(courier);
    else if (courier->take_wanted && free_slots(courier) > 0)
        take(courier);
    else
        courier->house->on_rest(courier->house->arg);
}

static void note_haul(struct courier *courier, const struct moves_haul *haul) {
    const struct courier_series *series = &courier->series;
    metric_add(series->taken, (int64_t)haul->count);
    metric_add(series->filtered, haul->filtered);
    metric_add(series->dropped, haul->dropped);
    metric_set(series->owed, haul->owed);
    if (haul->dropped)
        log_error("owed events are gone from the stream service=%s dropped=%" PRId64,
                  courier->service->name, haul->dropped);
    string_clear(&courier->place);
    string_add(&courier->place, haul->place);
}

static void on_taken(void *arg, const struct moves_haul *haul) {
    struct courier *courier = arg;
    if (haul->outcome != LEDGER_DONE) {
        /* Its place is old now: the bell would ring at once, again and again. */
        courier->drained = false;
        look_again_in(courier, AFTER_TROUBLE_MS);
        go_on(courier);
        return;
    }
    if (haul->no_group) {
        courier->state = COURIER_CLOSED;
        courier->house->on_lost(courier->house->arg);
        return;
    }
    note_haul(courier, haul);
    /* Even when stopped meanwhile: they were handed to us, and nobody else gets them before the
     * lease ends. */
    for (size_t i = 0; i < haul->count; i++)
        start_attempt(courier, &haul->taken[i], haul->now_ms);
    if (haul->next_due_in_ms >= 0)
        look_again_in(courier, haul->next_due_in_ms);
    if (haul->held_for_ms)
        look_again_in(courier, haul->held_for_ms);
    courier->drained = !haul->more && !haul->held_for_ms;
    courier->take_wanted = courier->take_wanted || haul->more;
    go_on(courier);
}

static void take(struct courier *courier) {
    courier->take_wanted = false;
    courier->state = COURIER_TAKING;
    moves_take(courier->house->ledger,
               &(struct moves_take){
                   .service = courier->service,
                   .slots = free_slots(courier),
                   .lease_ms = courier->service->timeout_ms + LEASE_SPARE_MS,
                   .deadline_ms = LEDGER_DEADLINE_MS,
               },
               on_taken, courier);
}

void courier_wake(struct courier *courier) {
    courier->take_wanted = true;
    if (courier->state == COURIER_RESTING)
        go_on(courier);
}

static void on_healed(void *arg, const struct moves_healed *healed) {
    struct courier *courier = arg;
    if (healed->outcome != LEDGER_DONE) {
        courier->state = COURIER_CLOSED;
        courier->house->on_lost(courier->house->arg);
        return;
    }
    int64_t mended = healed->group_made + healed->put_back + healed->made_due;
    metric_add(courier->series.healed, mended);
    metric_add(courier->series.dropped, healed->dropped);
    if (mended || healed->dropped)
        log_warning("healed service=%s group_made=%s put_back=%" PRId64 " made_due=%" PRId64
                    " dropped=%" PRId64,
                    courier->service->name, healed->group_made ? "yes" : "no", healed->put_back,
                    healed->made_due, healed->dropped);
    go_on(courier);
}

static void heal(struct courier *courier) {
    courier->heal_wanted = false;
    courier->take_wanted = true;
    courier->state = COURIER_HEALING;
    moves_heal(courier->house->ledger, courier->service->name, LEDGER_DEADLINE_MS, on_healed,
               courier);
}

void courier_open(struct courier *courier) {
    courier->heal_wanted = true;
    if (courier->state == COURIER_CLOSED || courier->state == COURIER_RESTING)
        go_on(courier);
}

void courier_stop(struct courier *courier) {
    courier->stopped = true;
    loop_timer_cancel(courier->due);
}
