#include "forward/courier.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/memory.h"
#include "forward/attempt.h"
#include "forward/judgement.h"
#include "forward/order.h"
#include "forward/pace.h"
#include "forward/signer.h"
#include "forward/tally.h"
#include "forward/verdict.h"

enum {
    /* How much longer than an attempt a lease holds: time to settle. */
    LEASE_SPARE_MS = 5000,
    /* A take is answered in less, or an attempt could outlast its lease: this process was frozen.
     */
    START_IN_MS = LEASE_SPARE_MS - 1000,
    LEDGER_DEADLINE_MS = 30000,
    /* A result is worth waiting for: unsettled, the event would be sent again. */
    SETTLE_DEADLINE_MS = 600000,
    AFTER_TROUBLE_MS = 1000,
    LOOK_AT_HOLD_MS = 3000, /* whether what holds a service back is over, before its time */
    AFTER_DUE_MS = 2, /* the settle is on its way: by Redis' clock it comes due a little later */
};

/* What it asks of the ledger: one thing at a time. */
enum courier_state {
    COURIER_CLOSED, /* nothing, until it is opened */
    COURIER_HEALING,
    COURIER_TAKING,
    COURIER_RESTING, /* nothing; the bell, a due time or a free slot wakes it */
    COURIER_LEAVING, /* stopped: an ordered service is given up, so that another may own it */
};

struct courier {
    const struct courier_house *house;
    const struct config_service *service;
    const struct config_service *next; /* of another edition, when the ledger has answered */
    struct signer *signer;
    struct tally tally;
    struct pace pace;
    struct order *order; /* NULL where events go as they come */
    enum courier_state state;
    bool stopped;
    bool heal_wanted;   /* before the next take */
    bool take_wanted;   /* woken while busy or without a free slot */
    bool drained;       /* the last take came to the end of the stream */
    bool retry_waits;   /* something is due, and found no slot for retries */
    int64_t held_to_ms; /* steady time: the ledger hands out nothing before; 0: it does */
    struct string place;
    struct loop_timer *due;
    int64_t due_at_ms;             /* steady time, while the timer is set */
    LIST_HEAD(, attempt) attempts; /* sent or being settled: each holds a slot */
    size_t in_flight, retries;     /* of these, made before */
};

static void follow_order(struct courier *courier, const struct config_service *service) {
    if (courier->order && order_wanted(service)) {
        order_change(courier->order, service);
    } else if (order_wanted(service)) {
        courier->order = order_create(courier->house->metrics, service);
    } else if (courier->order) {
        order_forget(courier->order);
        order_destroy(courier->order);
        courier->order = NULL;
    }
}

/* Here it takes over what it needs of an edition. */
static void follow(struct courier *courier, const struct config_service *service) {
    courier->service = service;
    courier->next = NULL;
    signer_destroy(courier->signer);
    courier->signer = signer_create(service);
    courier->tally.service = service->name;
    pace_limit(&courier->pace, service->concurrency, service->rate, clock_steady_ms());
    tally_pace(&courier->tally, &courier->pace);
    follow_order(courier, service);
}

static void on_due(void *arg) {
    struct courier *courier = arg;
    courier->held_to_ms = 0;
    courier_wake(courier);
}

struct courier *courier_create(const struct courier_house *house,
                               const struct config_service *service) {
    struct courier *courier = memory_new(sizeof *courier);
    courier->house = house;
    tally_init(&courier->tally, house->metrics, service->name);
    pace_init(&courier->pace, service->concurrency, service->rate, clock_steady_ms());
    follow(courier, service);
    courier->due = loop_timer_create(house->loop, on_due, courier);
    LIST_INIT(&courier->attempts);
    return courier;
}

static void count_attempts(struct courier *courier, const struct attempt *attempt, int change) {
    courier->in_flight += (size_t)change;
    courier->retries += attempt->failed ? (size_t)change : 0;
    metric_set(courier->tally.in_flight, (int64_t)courier->in_flight);
}

static void add_attempt(struct courier *courier, struct attempt *attempt) {
    attempt->courier = courier;
    LIST_INSERT_HEAD(&courier->attempts, attempt, attempts);
    count_attempts(courier, attempt, 1);
}

static void end_attempt(struct attempt *attempt) {
    LIST_REMOVE(attempt, attempts);
    count_attempts(attempt->courier, attempt, -1);
    attempt_destroy(attempt);
}

void courier_destroy(struct courier *courier) {
    if (!courier)
        return;
    while (!LIST_EMPTY(&courier->attempts))
        end_attempt(LIST_FIRST(&courier->attempts));
    loop_timer_destroy(courier->due);
    signer_destroy(courier->signer);
    order_destroy(courier->order);
    string_finish(&courier->place);
    free(courier);
}

static size_t free_slots(struct courier *courier) {
    return pace_slots(&courier->pace, courier->in_flight, courier->retries, clock_steady_ms());
}

struct text courier_place(const struct courier *courier) {
    return string_text(&courier->place);
}

struct text courier_waits_at(const struct courier *courier) {
    bool waits = courier->state == COURIER_RESTING && !courier->stopped && courier->drained &&
                 !courier->take_wanted &&
                 pace_room(&courier->pace, courier->in_flight, courier->retries) > 0;
    return waits ? string_text(&courier->place) : (struct text){0};
}

bool courier_done(const struct courier *courier) {
    /* While Redis is away a take has not been sent: nothing is handed out by it. */
    bool asks = courier->state == COURIER_TAKING || courier->state == COURIER_LEAVING;
    bool waits = asks && ledger_connected(courier->house->ledger);
    return courier->stopped && !waits && courier->in_flight == 0;
}

bool courier_idle(const struct courier *courier) {
    bool asks = courier->state != COURIER_CLOSED && courier->state != COURIER_RESTING;
    return courier->stopped && !asks && courier->in_flight == 0;
}

const char *courier_name(const struct courier *courier) {
    return courier->service->name;
}

static bool is_of(const struct config *config, const struct config_service *service) {
    for (size_t i = 0; i < config->service_count; i++)
        if (service == &config->services[i])
            return true;
    return false;
}

bool courier_holds(const struct courier *courier, const struct config *config) {
    const struct attempt *attempt;
    LIST_FOREACH (attempt, &courier->attempts, attempts)
        if (is_of(config, attempt->service))
            return true;
    return is_of(config, courier->service) || is_of(config, courier->next);
}

/* The timer only ever moves nearer: a look too many costs one call, one too few an event's time. */
static void look_again_in(struct courier *courier, int64_t delay_ms) {
    int64_t at_ms = clock_steady_ms() + delay_ms;
    if (loop_timer_is_set(courier->due) && courier->due_at_ms <= at_ms)
        return;
    courier->due_at_ms = at_ms;
    loop_timer_set(courier->due, delay_ms);
}

static bool is_held(const struct courier *courier) {
    return courier->held_to_ms > clock_steady_ms();
}

static void wake_soon(struct courier *courier) {
    courier->take_wanted = true;
    if (!is_held(courier))
        look_again_in(courier, 0);
}

static size_t retry_slots(struct courier *courier) {
    return pace_retry_slots(&courier->pace, free_slots(courier), courier->retries);
}

static struct order_slots order_slots(struct courier *courier) {
    return (struct order_slots){
        .free = free_slots(courier),
        .retries = retry_slots(courier),
        .probe = courier->pace.open,
        .now_ms = clock_steady_ms(),
    };
}

static bool lanes_are_ready(struct courier *courier) {
    if (!courier->order)
        return false;
    struct order_slots slots = order_slots(courier);
    return order_ready(courier->order, &slots);
}

static bool flies_besides(const struct courier *courier, struct text stream_id,
                          const struct attempt *this) {
    const struct attempt *attempt;
    LIST_FOREACH (attempt, &courier->attempts, attempts)
        if (attempt != this && text_equal(attempt->event.stream_id, stream_id))
            return true;
    return false;
}

static bool flies(void *arg, struct text stream_id) {
    return flies_besides(arg, stream_id, NULL);
}

/* Settle */

static void go_on(struct courier *);

static void note_settled(struct courier *courier, const struct attempt *attempt,
                         enum moves_settled settled) {
    /* Where there is another attempt at it, that one says what becomes of it. */
    if (courier->order && !flies_besides(courier, attempt->event.stream_id, attempt))
        order_settled(courier->order, attempt, settled, clock_steady_ms());
}

static void on_settled(void *arg, enum moves_settled settled) {
    struct attempt *attempt = arg;
    struct courier *courier = attempt->courier;
    tally_settled(&courier->tally, attempt, settled);
    if (attempt->probe) /* the next one's time is another now */
        courier->held_to_ms = 0;
    note_settled(courier, attempt, settled);
    end_attempt(attempt);
    if (courier->stopped && courier->state == COURIER_RESTING)
        go_on(courier);
    else if (courier->stopped)
        courier->house->on_rest(courier->house->arg);
    if (courier->stopped || courier->state != COURIER_RESTING)
        return;
    if (settled == MOVES_UNSETTLED) {
        /* The next one would be sent as much in vain. */
        look_again_in(courier, AFTER_TROUBLE_MS);
        return;
    }
    /* At the stream's end with nothing due a take would find nothing: the bell rings when it would.
     * Else in the next turn, with all the slots that are settled in this one. */
    if (!courier->drained || courier->take_wanted || courier->retry_waits ||
        lanes_are_ready(courier))
        wake_soon(courier);
    else
        courier->house->on_rest(courier->house->arg);
}

/* Where the mark in its lane changes. */
static struct text lane_of(const struct attempt *attempt) {
    bool ends_mark = attempt->move == MOVES_DONE && attempt->after_dead;
    return text_of(ends_mark || attempt->move == MOVES_BURY ? attempt->lane : NULL);
}

static void settle(struct attempt *attempt, const struct judgement *judgement) {
    const struct verdict *verdict = &judgement->verdict;
    attempt_forget_body(attempt);
    attempt->move = verdict->move;
    attempt->again_at_ms = clock_steady_ms() + verdict->delay_ms + AFTER_DUE_MS;
    moves_settle(attempt->courier->house->ledger,
                 &(struct moves_settle){
                     .service = attempt->courier->service->name,
                     .stream_id = attempt->event.stream_id,
                     .lease = attempt->lease,
                     .event_id = attempt->event.id,
                     .lane = lane_of(attempt),
                     .revived = attempt->event.to.size > 0,
                     .verdict = verdict->move,
                     .delay_ms = verdict->delay_ms,
                     .hold_ms = verdict->hold_ms,
                     .breaker = judgement->breaker,
                     .probe_in_ms = judgement->probe_in_ms,
                     .reason = verdict->reason,
                     .status = judgement->status,
                     .took_ms = judgement->took_ms,
                     .deadline_ms = SETTLE_DEADLINE_MS,
                 },
                 on_settled, attempt);
}

static void on_answered(void *arg, const struct http_result *result) {
    struct attempt *attempt = arg;
    struct courier *courier = attempt->courier;
    if (result->outcome == HTTP_STOPPED)
        return;
    struct judgement judgement = judgement_of(attempt, result, &courier->pace, &courier->tally);
    settle(attempt, &judgement);
    if (judgement.verdict.move == MOVES_DEFER)
        look_again_in(courier, judgement.verdict.delay_ms + AFTER_DUE_MS);
}

/* Take */

static char *copy_or_null(struct text text) {
    return text.size ? text_copy(text) : NULL;
}

static void note_lane(struct attempt *attempt, const struct order *order) {
    attempt->lane = copy_or_null(order_lane(order, attempt->event.stream_id));
    attempt->after_dead = copy_or_null(order_dead_before(order, attempt->event.stream_id));
}

static void start_attempt(struct courier *courier, const struct moves_haul *haul, size_t i) {
    struct attempt *attempt = attempt_create(&haul->taken[i], haul->now_ms);
    attempt->service = courier->service;
    if (courier->order)
        note_lane(attempt, courier->order);
    attempt->probe = haul->probe;
    attempt->round = pace_start(&courier->pace);
    add_attempt(courier, attempt);
    if (attempt_sendable(attempt)) {
        attempt_send(attempt, courier->service, courier->signer, courier->house->client,
                     on_answered);
        return;
    }
    struct judgement judgement = judgement_of_no_event(attempt, &courier->tally);
    settle(attempt, &judgement);
}

static void heal(struct courier *);
static void take(struct courier *);

static bool take_is_of_use(struct courier *courier) {
    struct order_slots slots = order_slots(courier);
    return courier->order ? order_wants(courier->order, &slots) : slots.free > 0;
}

/* Where only `rate` stands in the way, it comes back when that lets it. */
static bool may_take(struct courier *courier) {
    if (take_is_of_use(courier))
        return true;
    int64_t wait_ms = pace_wait_ms(&courier->pace, clock_steady_ms());
    if (wait_ms)
        look_again_in(courier, wait_ms);
    if (courier->order)
        look_again_in(courier, order_wait_ms(courier->order, clock_steady_ms()));
    return false;
}

static void on_released(void *arg, enum ledger_outcome outcome) {
    struct courier *courier = arg;
    (void)outcome; /* where it was not to be had, its time runs out */
    courier->state = COURIER_RESTING;
    go_on(courier);
}

/* With nothing in flight: whoever comes next may try everything at once. */
static void leave(struct courier *courier) {
    courier->state = COURIER_LEAVING;
    moves_release(courier->house->ledger, courier->service->name, order_owner(courier->order),
                  LEDGER_DEADLINE_MS, on_released, courier);
    order_forget(courier->order);
}

static bool may_leave(const struct courier *courier) {
    return courier->in_flight == 0 && courier->order && order_owner(courier->order);
}

/* The one way from a finished call to the next: heal before take, and rest when nothing is wanted.
 */
static void go_on(struct courier *courier) {
    courier->state = COURIER_RESTING;
    if (courier->next)
        follow(courier, courier->next);
    if (courier->stopped && may_leave(courier))
        leave(courier);
    else if (courier->stopped)
        courier->house->on_rest(courier->house->arg);
    else if (courier->heal_wanted)
        heal(courier);
    else if (courier->take_wanted && !is_held(courier) && may_take(courier))
        take(courier);
    else
        courier->house->on_rest(courier->house->arg);
}

static void note_haul(struct courier *courier, const struct moves_haul *haul) {
    tally_haul(&courier->tally, haul);
    pace_told(&courier->pace, haul->breaker_open, haul->breaker_probes);
    tally_pace(&courier->tally, &courier->pace);
    string_clear(&courier->place);
    string_add(&courier->place, haul->place);
}

/* Another forwarder's probe, or a person, may end it sooner than it was told. */
static void note_hold(struct courier *courier, int64_t held_for_ms) {
    bool owns = courier->order && order_owner(courier->order);
    int64_t most_ms = owns ? ORDER_RENEW_MS : LOOK_AT_HOLD_MS;
    int64_t look_ms = held_for_ms < most_ms ? held_for_ms : most_ms;
    courier->held_to_ms = clock_steady_ms() + look_ms;
    loop_timer_cancel(courier->due);
    look_again_in(courier, look_ms);
}

static void note_due(struct courier *courier, const struct moves_haul *haul) {
    /* Due, but without a slot: its time is when another retry is settled. */
    courier->retry_waits = haul->next_due_in_ms == 0 && retry_slots(courier) == 0;
    if (haul->next_due_in_ms >= 0 && !courier->retry_waits)
        look_again_in(courier, haul->next_due_in_ms);
}

static void note_lanes(struct courier *courier) {
    courier->take_wanted = courier->take_wanted || lanes_are_ready(courier);
    look_again_in(courier, order_wait_ms(courier->order, clock_steady_ms()));
}

static void on_taken(void *arg, const struct moves_haul *haul) {
    struct courier *courier = arg;
    if (haul->outcome != LEDGER_DONE) {
        if (courier->order) /* it may have been handed something all the same */
            order_doubt(courier->order);
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
    if (courier->order)
        order_told(courier->order, haul, flies, courier, clock_steady_ms());
    for (size_t i = 0; i < haul->count; i++)
        start_attempt(courier, haul, i);
    courier->drained = !haul->more && !haul->held_for_ms;
    courier->take_wanted = courier->take_wanted || haul->more;
    if (courier->order)
        note_lanes(courier);
    else
        note_due(courier, haul);
    if (haul->held_for_ms)
        note_hold(courier, haul->held_for_ms);
    go_on(courier);
}

static void take(struct courier *courier) {
    struct moves_take what = {
        .service = courier->service,
        .slots = pace_at_once(&courier->pace, free_slots(courier)),
        .retry_slots = retry_slots(courier),
        .lease_ms = courier->service->timeout_ms + LEASE_SPARE_MS,
        .start_in_ms = START_IN_MS,
        .owed_most_ms = courier->house->owed_most_ms,
        .deadline_ms = LEDGER_DEADLINE_MS,
    };
    courier->take_wanted = false;
    courier->state = COURIER_TAKING;
    if (courier->order) {
        struct order_slots slots = order_slots(courier);
        what.order = order_ask(courier->order, &slots, &what.slots);
    }
    moves_take(courier->house->ledger, &what, on_taken, courier);
}

void courier_wake(struct courier *courier) {
    courier->take_wanted = true;
    if (courier->state == COURIER_RESTING && !is_held(courier))
        go_on(courier);
}

static void on_healed(void *arg, const struct moves_healed *healed) {
    struct courier *courier = arg;
    tally_healed(&courier->tally, healed);
    if (healed->outcome != LEDGER_DONE) {
        courier->state = COURIER_CLOSED;
        courier->house->on_lost(courier->house->arg);
        return;
    }
    if (courier->order && (healed->group_made || healed->put_back || healed->made_due))
        order_doubt(courier->order);
    go_on(courier);
}

/* The longest that a settled attempt puts the next one off. */
static int64_t due_most_ms(const struct config_service *service) {
    return service->retry_most_ms > VERDICT_MOST_PAUSE_MS ? service->retry_most_ms
                                                          : VERDICT_MOST_PAUSE_MS;
}

static void heal(struct courier *courier) {
    const struct config_service *service = courier->service;
    courier->heal_wanted = false;
    courier->take_wanted = true;
    courier->state = COURIER_HEALING;
    moves_heal(courier->house->ledger,
               &(struct moves_heal){
                   .service = service->name,
                   .lease_ms = service->timeout_ms + LEASE_SPARE_MS,
                   .due_most_ms = due_most_ms(service),
                   .deadline_ms = LEDGER_DEADLINE_MS,
               },
               on_healed, courier);
}

void courier_open(struct courier *courier) {
    if (courier->order)
        order_doubt(courier->order);
    courier_heal(courier);
}

void courier_heal(struct courier *courier) {
    courier->heal_wanted = true;
    if (courier->state == COURIER_CLOSED || courier->state == COURIER_RESTING)
        go_on(courier);
}

void courier_stop(struct courier *courier) {
    courier->stopped = true;
    loop_timer_cancel(courier->due);
    if (courier->state == COURIER_RESTING && may_leave(courier))
        go_on(courier);
}

/* A take under way is finished by the edition that asked: its lease goes by that one's time-out,
 * and what it hands out by that one's filter. */
void courier_change(struct courier *courier, const struct config_service *service) {
    courier->stopped = false;
    courier->next = service;
    if (courier->state == COURIER_CLOSED || courier->state == COURIER_RESTING)
        follow(courier, service);
}
