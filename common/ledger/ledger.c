/* The connection, and what `serve` does: append. */
#include "ledger/ledger.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "base/memory.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

/* How long Redis remembers a spool after its last word: longer than any outage of `serve` that
 * somebody would still want drained. */
static const int64_t SPOOL_KEPT_MS = INT64_C(30) * 86400 * 1000;

enum { REFUSAL_AGAIN_MS = 60000 };

static void on_state(void *arg, bool connected) {
    struct ledger *ledger = arg;
    if (ledger->on_state)
        ledger->on_state(ledger->arg, connected);
}

static void note_refusal(struct ledger *ledger, struct text words) {
    string_clear(&ledger->refusal);
    string_add(&ledger->refusal, words);
}

void ledger_refused(struct ledger *ledger, const char *what, struct text words) {
    int64_t now_ms = clock_steady_ms();
    bool logged = ledger->logged.size && now_ms - ledger->logged_ms < REFUSAL_AGAIN_MS;
    note_refusal(ledger, words);
    if (logged && text_equal(string_text(&ledger->logged), words))
        return;
    log_error("redis refuses what=%s reason=%.*s", what, TEXT_ARG(words));
    ledger->logged_ms = now_ms;
    string_clear(&ledger->logged);
    string_add(&ledger->logged, words);
}

static void on_refusal(void *arg, struct text words) {
    ledger_refused(arg, "waiting", words);
}

struct ledger *ledger_create(struct loop *loop, const struct config *config, const char *name,
                             void (*on_ledger_state)(void *arg, bool connected), void *arg,
                             struct string *why) {
    struct ledger *ledger = memory_new(sizeof *ledger);
    LIST_INIT(&ledger->ops);
    LIST_INIT(&ledger->gathering);
    ledger->loop = loop;
    ledger->prefix = config->redis.prefix;
    ledger->on_state = on_ledger_state;
    ledger->arg = arg;
    struct string about = {0};
    string_addf(&about, "%s:about", ledger->prefix);
    struct redis_options options = {
        .url = config->redis.url,
        .user = config->redis.user,
        .password = config->redis_password.size ? &config->redis_password : NULL,
        .ca_file = config->redis.ca_file,
        .name = name,
        .scripts = scripts_all,
        .mark = {about.data, "layout", LEDGER_LAYOUT},
        .on_state = on_state,
        .on_refusal = on_refusal,
        .arg = ledger,
    };
    ledger->redis = redis_create(loop, &options, why);
    string_finish(&about);
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
    string_finish(&ledger->refusal);
    string_finish(&ledger->logged);
    free(ledger);
}

bool ledger_connected(const struct ledger *ledger) {
    return redis_connected(ledger->redis);
}

struct text ledger_trouble(const struct ledger *ledger) {
    return redis_trouble(ledger->redis);
}

struct text ledger_refusal(const struct ledger *ledger) {
    return string_text(&ledger->refusal);
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

enum ledger_outcome op_outcome(const struct op *op, const char *what, enum redis_outcome outcome,
                               const struct redis_value *reply) {
    switch (outcome) {
    case REDIS_REPLIED:
        return LEDGER_DONE;
    case REDIS_REFUSED:
        if (what)
            ledger_refused(op->ledger, what, reply->text);
        else
            note_refusal(op->ledger, reply->text);
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

void ledger_note_pen(struct ledger *ledger, const struct redis_value *held) {
    if (held->count != 2)
        return;
    ledger->pen =
        (struct ledger_pen){redis_integer(redis_item(held, 0)), redis_integer(redis_item(held, 1))};
    ledger->pen_known = true;
}

bool ledger_pen_holds(const struct ledger *ledger, struct ledger_pen *pen) {
    *pen = ledger->pen;
    return ledger->pen_known;
}

/* append */

static void add_keys(struct command *command, const struct ledger *ledger,
                     const struct ledger_item *item) {
    if (item->pen)
        command_key(command, ledger, "pen");
    else
        command_key_of_id(command, ledger, "seen", item->event.endpoint, item->event.id);
    command_key_of(command, ledger, "endpoint", item->event.endpoint);
}

static void add_item(struct command *command, const struct ledger_item *item) {
    const struct ledger_event *event = &item->event;
    if (item->pen)
        command_text_of(command, "");
    else
        command_number(command, item->window_ms);
    command_text(command, item->pen ? item->reason : event->id);
    command_text(command, item->pen ? item->signature : event->type);
    command_text(command, event->endpoint);
    command_text(command, event->account);
    command_text(command, event->created);
    command_number(command, event->received_ms);
    command_text(command, event->trace);
    command_text(command, event->body);
}

static void add_pen_most(struct command *command, struct ledger_pen most) {
    if (most.events) {
        command_number(command, most.events);
        command_number(command, most.bytes);
    } else {
        command_text_of(command, "");
        command_text_of(command, "");
    }
}

/* `batch->spool` is empty for what comes straight from the door. What stands in a spool was
 * answered 2xx: the pen takes that, however full it is. */
static void send_batch(struct ledger *ledger, const struct ledger_batch *batch, bool repeatable,
                       redis_done_fn *fn, void *arg) {
    struct command command = {.script = &script_append};
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "about");
    command_key(&command, ledger, "pen");
    command_key_of(&command, ledger, "spool", text_of(batch->spool));
    for (size_t i = 0; i < batch->count; i++)
        add_keys(&command, ledger, &batch->items[i]);
    command_text_of(&command, batch->spool);
    command_number(&command, (int64_t)batch->after);
    command_number(&command, (int64_t)batch->last);
    command_number(&command, SPOOL_KEPT_MS);
    add_pen_most(&command, *batch->spool ? (struct ledger_pen){0} : batch->items[0].most);
    for (size_t i = 0; i < batch->count; i++)
        add_item(&command, &batch->items[i]);
    command_send(&command, ledger->redis, batch->deadline_ms, repeatable, fn, arg);
}

static const char no_answer[] = "redis answered an append with what is no answer to it";

/* Only what the script says: whatever else comes is no proof that anything is stored. */
static enum ledger_stored stored_as(const struct redis_value *result) {
    struct text word = redis_text(redis_item(result, 0));
    if (text_is(word, "stored"))
        return LEDGER_STORED;
    if (text_is(word, "full"))
        return LEDGER_PEN_FULL;
    return text_is(word, "duplicate") ? LEDGER_DUPLICATE : LEDGER_NOT_STORED;
}

static void read_appended(const struct redis_value *reply, struct ledger_appended *appended) {
    const struct redis_value *result = redis_item(redis_item(reply, 2), 0);
    appended->stored = stored_as(result);
    appended->stream_id = redis_text(redis_item(result, 1));
    if (appended->stored != LEDGER_NOT_STORED)
        return;
    appended->trouble = text_of(no_answer);
    log_error("%s", no_answer);
}

struct append_op {
    struct op op;
    ledger_append_fn *fn;
    void *arg;
};

static void on_appended(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct append_op *append = arg;
    struct ledger *ledger = append->op.ledger;
    struct ledger_appended appended = {.stored = LEDGER_NOT_STORED};
    if (outcome == REDIS_REPLIED) {
        read_appended(reply, &appended);
        ledger_note_pen(ledger, redis_item(reply, 3));
    } else if (outcome == REDIS_REFUSED) {
        appended.trouble = reply->text;
        ledger_refused(ledger, "append", reply->text);
    } else {
        appended.trouble = ledger_trouble(ledger);
    }
    append->fn(append->arg, &appended);
    op_end(&append->op);
}

void ledger_append(struct ledger *ledger, const struct ledger_item *item, int64_t deadline_ms,
                   ledger_append_fn *fn, void *arg) {
    struct append_op *append = op_start(ledger, sizeof *append);
    append->fn = fn;
    append->arg = arg;
    send_batch(
        ledger,
        &(struct ledger_batch){.spool = "", .items = item, .count = 1, .deadline_ms = deadline_ms},
        true, on_appended, append);
}

struct batch_op {
    struct op op;
    ledger_batch_fn *fn;
    void *arg;
    size_t count;
};

/* False: the script would not have said so. */
static bool read_batched(const struct redis_value *reply, size_t count,
                         struct ledger_batched *batched) {
    const struct redis_value *told = redis_item(reply, 2);
    if (reply->count != 3 && reply->count != 4)
        return false;
    batched->follows = redis_integer(redis_item(reply, 0)) != 0;
    batched->last = (uint64_t)redis_integer(redis_item(reply, 1));
    batched->stored = (size_t)redis_integer(redis_item(told, 0));
    batched->duplicate = (size_t)redis_integer(redis_item(told, 1));
    bool is_told = batched->stored <= count && batched->duplicate == count - batched->stored;
    return !batched->follows || is_told;
}

static void on_batched(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct batch_op *batch = arg;
    struct ledger_batched batched = {.outcome = op_outcome(&batch->op, NULL, outcome, reply)};
    if (outcome == REDIS_REFUSED)
        batched.trouble = reply->text;
    else if (outcome != REDIS_REPLIED)
        batched.trouble = ledger_trouble(batch->op.ledger);
    else if (!read_batched(reply, batch->count, &batched))
        batched = (struct ledger_batched){.outcome = LEDGER_REFUSED, .trouble = text_of(no_answer)};
    else
        ledger_note_pen(batch->op.ledger, redis_item(reply, 3));
    batch->fn(batch->arg, &batched);
    op_end(&batch->op);
}

void ledger_append_batch(struct ledger *ledger, const struct ledger_batch *what,
                         ledger_batch_fn *fn, void *arg) {
    struct batch_op *batch = op_start(ledger, sizeof *batch);
    batch->fn = fn;
    batch->arg = arg;
    batch->count = what->count;
    /* Not repeatable: after a lost connection the ledger is asked what it has, which tells more. */
    send_batch(ledger, what, false, on_batched, batch);
}

struct look_op {
    struct op op;
    ledger_look_fn *fn;
    void *arg;
};

static void on_looked(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct look_op *look = arg;
    ledger_note_pen(look->op.ledger, redis_item(reply, 2));
    look->fn(look->arg, &(struct ledger_look){
                            .outcome = op_outcome(&look->op, NULL, outcome, reply),
                            .last = (uint64_t)redis_integer(redis_item(reply, 0)),
                            .owed_ms = redis_integer(redis_item(reply, 1)),
                        });
    op_end(&look->op);
}

void ledger_look_at_spool(struct ledger *ledger, const char *spool, int64_t deadline_ms,
                          ledger_look_fn *fn, void *arg) {
    struct look_op *look = op_start(ledger, sizeof *look);
    look->fn = fn;
    look->arg = arg;
    struct command command = {.script = &script_spool_look};
    command_key_of(&command, ledger, "spool", text_of(spool));
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "places");
    command_key(&command, ledger, "pen");
    command_key(&command, ledger, "about");
    command_number(&command, SPOOL_KEPT_MS);
    command_send(&command, ledger->redis, deadline_ms, true, on_looked, look);
}
