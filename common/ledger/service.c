#include "ledger/service.h"

#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum { DEADLINE_MS = 5000 };

struct done_op {
    struct op op;
    service_done_fn *fn;
    void *arg;
};

static void on_done(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct done_op *done = arg;
    done->fn(done->arg, op_outcome(&done->op, NULL, outcome, reply),
             outcome == REDIS_REPLIED && redis_integer(reply) != 0);
    op_end(&done->op);
}

static struct done_op *done_start(struct ledger *ledger, service_done_fn *fn, void *arg) {
    struct done_op *done = op_start(ledger, sizeof *done);
    done->fn = fn;
    done->arg = arg;
    return done;
}

static void set(struct ledger *ledger, const char *service, const char *what, service_done_fn *fn,
                void *arg) {
    struct command command = {.script = &script_service_set};
    command_key(&command, ledger, "places");
    command_key_of(&command, ledger, "service", text_of(service));
    command_text_of(&command, service);
    command_text_of(&command, what);
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_done, done_start(ledger, fn, arg));
}

void service_pause(struct ledger *ledger, const char *service, service_done_fn *fn, void *arg) {
    set(ledger, service, "pause", fn, arg);
}

void service_resume(struct ledger *ledger, const char *service, service_done_fn *fn, void *arg) {
    set(ledger, service, "resume", fn, arg);
}

static void add_keys(struct command *command, const struct ledger *ledger, const char *const *kinds,
                     struct text service) {
    command_key(command, ledger, "events");
    command_key(command, ledger, "places");
    for (; *kinds; kinds++)
        command_key_of(command, ledger, *kinds, service);
    command_text(command, service);
}

void service_forget(struct ledger *ledger, const char *service, service_done_fn *fn, void *arg) {
    static const char *const kinds[] = {"owed", "due",        "count", "service",
                                        "dead", "after_dead", NULL};
    struct command command = {.script = &script_service_forget};
    add_keys(&command, ledger, kinds, text_of(service));
    /* Not repeatable: a second time it would find nothing, and say that there was none. */
    command_send(&command, ledger->redis, DEADLINE_MS, false, on_done, done_start(ledger, fn, arg));
}

struct look_op {
    struct op op;
    service_state_fn *fn;
    void *arg;
};

static void on_look(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct look_op *look = arg;
    struct service_state state = {.outcome = op_outcome(&look->op, NULL, outcome, reply)};
    if (outcome == REDIS_REPLIED) {
        state.place = redis_text(redis_item(reply, 0));
        state.owed = redis_integer(redis_item(reply, 1));
        state.unread = redis_integer(redis_item(reply, 2));
        state.dead = redis_integer(redis_item(reply, 3));
        state.paused = redis_integer(redis_item(reply, 4)) != 0;
        state.held_for_ms = redis_integer(redis_item(reply, 5));
        state.breaker_open = redis_integer(redis_item(reply, 6)) != 0;
        state.probes = redis_integer(redis_item(reply, 7));
        state.due_in_ms = redis_integer(redis_item(reply, 8));
        state.owner = redis_text(redis_item(reply, 9));
        state.owner_for_ms = redis_integer(redis_item(reply, 10));
    }
    look->fn(look->arg, &state);
    op_end(&look->op);
}

void service_look(struct ledger *ledger, const char *service, service_state_fn *fn, void *arg) {
    static const char *const kinds[] = {"owed", "service", "dead", "due", NULL};
    struct look_op *look = op_start(ledger, sizeof *look);
    look->fn = fn;
    look->arg = arg;
    struct command command = {.script = &script_service_look};
    add_keys(&command, ledger, kinds, text_of(service));
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_look, look);
}
