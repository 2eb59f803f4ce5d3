#include "ledger/moves.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/random.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum { MOST_TAKE_BYTES = 1 << 20 };

/* open */

struct done_op {
    struct op op;
    moves_done_fn *fn;
    void *arg;
};

static void on_open(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct done_op *open = arg;
    open->fn(open->arg, op_outcome(&open->op, "open", outcome, reply));
    op_end(&open->op);
}

static void add_start(struct command *command, const struct moves_start *start) {
    const struct config_service *service = start->service;
    if (start->place.size) {
        command_text(command, start->place);
        return;
    }
    switch (service->start) {
    case CONFIG_START_NOW:
        command_text_of(command, "now");
        break;
    case CONFIG_START_BEGINNING:
        command_text_of(command, "beginning");
        break;
    case CONFIG_START_AGO:
        command_number(command, service->start_ago_ms);
        break;
    }
}

void moves_open(struct ledger *ledger, const struct moves_start *starts, size_t count,
                int64_t deadline_ms, moves_done_fn *fn, void *arg) {
    struct command command = {.script = &script_open};
    command_key(&command, ledger, "about");
    command_key(&command, ledger, "places");
    command_key(&command, ledger, "events");
    for (size_t i = 0; i < count; i++)
        command_key_of(&command, ledger, "service", text_of(starts[i].service->name));
    command_text_of(&command, LEDGER_LAYOUT);
    for (size_t i = 0; i < count; i++) {
        command_text_of(&command, starts[i].service->name);
        add_start(&command, &starts[i]);
    }
    struct done_op *open = op_start(ledger, sizeof *open);
    open->fn = fn;
    open->arg = arg;
    command_send(&command, ledger->redis, deadline_ms, true, on_open, open);
}

/* take */

struct take_op {
    struct op op;
    moves_take_fn *fn;
    void *arg;
    char lease[MOVES_LEASE_DIGITS + 1];
};

/* The places in the script's reply. */
enum {
    TAKE_NOW,
    TAKE_NEXT_DUE,
    TAKE_MORE,
    TAKE_PLACE,
    TAKE_FILTERED,
    TAKE_DROPPED,
    TAKE_OWED,
    TAKE_ENTRIES,
    TAKE_HELD_FOR,
    TAKE_PAUSED,
    TAKE_BREAKER_OPEN,
    TAKE_BREAKER_PROBES,
    TAKE_PROBE,
    TAKE_EXPIRED,
    TAKE_POISONOUS,
    TAKE_OWNED,
    TAKE_PUT,
    TAKE_NOT_TRIED,
    TAKE_ALL_IS_PUT,
    TAKE_MARKS,
};

/* An entry of the script's begins with the stream id and has its fields at the fourth place;
 * entry_event wants {stream id, fields}. */
static struct ledger_event read_event(const struct redis_value *item) {
    struct redis_value halves[2] = {*redis_item(item, 0), *redis_item(item, 3)};
    struct redis_value entry = {.kind = REDIS_ARRAY, .items = halves, .count = 2};
    return entry_event(&entry);
}

static struct moves_taken read_taken(const struct redis_value *item, const char *lease) {
    return (struct moves_taken){
        .event = read_event(item),
        .lease = text_of(lease),
        .attempts = (unsigned)redis_integer(redis_item(item, 1)),
        .first_ms = redis_integer(redis_item(item, 2)),
    };
}

static struct moves_put read_put(const struct redis_value *item) {
    return (struct moves_put){
        .event = read_event(item),
        .tried = redis_integer(redis_item(item, 1)) > 0,
        .wait_ms = redis_integer(redis_item(item, 4)),
    };
}

static struct moves_not_tried read_not_tried(const struct redis_value *item) {
    return (struct moves_not_tried){
        .stream_id = redis_text(redis_item(item, 0)),
        .wait_ms = redis_integer(redis_item(item, 1)),
        .dead = redis_text(redis_item(item, 2)),
    };
}

struct lists { /* of a haul, which only lends them */
    struct moves_taken *taken;
    struct moves_put *put;
    struct moves_not_tried *not_tried;
    struct moves_mark *marks;
};

static void read_lists(const struct redis_value *reply, const char *lease, struct lists *lists,
                       struct moves_haul *haul) {
    const struct redis_value *taken = redis_item(reply, TAKE_ENTRIES);
    const struct redis_value *put = redis_item(reply, TAKE_PUT);
    const struct redis_value *not_tried = redis_item(reply, TAKE_NOT_TRIED);
    const struct redis_value *marks = redis_item(reply, TAKE_MARKS);
    lists->taken = memory_new(taken->count * sizeof *lists->taken);
    lists->put = memory_new(put->count * sizeof *lists->put);
    lists->not_tried = memory_new(not_tried->count * sizeof *lists->not_tried);
    lists->marks = memory_new(marks->count / 2 * sizeof *lists->marks);
    for (size_t i = 0; i < taken->count; i++)
        lists->taken[i] = read_taken(redis_item(taken, i), lease);
    for (size_t i = 0; i < put->count; i++)
        lists->put[i] = read_put(redis_item(put, i));
    for (size_t i = 0; i < not_tried->count; i++)
        lists->not_tried[i] = read_not_tried(redis_item(not_tried, i));
    for (size_t i = 0; i < marks->count / 2; i++)
        lists->marks[i] = (struct moves_mark){redis_text(redis_item(marks, 2 * i)),
                                              redis_text(redis_item(marks, 2 * i + 1))};
    haul->taken = lists->taken;
    haul->count = taken->count;
    haul->put = lists->put;
    haul->put_count = put->count;
    haul->not_tried = lists->not_tried;
    haul->not_tried_count = not_tried->count;
    haul->marks = lists->marks;
    haul->mark_count = marks->count / 2;
}

static void free_lists(struct lists *lists) {
    free(lists->taken);
    free(lists->put);
    free(lists->not_tried);
    free(lists->marks);
}

static int64_t number(const struct redis_value *reply, size_t place) {
    return redis_integer(redis_item(reply, place));
}

static void read_haul(const struct redis_value *reply, struct moves_haul *haul) {
    haul->now_ms = number(reply, TAKE_NOW);
    haul->next_due_in_ms = number(reply, TAKE_NEXT_DUE);
    haul->more = number(reply, TAKE_MORE) != 0;
    haul->place = redis_text(redis_item(reply, TAKE_PLACE));
    haul->filtered = number(reply, TAKE_FILTERED);
    haul->dropped = number(reply, TAKE_DROPPED);
    haul->owed = number(reply, TAKE_OWED);
    haul->held_for_ms = number(reply, TAKE_HELD_FOR);
    haul->paused = number(reply, TAKE_PAUSED) != 0;
    haul->breaker_open = number(reply, TAKE_BREAKER_OPEN) != 0;
    haul->breaker_probes = (unsigned)number(reply, TAKE_BREAKER_PROBES);
    haul->probe = number(reply, TAKE_PROBE) != 0;
    haul->expired = number(reply, TAKE_EXPIRED);
    haul->poisonous = number(reply, TAKE_POISONOUS);
    haul->owned = (enum moves_owned)number(reply, TAKE_OWNED);
    haul->all_is_put = number(reply, TAKE_ALL_IS_PUT) != 0;
}

static void on_take(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct take_op *take = arg;
    struct moves_haul haul = {.outcome = op_outcome(&take->op, "take", outcome, reply),
                              .next_due_in_ms = -1};
    struct lists lists = {0};
    if (outcome == REDIS_REPLIED && reply->count == 0) {
        haul.no_group = true;
    } else if (outcome == REDIS_REPLIED) {
        read_haul(reply, &haul);
        read_lists(reply, take->lease, &lists, &haul);
    }
    take->fn(take->arg, &haul);
    free_lists(&lists);
    op_end(&take->op);
}

static void add_order(struct command *command, const struct moves_order *order) {
    static const struct moves_order none = {0};
    if (!order)
        order = &none;
    command_number(command, order->owner_ms);
    command_text(command, order->after);
    command_number(command, (int64_t)order->head_count);
    for (size_t i = 0; i < order->head_count; i++) {
        command_text(command, order->heads[i].stream_id);
        command_text(command, order->heads[i].lane);
    }
}

/* An owner's token is the lease of all that it is handed. */
static void choose_lease(struct take_op *take, const struct moves_order *order) {
    if (order)
        snprintf(take->lease, sizeof take->lease, "%s", order->owner);
    else
        random_hex(take->lease, MOVES_LEASE_DIGITS);
}

void moves_take(struct ledger *ledger, const struct moves_take *what, moves_take_fn *fn,
                void *arg) {
    const struct config_service *service = what->service;
    struct text name = text_of(service->name);
    struct take_op *take = op_start(ledger, sizeof *take);
    take->fn = fn;
    take->arg = arg;
    choose_lease(take, what->order);
    struct command command = {.script = &script_take, .fresh_ms = what->start_in_ms};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "places");
    command_key_of(&command, ledger, "due", name);
    command_key_of(&command, ledger, "owed", name);
    command_key_of(&command, ledger, "count", name);
    command_key_of(&command, ledger, "service", name);
    command_key_of(&command, ledger, "dead", name);
    command_key_of(&command, ledger, "after_dead", name);
    command_text(&command, name);
    command_number(&command, (int64_t)what->slots);
    command_number(&command, (int64_t)what->retry_slots);
    command_number(&command, what->lease_ms);
    command_number(&command, what->owed_most_ms);
    command_number(&command, MOST_TAKE_BYTES);
    command_text_of(&command, take->lease);
    add_order(&command, what->order);
    command_number(&command, (int64_t)service->endpoint_count);
    for (size_t i = 0; i < service->endpoint_count; i++)
        command_text_of(&command, service->endpoints[i]);
    for (size_t i = 0; i < service->event_count; i++)
        command_pattern(&command, text_of(service->events[i]));
    /* Not repeatable: what a lost reply handed out comes back when its lease ends. */
    command_send(&command, ledger->redis, what->deadline_ms, false, on_take, take);
}

/* release */

static void on_release(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct done_op *release = arg;
    release->fn(release->arg, op_outcome(&release->op, "release", outcome, reply));
    op_end(&release->op);
}

void moves_release(struct ledger *ledger, const char *service, const char *owner,
                   int64_t deadline_ms, moves_done_fn *fn, void *arg) {
    struct command command = {.script = &script_release};
    command_key_of(&command, ledger, "service", text_of(service));
    command_text_of(&command, owner);
    struct done_op *release = op_start(ledger, sizeof *release);
    release->fn = fn;
    release->arg = arg;
    command_send(&command, ledger->redis, deadline_ms, true, on_release, release);
}

/* heal */

struct heal_op {
    struct op op;
    char *service;
    int64_t lease_ms, due_most_ms, deadline_ms;
    struct string step, cursor; /* where the walk is */
    struct moves_healed healed; /* so far */
    moves_heal_fn *fn;
    void *arg;
};

static void finish_heal(struct op *op) {
    struct heal_op *heal = (struct heal_op *)op;
    free(heal->service);
    string_finish(&heal->step);
    string_finish(&heal->cursor);
}

static void go_to(struct heal_op *heal, struct text step, struct text cursor) {
    string_clear(&heal->step);
    string_add(&heal->step, step);
    string_clear(&heal->cursor);
    string_add(&heal->cursor, cursor);
}

static void heal_step(struct heal_op *);

static void add_healed(struct moves_healed *healed, const struct redis_value *reply) {
    healed->group_made = healed->group_made || number(reply, 0) != 0;
    healed->put_back += number(reply, 1);
    healed->made_due += number(reply, 2);
    healed->dropped += number(reply, 3);
    healed->unread = number(reply, 6);
}

static void on_heal(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct heal_op *heal = arg;
    struct text step = redis_text(redis_item(reply, 4));
    heal->healed.outcome = op_outcome(&heal->op, "heal", outcome, reply);
    if (outcome == REDIS_REPLIED)
        add_healed(&heal->healed, reply);
    if (outcome == REDIS_REPLIED && step.size) {
        go_to(heal, step, redis_text(redis_item(reply, 5)));
        heal_step(heal);
        return;
    }
    heal->fn(heal->arg, &heal->healed);
    op_end(&heal->op);
}

static void heal_step(struct heal_op *heal) {
    struct ledger *ledger = heal->op.ledger;
    struct text name = text_of(heal->service);
    struct command command = {.script = &script_heal};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "places");
    command_key_of(&command, ledger, "due", name);
    command_key_of(&command, ledger, "owed", name);
    command_key_of(&command, ledger, "count", name);
    command_text(&command, name);
    command_number(&command, heal->lease_ms);
    command_number(&command, heal->due_most_ms);
    command_text(&command, string_text(&heal->step));
    command_text(&command, string_text(&heal->cursor));
    command_send(&command, ledger->redis, heal->deadline_ms, true, on_heal, heal);
}

void moves_heal(struct ledger *ledger, const struct moves_heal *what, moves_heal_fn *fn,
                void *arg) {
    struct heal_op *heal = op_start(ledger, sizeof *heal);
    heal->op.finish = finish_heal;
    heal->service = text_copy(text_of(what->service));
    heal->lease_ms = what->lease_ms;
    heal->due_most_ms = what->due_most_ms;
    heal->deadline_ms = what->deadline_ms;
    heal->fn = fn;
    heal->arg = arg;
    go_to(heal, text_of("far"), (struct text){0});
    heal_step(heal);
}
