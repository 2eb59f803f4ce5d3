/* The connection, and the two moves of `serve`: append and pen. */
#include "ledger/ledger.h"

#include <stdlib.h>

#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

static void on_state(void *arg, bool connected) {
    struct ledger *ledger = arg;
    if (ledger->on_state)
        ledger->on_state(ledger->arg, connected);
}

struct ledger *ledger_create(struct loop *loop, const struct config *config, const char *name,
                             void (*on_ledger_state)(void *arg, bool connected), void *arg,
                             struct string *why) {
    struct ledger *ledger = memory_new(sizeof *ledger);
    LIST_INIT(&ledger->ops);
    ledger->prefix = config->redis.prefix;
    ledger->on_state = on_ledger_state;
    ledger->arg = arg;
    struct redis_options options = {
        .url = config->redis.url,
        .user = config->redis.user,
        .password = config->redis_password.size ? &config->redis_password : NULL,
        .ca_file = config->redis.ca_file,
        .name = name,
        .scripts = scripts_all,
        .on_state = on_state,
        .arg = ledger,
    };
    ledger->redis = redis_create(loop, &options, why);
    if (ledger->redis)
        return ledger;
    free(ledger);
    return NULL;
}

void ledger_destroy(struct ledger *ledger) {
    if (!ledger)
        return;
    redis_destroy(ledger->redis);
    while (!LIST_EMPTY(&ledger->ops))
        op_end(LIST_FIRST(&ledger->ops));
    free(ledger);
}

bool ledger_connected(const struct ledger *ledger) {
    return redis_connected(ledger->redis);
}

struct text ledger_trouble(const struct ledger *ledger) {
    return redis_trouble(ledger->redis);
}

void *op_start(struct ledger *ledger, size_t size) {
    struct op *op = memory_new(size);
    op->ledger = ledger;
    LIST_INSERT_HEAD(&ledger->ops, op, ops);
    return op;
}

void op_end(struct op *op) {
    LIST_REMOVE(op, ops);
    if (op->finish)
        op->finish(op);
    free(op);
}

enum ledger_outcome ledger_outcome_of(enum redis_outcome outcome) {
    switch (outcome) {
    case REDIS_REPLIED:
        return LEDGER_DONE;
    case REDIS_REFUSED:
        return LEDGER_REFUSED;
    case REDIS_UNSENT:
    case REDIS_UNKNOWN:
        break;
    }
    return LEDGER_AWAY;
}

struct text entry_field(const struct redis_value *entry, const char *name) {
    const struct redis_value *fields = redis_item(entry, 1);
    for (size_t i = 0; i + 1 < fields->count; i += 2)
        if (text_is(redis_text(redis_item(fields, i)), name))
            return redis_text(redis_item(fields, i + 1));
    return (struct text){0};
}

struct ledger_event entry_event(const struct redis_value *entry) {
    struct ledger_event event = {
        .stream_id = redis_text(redis_item(entry, 0)),
        .id = entry_field(entry, "id"),
        .type = entry_field(entry, "type"),
        .endpoint = entry_field(entry, "endpoint"),
        .account = entry_field(entry, "account"),
        .created = entry_field(entry, "created"),
        .trace = entry_field(entry, "trace"),
        .body = entry_field(entry, "body"),
        .to = entry_field(entry, "to"),
        .origin = entry_field(entry, "origin"),
    };
    uint64_t received = 0;
    if (text_to_uint(entry_field(entry, "received"), INT64_MAX, &received))
        event.received_ms = (int64_t)received;
    return event;
}

struct append_op {
    struct op op;
    ledger_append_fn *fn;
    void *arg;
};

/* Only what the scripts say: whatever else comes is no proof that anything is stored. */
static enum ledger_stored stored_as(struct text word) {
    if (text_is(word, "stored"))
        return LEDGER_STORED;
    return text_is(word, "duplicate") ? LEDGER_DUPLICATE : LEDGER_NOT_STORED;
}

static void on_append_reply(void *arg, enum redis_outcome outcome,
                            const struct redis_value *reply) {
    struct append_op *append = arg;
    enum ledger_stored stored = LEDGER_NOT_STORED;
    struct text stream_id = {0};
    if (outcome == REDIS_REPLIED) {
        stored = stored_as(redis_text(redis_item(reply, 0)));
        stream_id = redis_text(redis_item(reply, 1));
        if (stored == LEDGER_NOT_STORED)
            log_error("redis answered an append with what is no answer to it");
    } else if (outcome == REDIS_REFUSED) {
        log_error("redis refused an event error=%.*s", TEXT_ARG(reply->text));
    }
    append->fn(append->arg, stored, stream_id);
    op_end(&append->op);
}

static struct append_op *append_start(struct ledger *ledger, ledger_append_fn *fn, void *arg) {
    struct append_op *append = op_start(ledger, sizeof *append);
    append->fn = fn;
    append->arg = arg;
    return append;
}

void ledger_append(struct ledger *ledger, const struct ledger_append *what, ledger_append_fn *fn,
                   void *arg) {
    const struct ledger_event *event = &what->event;
    struct command command = {.script = &script_append};
    command_key_of_id(&command, ledger, "seen", event->endpoint, event->id);
    command_key(&command, ledger, "events");
    command_key_of(&command, ledger, "endpoint", event->endpoint);
    command_number(&command, what->window_ms);
    command_text(&command, event->id);
    command_text(&command, event->type);
    command_text(&command, event->endpoint);
    command_text(&command, event->account);
    command_text(&command, event->created);
    command_number(&command, event->received_ms);
    command_text(&command, event->trace);
    command_text(&command, event->body);
    command_send(&command, ledger->redis, what->deadline_ms, true, on_append_reply,
                 append_start(ledger, fn, arg));
}

void ledger_pen(struct ledger *ledger, const struct ledger_pen *what, ledger_append_fn *fn,
                void *arg) {
    struct command command = {.script = &script_pen};
    command_key(&command, ledger, "pen");
    command_key_of(&command, ledger, "endpoint", what->endpoint);
    command_text(&command, what->endpoint);
    command_number(&command, what->received_ms);
    command_text(&command, what->reason);
    command_text(&command, what->signature);
    command_text(&command, what->body);
    command_send(&command, ledger->redis, what->deadline_ms, true, on_append_reply,
                 append_start(ledger, fn, arg));
}
