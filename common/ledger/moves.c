#include "ledger/moves.h"

#include <stdlib.h>

#include "base/config.h"
#include "base/memory.h"
#include "base/random.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum {
    LAYOUT = 1, /* of the keys: raised when old and new programs could not share them */
    MOST_TAKE_BYTES = 1 << 20,
};

static void note_refusal(struct ledger *ledger, const char *move, enum redis_outcome outcome,
                         const struct redis_value *reply) {
    if (outcome == REDIS_REFUSED)
        ledger_refused(ledger, move, reply->text);
}

/* open */

struct open_op {
    struct op op;
    moves_done_fn *fn;
    void *arg;
};

static void on_open(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct open_op *open = arg;
    note_refusal(open->op.ledger, "open", outcome, reply);
    open->fn(open->arg, ledger_outcome_of(outcome));
    op_end(&open->op);
}

static void add_start(struct command *command, const struct config_service *service) {
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

void moves_open(struct ledger *ledger, const struct config_service *services, size_t count,
                int64_t deadline_ms, moves_done_fn *fn, void *arg) {
    struct command command = {.script = &script_open};
    command_key(&command, ledger, "about");
    command_key(&command, ledger, "places");
    command_key(&command, ledger, "events");
    for (size_t i = 0; i < count; i++)
        command_key_of(&command, ledger, "service", text_of(services[i].name));
    command_number(&command, LAYOUT);
    for (size_t i = 0; i < count; i++) {
        command_text_of(&command, services[i].name);
        add_start(&command, &services[i]);
    }
    struct open_op *open = op_start(ledger, sizeof *open);
    open->fn = fn;
    open->arg = arg;
    command_send(&command, ledger->redis, deadline_ms, true, on_open, open);
}

/* take */

enum { LEASE_DIGITS = 16 };

struct take_op {
    struct op op;
    moves_take_fn *fn;
    void *arg;
    char lease[LEASE_DIGITS + 1];
};

/* {stream id, attempts, first_ms, fields}; entry_event wants {stream id, fields}. */
static struct moves_taken read_taken(const struct redis_value *item, const char *lease) {
    struct redis_value halves[2] = {*redis_item(item, 0), *redis_item(item, 3)};
    struct redis_value entry = {.kind = REDIS_ARRAY, .items = halves, .count = 2};
    return (struct moves_taken){
        .event = entry_event(&entry),
        .lease = text_of(lease),
        .attempts = (unsigned)redis_integer(redis_item(item, 1)),
        .first_ms = redis_integer(redis_item(item, 2)),
    };
}

static void on_take(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct take_op *take = arg;
    struct moves_haul haul = {.outcome = ledger_outcome_of(outcome), .next_due_in_ms = -1};
    struct moves_taken *taken = NULL;
    note_refusal(take->op.ledger, "take", outcome, reply);
    if (outcome == REDIS_REPLIED && reply->count == 0) {
        haul.no_group = true;
    } else if (outcome == REDIS_REPLIED) {
        const struct redis_value *entries = redis_item(reply, 7);
        taken = memory_new(entries->count * sizeof *taken);
        for (size_t i = 0; i < entries->count; i++)
            taken[i] = read_taken(redis_item(entries, i), take->lease);
        haul.taken = taken;
        haul.count = entries->count;
        haul.now_ms = redis_integer(redis_item(reply, 0));
        haul.next_due_in_ms = redis_integer(redis_item(reply, 1));
        haul.more = redis_integer(redis_item(reply, 2)) != 0;
        haul.place = redis_text(redis_item(reply, 3));
        haul.filtered = redis_integer(redis_item(reply, 4));
        haul.dropped = redis_integer(redis_item(reply, 5));
        haul.owed = redis_integer(redis_item(reply, 6));
        haul.held_for_ms = redis_integer(redis_item(reply, 8));
        haul.paused = redis_integer(redis_item(reply, 9)) != 0;
        haul.breaker_open = redis_integer(redis_item(reply, 10)) != 0;
        haul.breaker_probes = (unsigned)redis_integer(redis_item(reply, 11));
        haul.probe = redis_integer(redis_item(reply, 12)) != 0;
        haul.expired = redis_integer(redis_item(reply, 13));
        haul.poisonous = redis_integer(redis_item(reply, 14));
    }
    take->fn(take->arg, &haul);
    free(taken);
    op_end(&take->op);
}

void moves_take(struct ledger *ledger, const struct moves_take *what, moves_take_fn *fn,
                void *arg) {
    const struct config_service *service = what->service;
    struct text name = text_of(service->name);
    struct take_op *take = op_start(ledger, sizeof *take);
    take->fn = fn;
    take->arg = arg;
    random_hex(take->lease, LEASE_DIGITS);
    struct command command = {.script = &script_take};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "places");
    command_key_of(&command, ledger, "due", name);
    command_key_of(&command, ledger, "owed", name);
    command_key_of(&command, ledger, "count", name);
    command_key_of(&command, ledger, "service", name);
    command_key_of(&command, ledger, "dead", name);
    command_text(&command, name);
    command_number(&command, (int64_t)what->slots);
    command_number(&command, (int64_t)what->retry_slots);
    command_number(&command, what->lease_ms);
    command_number(&command, what->owed_most_ms);
    command_number(&command, MOST_TAKE_BYTES);
    command_text_of(&command, take->lease);
    command_number(&command, (int64_t)service->endpoint_count);
    for (size_t i = 0; i < service->endpoint_count; i++)
        command_text_of(&command, service->endpoints[i]);
    for (size_t i = 0; i < service->event_count; i++)
        command_pattern(&command, text_of(service->events[i]));
    /* Not repeatable: what a lost reply handed out comes back when its lease ends. */
    command_send(&command, ledger->redis, what->deadline_ms, false, on_take, take);
}

/* heal */

struct heal_op {
    struct op op;
    moves_heal_fn *fn;
    void *arg;
};

static void on_heal(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct heal_op *heal = arg;
    struct moves_healed healed = {.outcome = ledger_outcome_of(outcome)};
    note_refusal(heal->op.ledger, "heal", outcome, reply);
    if (outcome == REDIS_REPLIED) {
        healed.group_made = redis_integer(redis_item(reply, 0)) != 0;
        healed.put_back = redis_integer(redis_item(reply, 1));
        healed.made_due = redis_integer(redis_item(reply, 2));
        healed.dropped = redis_integer(redis_item(reply, 3));
    }
    heal->fn(heal->arg, &healed);
    op_end(&heal->op);
}

void moves_heal(struct ledger *ledger, const char *service, int64_t deadline_ms, moves_heal_fn *fn,
                void *arg) {
    struct text name = text_of(service);
    struct command command = {.script = &script_heal};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "places");
    command_key_of(&command, ledger, "due", name);
    command_key_of(&command, ledger, "owed", name);
    command_key_of(&command, ledger, "count", name);
    command_text(&command, name);
    struct heal_op *heal = op_start(ledger, sizeof *heal);
    heal->fn = fn;
    heal->arg = arg;
    command_send(&command, ledger->redis, deadline_ms, true, on_heal, heal);
}
