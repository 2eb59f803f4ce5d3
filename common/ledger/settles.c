/* moves_settle: the move that every attempt ends with, so it shares its calls. What is asked in one
 * turn of the loop goes to Redis in the next, in one script call for each service.
 *
 *   moves_settle         next turn, or full          reply
 *  ──────────────▶ gathering ────────────────▶ sent ────────▶ each is told its own
 *
 * A call stays small, by number and by bytes; and a burial copies a whole event, so it is the last
 * of its call. */
#include <stdlib.h>

#include "ledger/command.h"
#include "ledger/moves.h"
#include "ledger/room.h"
#include "ledger/scripts.h"
#include "net/loop.h"

enum {
    MOST_SETTLES = 64,
    MOST_BYTES = 64 * 1024,
    MOST_LOG_ENTRIES = 100000,
};

struct settle {
    moves_settle_fn *fn;
    void *arg;
};

struct settles { /* one call */
    struct op op;
    LIST_ENTRY(settles) gathering; /* in struct ledger, until it is sent */
    bool sent;
    char *service;
    int64_t deadline_ms;
    struct command command;
    struct loop_timer *next_turn;
    struct settle settles[MOST_SETTLES];
    size_t count;
};

static void on_settles(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct settles *settles = arg;
    bool told = op_outcome(&settles->op, "settle", outcome, reply) == LEDGER_DONE;
    for (size_t i = 0; i < settles->count; i++) {
        const struct redis_value *result = redis_item(reply, i);
        enum moves_settled settled = MOVES_UNSETTLED;
        if (told && result->kind == REDIS_INTEGER)
            settled = result->integer ? MOVES_SETTLED : MOVES_LEASE_LOST;
        else if (told && result->kind == REDIS_ERROR)
            ledger_refused(settles->op.ledger, "settle", result->text);
        settles->settles[i].fn(settles->settles[i].arg, settled);
    }
    op_end(&settles->op);
}

static void send(struct settles *settles) {
    LIST_REMOVE(settles, gathering);
    settles->sent = true;
    loop_timer_cancel(settles->next_turn);
    /* Repeatable: a second time it finds nothing held, and changes nothing. */
    command_send(&settles->command, settles->op.ledger->redis, settles->deadline_ms, true,
                 on_settles, settles);
}

static void on_next_turn(void *arg) {
    send(arg);
}

static void finish(struct op *op) {
    struct settles *settles = (struct settles *)op;
    if (!settles->sent)
        LIST_REMOVE(settles, gathering);
    loop_timer_destroy(settles->next_turn);
    command_finish(&settles->command);
    free(settles->service);
}

static struct settles *begin(struct ledger *ledger, const struct moves_settle *what) {
    struct text service = text_of(what->service);
    struct settles *settles = op_start(ledger, sizeof *settles);
    settles->op.finish = finish;
    settles->service = text_copy(service);
    settles->deadline_ms = what->deadline_ms;
    settles->next_turn = loop_timer_create(ledger->loop, on_next_turn, settles);
    loop_timer_set(settles->next_turn, 0);
    LIST_INSERT_HEAD(&ledger->gathering, settles, gathering);
    struct command *command = &settles->command;
    command->script = &script_settle;
    command_key(command, ledger, "events");
    command_key_of(command, ledger, "due", service);
    command_key_of(command, ledger, "owed", service);
    command_key_of(command, ledger, "count", service);
    command_key_of(command, ledger, "dead", service);
    command_key(command, ledger, "log");
    command_key_of(command, ledger, "service", service);
    command_key_of(command, ledger, "after_dead", service);
    command_copy(command, service);
    command_number(command, MOST_LOG_ENTRIES);
    return settles;
}

static struct settles *gathering_for(struct ledger *ledger, const struct moves_settle *what) {
    struct settles *settles;
    LIST_FOREACH (settles, &ledger->gathering, gathering)
        if (text_is(text_of(settles->service), what->service) &&
            settles->deadline_ms == what->deadline_ms)
            return settles;
    return begin(ledger, what);
}

static const char *verdict_word(enum moves_verdict verdict) {
    static const char *const words[] = {
        [MOVES_DONE] = "done",
        [MOVES_DEFER] = "defer",
        [MOVES_BURY] = "bury",
    };
    return words[verdict];
}

static const char *breaker_word(enum moves_breaker breaker) {
    static const char *const words[] = {
        [MOVES_BREAKER_AS_IS] = "as_is",
        [MOVES_BREAKER_OPENS] = "opens",
        [MOVES_BREAKER_STAYS] = "stays",
        [MOVES_BREAKER_CLOSES] = "closes",
    };
    return words[breaker];
}

static void add(struct command *command, const struct moves_settle *what) {
    command_copy(command, what->stream_id);
    command_copy(command, what->lease);
    command_text_of(command, verdict_word(what->verdict));
    command_number(command, what->delay_ms);
    command_copy(command, what->event_id);
    command_text_of(command, what->revived ? "replay" : "live");
    command_copy(command, text_of(what->reason));
    command_number(command, what->status);
    command_number(command, what->took_ms);
    command_number(command, what->hold_ms);
    command_text_of(command, breaker_word(what->breaker));
    command_number(command, what->probe_in_ms);
    command_copy(command, what->lane);
}

void moves_settle(struct ledger *ledger, const struct moves_settle *what, moves_settle_fn *fn,
                  void *arg) {
    struct settles *settles = gathering_for(ledger, what);
    add(&settles->command, what);
    settles->settles[settles->count++] = (struct settle){fn, arg};
    if (settles->count == MOST_SETTLES || settles->command.made.size >= MOST_BYTES ||
        what->verdict == MOVES_BURY)
        send(settles);
}
