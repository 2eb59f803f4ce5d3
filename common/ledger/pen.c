#include "ledger/pen.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum { DEADLINE_MS = 5000 };

struct page_op {
    struct op op;
    pen_page_fn *fn;
    void *arg;
};

static struct pen_entry read_entry(const struct redis_value *entry) {
    uint64_t received = 0;
    text_to_uint(entry_field(entry, "received"), INT64_MAX, &received);
    return (struct pen_entry){
        .pen_id = redis_text(redis_item(entry, 0)),
        .endpoint = entry_field(entry, "endpoint"),
        .reason = entry_field(entry, "reason"),
        .signature = entry_field(entry, "signature"),
        .body = entry_field(entry, "body"),
        .received_ms = (int64_t)received,
    };
}

static void on_page(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct page_op *page = arg;
    struct pen_page result = {.outcome = op_outcome(&page->op, NULL, outcome, reply)};
    struct pen_entry *items = NULL;
    if (outcome == REDIS_REPLIED) {
        const struct redis_value *entries = redis_item(reply, 1);
        items = memory_new(entries->count * sizeof *items);
        for (size_t i = 0; i < entries->count; i++)
            items[i] = read_entry(redis_item(entries, i));
        result.items = items;
        result.count = entries->count;
        result.more = redis_integer(redis_item(reply, 0)) != 0;
    }
    page->fn(page->arg, &result);
    free(items);
    op_end(&page->op);
}

void pen_after(struct ledger *ledger, struct text after, size_t most, pen_page_fn *fn, void *arg) {
    struct page_op *page = op_start(ledger, sizeof *page);
    page->fn = fn;
    page->arg = arg;
    struct command command = {.script = &script_page};
    command_key(&command, ledger, "pen");
    command_text(&command, after);
    command_number(&command, (int64_t)most);
    command_text_of(&command, "after");
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_page, page);
}

struct removed_op {
    struct op op;
    pen_removed_fn *fn;
    void *arg;
    size_t count;
};

static void on_removed(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct removed_op *removed = arg;
    const struct redis_value *told = redis_item(reply, 0);
    bool *went = memory_new(removed->count * sizeof *went);
    for (size_t i = 0; i < removed->count; i++)
        went[i] = redis_integer(redis_item(told, i)) != 0;
    ledger_note_pen(removed->op.ledger, redis_item(reply, 1));
    removed->fn(removed->arg, op_outcome(&removed->op, NULL, outcome, reply), went);
    free(went);
    op_end(&removed->op);
}

void pen_remove(struct ledger *ledger, const struct text *pen_ids, size_t count, pen_removed_fn *fn,
                void *arg) {
    struct removed_op *removed = op_start(ledger, sizeof *removed);
    removed->fn = fn;
    removed->arg = arg;
    removed->count = count;
    struct command command = {.script = &script_pen_remove};
    command_key(&command, ledger, "pen");
    command_key(&command, ledger, "about");
    for (size_t i = 0; i < count; i++)
        command_text(&command, pen_ids[i]);
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_removed, removed);
}
