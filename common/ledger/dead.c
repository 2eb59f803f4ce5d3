#include "ledger/dead.h"

#include <stdlib.h>

#include "base/memory.h"
#include "ledger/command.h"
#include "ledger/room.h"
#include "ledger/scripts.h"

enum { DEADLINE_MS = 5000 };

struct page_op {
    struct op op;
    dead_page_fn *fn;
    void *arg;
};

static struct dead_letter read_letter(const struct redis_value *entry) {
    uint64_t status = 0, tries = 0;
    text_to_uint(entry_field(entry, "status"), 999, &status);
    text_to_uint(entry_field(entry, "tries"), UINT32_MAX, &tries);
    struct dead_letter letter = {
        .dead_id = redis_text(redis_item(entry, 0)),
        .event = entry_event(entry),
        .reason = entry_field(entry, "reason"),
        .status = (int)status,
        .tries = (unsigned)tries,
    };
    letter.event.stream_id = letter.event.origin;
    return letter;
}

static void on_page(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct page_op *page = arg;
    struct dead_page result = {.outcome = op_outcome(&page->op, NULL, outcome, reply)};
    struct dead_letter *items = NULL;
    if (outcome == REDIS_REPLIED) {
        const struct redis_value *entries = redis_item(reply, 1);
        items = memory_new(entries->count * sizeof *items);
        for (size_t i = 0; i < entries->count; i++)
            items[i] = read_letter(redis_item(entries, i));
        result.items = items;
        result.count = entries->count;
        result.more = redis_integer(redis_item(reply, 0)) != 0;
    }
    page->fn(page->arg, &result);
    free(items);
    op_end(&page->op);
}

void dead_after(struct ledger *ledger, const char *service, struct text after, size_t most,
                dead_page_fn *fn, void *arg) {
    struct page_op *page = op_start(ledger, sizeof *page);
    page->fn = fn;
    page->arg = arg;
    struct command command = {.script = &script_page};
    command_key_of(&command, ledger, "dead", text_of(service));
    command_text(&command, after);
    command_number(&command, (int64_t)most);
    command_text_of(&command, "after");
    command_send(&command, ledger->redis, DEADLINE_MS, true, on_page, page);
}

struct moved_op {
    struct op op;
    dead_moved_fn *fn;
    void *arg;
};

static void on_moved(void *arg, enum redis_outcome outcome, const struct redis_value *reply) {
    struct moved_op *moved = arg;
    moved->fn(moved->arg, op_outcome(&moved->op, NULL, outcome, reply),
              outcome == REDIS_REPLIED && redis_integer(reply) != 0);
    op_end(&moved->op);
}

static struct moved_op *moved_start(struct ledger *ledger, dead_moved_fn *fn, void *arg) {
    struct moved_op *moved = op_start(ledger, sizeof *moved);
    moved->fn = fn;
    moved->arg = arg;
    return moved;
}

void dead_revive(struct ledger *ledger, const char *service, struct text dead_id, dead_moved_fn *fn,
                 void *arg) {
    struct command command = {.script = &script_revive};
    command_key_of(&command, ledger, "dead", text_of(service));
    command_key(&command, ledger, "events");
    command_key(&command, ledger, "about");
    command_text_of(&command, service);
    command_text(&command, dead_id);
    command_send(&command, ledger->redis, DEADLINE_MS, false, on_moved,
                 moved_start(ledger, fn, arg));
}

void dead_drop(struct ledger *ledger, const char *service, struct text dead_id, dead_moved_fn *fn,
               void *arg) {
    struct command command = {0};
    command_text_of(&command, "XDEL");
    command_key_of(&command, ledger, "dead", text_of(service));
    command_text(&command, dead_id);
    command_send(&command, ledger->redis, DEADLINE_MS, false, on_moved,
                 moved_start(ledger, fn, arg));
}
