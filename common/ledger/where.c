/* browse_where: how an entry stands at each service, a question for each, all at the same time. */
#include <stdlib.h>

#include "base/memory.h"
#include "ledger/browse.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum {
    DEADLINE_MS = 5000,
    LETTERS_PAGE = 1000, /* dead letters a script looks at, so that none holds Redis up */
};

const char *browse_standing_name(enum browse_standing standing) {
    static const char *const names[] = {
        [BROWSE_UNREAD] = "unread",
        [BROWSE_OWED] = "owed",
        [BROWSE_DEAD] = "dead",
        [BROWSE_SETTLED] = "settled",
    };
    return names[standing];
}

struct where_op {
    struct op op;
    browse_stands_fn *fn;
    void *arg;
    char *stream_id;
    struct browse_stand *items; /* names and outcomes are copies */
    size_t count, answered;
    enum ledger_outcome outcome;
};

struct where_part { /* one service's question */
    struct op op;
    struct where_op *where;
    size_t at;
    char *before; /* so far its dead letters were looked through */
};

static void finish_where(struct op *op) {
    struct where_op *where = (struct where_op *)op;
    for (size_t i = 0; i < where->count; i++) {
        free((void *)(uintptr_t)where->items[i].service.data);
        free((void *)(uintptr_t)where->items[i].outcome.data);
    }
    free(where->items);
    free(where->stream_id);
}

static void where_end(struct where_op *where) {
    struct browse_stands result = {where->outcome, where->items, where->count};
    where->fn(where->arg, &result);
    op_end(&where->op);
}

static struct text kept(struct text text) {
    return text_slice(text_copy(text), text.size);
}

static void finish_where_part(struct op *op) {
    free(((struct where_part *)op)->before);
}

static void ask_where(struct where_part *);

static void on_where(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct where_part *part = arg;
    struct where_op *where = part->where;
    struct browse_stand *stand = &where->items[part->at];
    struct text word = redis_text(redis_item(reply, 0));
    if (text_is(word, "more")) {
        free(part->before);
        part->before = text_copy(redis_text(redis_item(reply, 3)));
        ask_where(part);
        return;
    }
    if (outcome != REDIS_REPLIED) {
        where->outcome = op_outcome(&part->op, NULL, outcome, reply);
    } else {
        while (stand->standing < BROWSE_SETTLED &&
               !text_is(word, browse_standing_name(stand->standing)))
            stand->standing++;
        stand->attempts = (unsigned)redis_integer(redis_item(reply, 1));
        stand->due_in_ms = redis_integer(redis_item(reply, 2));
        stand->outcome = kept(redis_text(redis_item(reply, 3)));
    }
    op_end(&part->op);
    if (++where->answered == where->count)
        where_end(where);
}

static void ask_where(struct where_part *part) {
    struct where_op *where = part->where;
    struct ledger *ledger = where->op.ledger;
    struct text service = where->items[part->at].service;
    struct command command = {.script = &script_where};
    command_key(&command, ledger, "places");
    command_key_of(&command, ledger, "due", service);
    command_key_of(&command, ledger, "owed", service);
    command_key_of(&command, ledger, "dead", service);
    command_text(&command, service);
    command_text_of(&command, where->stream_id);
    command_text_of(&command, part->before);
    command_number(&command, LETTERS_PAGE);
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_where, part);
}

static void start_where(struct where_op *where, size_t at) {
    struct where_part *part = op_start(where->op.ledger, sizeof *part);
    part->op.finish = finish_where_part;
    part->where = where;
    part->at = at;
    part->before = text_copy(text_of("+"));
    ask_where(part);
}

static void on_where_services(void *arg, enum ledger_outcome outcome, const struct text *names,
                              size_t count) {
    struct where_op *where = arg;
    where->outcome = outcome;
    if (count == 0) {
        where_end(where);
        return;
    }
    where->items = memory_new(count * sizeof *where->items);
    where->count = count;
    for (size_t i = 0; i < count; i++)
        where->items[i].service = kept(names[i]);
    for (size_t i = 0; i < count; i++)
        start_where(where, i);
}

void browse_where(struct ledger *ledger, struct text stream_id, browse_stands_fn *fn, void *arg) {
    struct where_op *where = op_start(ledger, sizeof *where);
    where->op.finish = finish_where;
    where->fn = fn;
    where->arg = arg;
    where->stream_id = text_copy(stream_id);
    browse_services(ledger, on_where_services, where);
}
