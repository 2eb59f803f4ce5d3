#include "forward/order.h"

#include <stdlib.h>
#include <string.h>

#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "forward/lane_key.h"
#include "forward/lanes.h"

enum {
    /* A dead owner is replaced within five seconds: so long its word holds, and then somebody
       looks. */
    OWNER_MS = 3000,
    /* Events that wait, most of them behind others of their lanes: what is known of them is in
       memory. */
    MOST_IDLE = 10000,
    FULL_UNTIL = MOST_IDLE / 4 * 3, /* so far they have to go down before it is told once more */
    MISSED_ROUND_MS = 15000,
};

struct order {
    const struct config_service *service;
    struct lanes *lanes;
    char owner[MOVES_LEASE_DIGITS + 1];
    bool ours;
    bool doubted;
    bool putting; /* together: from what is owed, behind `after` */
    struct string after;
    struct moves_order asked;
    struct moves_head *heads; /* of `asked` */
    int64_t asked_ms;         /* steady, as all times here */
    int64_t missed_ms;        /* when something was owed that no lane knew */
    bool full;
    struct metric *owns, *waiting, *unkeyed;
};

static const struct metric_family owns_family = {
    "kula_relay_order_owner",
    METRIC_GAUGE,
    "Whether this process delivers an ordered service.",
    {"service"}};
static const struct metric_family waiting_family = {
    "kula_relay_order_waiting",
    METRIC_GAUGE,
    "Events of an ordered service that were read and are not being tried: behind another of their "
    "lane, or for later.",
    {"service"}};
static const struct metric_family unkeyed_family = {
    "kula_relay_order_unkeyed_total",
    METRIC_COUNTER,
    "Events of an ordered service that have nothing to keep them in order by.",
    {"service"}};

bool order_wanted(const struct config_service *service) {
    return service->order_by && strcmp(service->order_by, "none") != 0;
}

void order_forget(struct order *order) {
    order->ours = false;
    random_hex(order->owner, MOVES_LEASE_DIGITS);
    lanes_clear(order->lanes);
    order_doubt(order);
    metric_set(order->owns, 0);
    metric_set(order->waiting, 0);
}

void order_doubt(struct order *order) {
    order->doubted = true;
}

struct order *order_create(struct metrics *metrics, const struct config_service *service) {
    struct order *order = memory_new(sizeof *order);
    order->service = service;
    order->lanes = lanes_create();
    order->owns = metrics_series(metrics, &owns_family, service->name, NULL);
    order->waiting = metrics_series(metrics, &waiting_family, service->name, NULL);
    order->unkeyed = metrics_series(metrics, &unkeyed_family, service->name, NULL);
    order->asked_ms = -OWNER_MS;
    order->missed_ms = -MISSED_ROUND_MS;
    order_forget(order);
    return order;
}

void order_destroy(struct order *order) {
    if (!order)
        return;
    lanes_destroy(order->lanes);
    string_finish(&order->after);
    free(order->heads);
    free(order);
}

void order_change(struct order *order, const struct config_service *service) {
    if (strcmp(order->service->order_by, service->order_by) != 0)
        order_doubt(order);
    order->service = service;
}

const char *order_owner(const struct order *order) {
    return order->ours ? order->owner : NULL;
}

/* Ask */

/* Heads are kept in stock, so that a lane that ends does not wait for a read; no more than that. */
static size_t new_slots(struct order *order, const struct order_slots *slots) {
    size_t stock = 2 * (size_t)order->service->concurrency, idle = lanes_idle(order->lanes);
    if (slots->free == 0 || idle >= MOST_IDLE || lanes_new(order->lanes, slots->now_ms) >= stock)
        return 0;
    return order->putting || stock > MOST_IDLE - idle ? MOST_IDLE - idle : stock;
}

bool order_ready(struct order *order, const struct order_slots *slots) {
    return slots->free > 0 &&
           (lanes_new(order->lanes, slots->now_ms) > 0 ||
            (slots->retries > 0 && lanes_tried(order->lanes, slots->now_ms) > 0));
}

bool order_wants(struct order *order, const struct order_slots *slots) {
    bool renews = slots->now_ms - order->asked_ms >= ORDER_RENEW_MS;
    return !order->ours || renews || order->doubted || order_ready(order, slots) ||
           new_slots(order, slots) > 0;
}

static void note_place(struct order *order, struct text stream_id) {
    string_clear(&order->after);
    string_add(&order->after, stream_id);
}

static void begin_to_put(struct order *order) {
    lanes_clear(order->lanes);
    order->doubted = false;
    order->putting = true;
    note_place(order, text_of("0-0"));
}

const struct moves_order *order_ask(struct order *order, const struct order_slots *slots,
                                    size_t *new_most) {
    if (order->doubted)
        begin_to_put(order);
    /* Of a probe's one slot two may be the one: one that was tried, and one that was not. */
    size_t most = slots->probe && slots->free ? 2 : slots->free;
    order->heads = memory_resize(order->heads, (most + 1) * sizeof *order->heads);
    order->asked_ms = slots->now_ms;
    order->asked = (struct moves_order){
        .owner = order->owner,
        .owner_ms = OWNER_MS,
        .after = order->putting ? string_text(&order->after) : (struct text){0},
        .heads = order->heads,
        .head_count = lanes_ready(order->lanes, slots->now_ms, most, slots->retries, order->heads),
    };
    *new_most = new_slots(order, slots);
    return &order->asked;
}

int64_t order_wait_ms(struct order *order, int64_t now_ms) {
    int64_t renew_ms = order->asked_ms + ORDER_RENEW_MS - now_ms;
    int64_t later_ms = lanes_wait_ms(order->lanes, now_ms);
    int64_t wait_ms = later_ms >= 0 && later_ms < renew_ms ? later_ms : renew_ms;
    return wait_ms > 0 ? wait_ms : 0;
}

/* Told */

static void put(struct order *order, const struct moves_put *what, bool flies, int64_t now_ms) {
    struct string key = {0};
    struct text id = what->event.stream_id;
    if (!lane_key(order->service->order_by, &what->event, &key) && !order->putting)
        metric_add(order->unkeyed, 1);
    lanes_put(order->lanes, &(struct lanes_event){.id = id,
                                                  .key = string_text(&key),
                                                  .tried = what->tried,
                                                  .at_ms = now_ms + what->wait_ms});
    if (flies)
        lanes_start(order->lanes, id);
    if (order->putting)
        note_place(order, id);
    string_finish(&key);
}

static void note_not_tried(struct order *order, const struct moves_not_tried *head,
                           int64_t now_ms) {
    if (head->wait_ms >= 0) {
        lanes_defer(order->lanes, head->stream_id, false, now_ms + head->wait_ms);
        return;
    }
    if (head->dead.size)
        lanes_mark(order->lanes, lanes_key(order->lanes, head->stream_id), head->dead);
    lanes_end(order->lanes, head->stream_id);
}

static void note_owner(struct order *order, enum moves_owned owned) {
    if (owned == MOVES_OURS_ANEW)
        order_doubt(order);
    if (!order->ours)
        log_info("delivers in order service=%s order_by=%s owner=%s", order->service->name,
                 order->service->order_by, order->owner);
    order->ours = true;
    metric_set(order->owns, 1);
}

static void note_full(struct order *order) {
    size_t idle = lanes_idle(order->lanes);
    metric_set(order->waiting, (int64_t)idle);
    if (idle >= MOST_IDLE && !order->full) {
        order->full = true;
        log_warning("as many events wait behind others of their lanes as may: no more is read "
                    "service=%s waiting=%zu",
                    order->service->name, idle);
    } else if (idle < FULL_UNTIL && order->full) {
        order->full = false;
        log_info("lanes have room again service=%s waiting=%zu", order->service->name, idle);
    }
}

/* Somebody put back what was lost, or Redis knows again what it had forgotten. */
static void look_for_missed(struct order *order, const struct moves_haul *haul, int64_t now_ms) {
    bool missed = !order->putting && haul->owed > (int64_t)lanes_count(order->lanes);
    if (!missed || now_ms - order->missed_ms < MISSED_ROUND_MS)
        return;
    order->missed_ms = now_ms;
    order_doubt(order);
}

void order_told(struct order *order, const struct moves_haul *haul, order_flies_fn *flies,
                void *arg, int64_t now_ms) {
    if (haul->owned == MOVES_NOT_OURS) {
        if (order->ours) {
            log_warning("somebody else delivers in order now service=%s", order->service->name);
            order_forget(order);
        }
        return;
    }
    note_owner(order, haul->owned);
    for (size_t i = 0; i < haul->mark_count; i++)
        lanes_mark(order->lanes, haul->marks[i].lane, haul->marks[i].dead);
    for (size_t i = 0; i < haul->not_tried_count; i++)
        note_not_tried(order, &haul->not_tried[i], now_ms);
    for (size_t i = 0; i < haul->count; i++)
        lanes_start(order->lanes, haul->taken[i].event.stream_id);
    for (size_t i = 0; i < haul->put_count; i++)
        put(order, &haul->put[i], flies(arg, haul->put[i].event.stream_id), now_ms);
    order->putting = order->putting && !haul->all_is_put;
    note_full(order);
    look_for_missed(order, haul, now_ms);
}

/* Settle */

struct text order_lane(const struct order *order, struct text stream_id) {
    return lanes_key(order->lanes, stream_id);
}

struct text order_dead_before(const struct order *order, struct text stream_id) {
    return lanes_dead_before(order->lanes, stream_id);
}

static void end(struct order *order, const struct attempt *attempt) {
    struct text lane = text_of(attempt->lane);
    if (attempt->move == MOVES_BURY)
        lanes_mark(order->lanes, lane, attempt->event.id);
    else
        lanes_unmark(order->lanes, lane);
    lanes_end(order->lanes, attempt->event.stream_id);
}

void order_settled(struct order *order, const struct attempt *attempt, enum moves_settled settled,
                   int64_t now_ms) {
    struct text id = attempt->event.stream_id;
    bool ends = attempt->move == MOVES_DONE
                    ? settled != MOVES_UNSETTLED
                    : attempt->move == MOVES_BURY && settled == MOVES_SETTLED;
    if (ends)
        end(order, attempt);
    else if (settled == MOVES_SETTLED)
        lanes_defer(order->lanes, id, true, attempt->again_at_ms);
    else /* The ledger knows what became of it: asked soon, it says so. */
        lanes_defer(order->lanes, id, false, now_ms + ORDER_RENEW_MS);
}
